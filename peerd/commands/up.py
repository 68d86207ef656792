"""`peerd up`: the daemon in the foreground. Never here: the daemon."""

from typing import TYPE_CHECKING

from peerd.commands.output import DONE, UsageError, print_json
from peerd.config import UpOptions

if TYPE_CHECKING:
    from peerd.daemon import Ready


def up(options: UpOptions, as_json: bool) -> int:
    for peer in options.peers:
        _check_address(peer)
    if options.name is not None and not options.name.strip():
        raise UsageError("--name is empty; leave it out, or give this node a name.")
    from peerd.daemon import main  # the only command that needs it

    main(options, _tell_as_json if as_json else _tell)
    return DONE


def _tell(ready: "Ready") -> None:
    print(f"ready {ready.name} {ready.id} {' '.join(ready.endpoints)}", flush=True)


def _tell_as_json(ready: "Ready") -> None:
    told = {"name": ready.name, "id": ready.id, "endpoints": ready.endpoints}
    print_json({**told, "home": str(ready.home), "api": str(ready.api)})


def _check_address(peer: str) -> None:
    host, colon, port = peer.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise UsageError(f"--peer is HOST:PORT, for example 192.168.1.20:4711; {peer!r} is not.")
