"""Every order of events in the election of three nodes, to a bounded depth: searched once, and remembered with a soak.

It is searched again only when the protocol has changed since. Never here: the search (`tests.simulation.exhaustive`).
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import msgspec

DEPTH = 5
"""Moves from each beginning: a minute, and some hundred megabytes in a process of its own."""
PROTOCOL = Path(__file__).parents[2] / "protocol" / "peerd_protocol"
_COUNTS = re.compile(r"states (\d+); violations: (\d+)")


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """What a search has shown of the protocol with these digests."""

    protocol: str
    depth: int
    states: int
    violations: int
    seconds: float

    def line(self) -> str:
        return (
            f"every order of {self.depth} events in the election of 3 nodes: {self.states} states "
            f"in {self.seconds:.0f} s, violations: {self.violations}"
        )


def searched(folder: Path, depth: int = DEPTH) -> Searched:
    """What is remembered in `folder`, or else found now. A violation is told as it is found, and not remembered."""
    file, protocol = folder / "orders.json", digest(PROTOCOL)
    if file.exists():
        known = msgspec.json.decode(file.read_bytes(), type=Searched)
        if (known.protocol, known.depth) == (protocol, depth):
            return known
    began_s = perf_counter()
    command = [sys.executable, "-m", "tests.simulation.exhaustive", "--depth", str(depth)]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
    counts = _COUNTS.search(told)
    if counts is None:
        raise SystemExit(f"The search of every order of events ended early: {told}")
    states, violations = map(int, counts.groups())
    found = Searched(
        protocol=protocol, depth=depth, states=states, violations=violations, seconds=perf_counter() - began_s
    )
    if violations:
        print(told, flush=True)
    else:
        file.write_bytes(msgspec.json.encode(found))
    return found


def digest(package: Path) -> str:
    """Of the sources that the search runs."""
    whole = hashlib.sha256()
    for path in sorted(package.glob("*.py")):
        whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()
