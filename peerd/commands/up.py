"""`peerd up`: the daemon in the foreground. Never here: the daemon."""

from peerd.commands.output import UsageError
from peerd.config import UpOptions


def up(options: UpOptions) -> int:
    for peer in options.peers:
        _check_address(peer)
    if options.name is not None and not options.name.strip():
        raise UsageError("--name is empty; leave it out, or give this node a name.")
    from peerd.daemon import main  # the only command that needs it

    return main(options)


def _check_address(peer: str) -> None:
    host, colon, port = peer.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise UsageError(f"--peer is HOST:PORT, for example 192.168.1.20:4711; {peer!r} is not.")
