"""One door under libFuzzer: `python -m tests.fuzzing.child DOOR [OPTION ...]`. DOOR `all`: the first byte says.

Only our own modules are watched for coverage; a crash or a leak ends the process and leaves its bytes behind. Never
here: which doors there are (`doors`), or how long anybody knocks (`campaign`).
"""

import os
import sys

import atheris

with atheris.instrument_imports(include=["peerd", "peerd_protocol"]):
    from tests.fuzzing.doors import DOORS


def main() -> None:
    # Linux counts into a program's peak of memory what had started it; a fork of its own begins at nothing.
    if child := os.fork():
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    name, *options = sys.argv[1:]
    doors = list(DOORS.values()) if name == "all" else [DOORS[name]]

    def knock(data: bytes) -> None:
        if len(doors) == 1:
            doors[0].open(data)
        elif data:
            doors[data[0] % len(doors)].open(data[1:])

    atheris.Setup([sys.argv[0], *options], knock)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
