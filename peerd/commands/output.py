"""How every command speaks: answers on stdout, everything else on stderr, and three exit codes.

With `--json` stdout holds one JSON value and nothing else. Never here: what a command does.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console

from peerd_protocol.errors import PeerdError

DONE, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130


class UsageError(PeerdError):
    """The words of the command can not mean anything: the person has to write it otherwise."""


def run(command: Callable[[], int], as_json: bool = False) -> int:
    """Run a command to its exit code; an error of ours becomes one sentence."""
    try:
        return command()
    except UsageError as error:
        return say_error(str(error), as_json, USAGE)
    except PeerdError as error:
        return say_error(str(error), as_json, FAILED)
    except KeyboardInterrupt:
        return say_error("Interrupted.", as_json, INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left, and wants no word about it
        return FAILED


def say_error(sentence: str, as_json: bool, code: int) -> int:
    if as_json:
        print_json({"error": sentence})
    print(f"peerd: {sentence}", file=sys.stderr)
    return code


def print_json(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # this output has another encoding, or a path here has; JSON can say it all the same
        text = json.dumps(value)
    print(text, flush=True)


def screen() -> Console:
    """For the answer. What a person wrote is shown as written: brackets and colons in a prompt are no markup."""
    return Console(highlight=False, markup=False, emoji=False)


def notes() -> Console:
    """For words beside the answer."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)
