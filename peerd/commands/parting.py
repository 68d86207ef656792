"""`peerd revoke` and `peerd leave`: a device is shut out for ever, or goes by itself.

Never here: what that means to the others; the daemon does it.
"""

import sys

from peerd.commands.output import DONE, FAILED, notes, print_json, say_error, screen
from peerd.commands.whose import daemon


def revoke(device: str, yes: bool, as_json: bool) -> int:
    if not yes and not _sure(f"Shut {device} out for ever? It can only come back with a new identity. \\[y/n] "):
        return say_error("Nobody was shut out; --yes says yes beforehand.", as_json, FAILED)
    revoked = daemon().revoke(device)
    if as_json:
        print_json({"revoked": revoked.name, "id": revoked.id, "told": revoked.told})
    else:
        members = "1 member heard" if revoked.told == 1 else f"{revoked.told} members heard"
        screen().print(f"{revoked.name} is shut out for ever; {members} of it at once.", soft_wrap=True)
    return DONE


def leave(abandon: bool, yes: bool, as_json: bool) -> int:
    if not yes and not _sure("Leave this cluster, and forget what was kept in it? \\[y/n] "):
        return say_error("This node stays; --yes says yes beforehand.", as_json, FAILED)
    daemon().leave(abandon)
    if as_json:
        print_json({"left": True})
    else:
        screen().print(
            "This node has left and is alone. The others still trust its key; whoever keeps the root key can end that "
            "with `peerd revoke`.",
            soft_wrap=True,
        )
    return DONE


def _sure(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return notes().input(question).strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D: whoever ends the talk does not say yes
        notes().print()
        return False
