"""`peerd up`: the daemon in the foreground. Never here: the daemon."""

from typing import TYPE_CHECKING

from peerd import config
from peerd.commands.output import DONE, UsageError, print_json
from peerd.config import UpOptions
from peerd_protocol.errors import LocalError

if TYPE_CHECKING:
    from peerd.daemon import Ready


def up(options: UpOptions, as_json: bool) -> int:
    for peer in options.peers:
        try:
            config.address_of(peer)
        except LocalError as error:
            raise UsageError(f"--peer: {error}") from error
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
