"""Which daemon a person means, and how its pictures come to them where it is not their own.

A daemon of one's own writes where its person says. The one daemon of a whole device has its own user and its own
folder: it works for a group of people, and each of them fetches their picture from it. Never here: what is asked.
"""

import os
import re
from collections.abc import Generator
from pathlib import Path

import msgspec

from peerd import config, paths
from peerd.api.address import is_listened_to, socket_path
from peerd.api.client import Client
from peerd.api.desk import Wish
from peerd.commands.output import notes
from peerd_protocol.errors import LocalError, PeerdError
from peerd_protocol.ids import RequestId
from peerd_protocol.notices import AnyNotice, Finished

NAME_CHARS_MAX = 40


def daemon() -> Client:
    """The one at this person's home. Who named no home and has no daemon there is served by the device's, if it has
    one.

    A socket that nobody listens to is no daemon: a power cut leaves one behind.
    """
    home, shared = config.home(), config.device_socket()
    if config.HOME_VARIABLE in os.environ or not paths.is_there(shared) or is_listened_to(socket_path(home)):
        return Client(home)
    return Client(home, shared)


def fetched(client: Client, wish: Wish) -> tuple[Wish, Path | None]:
    """The wish as this daemon may be asked, and where its picture is to be brought, if it has to be.

    LocalError if nothing can be written there: told before anybody draws.
    """
    if client.own:
        return wish, None
    out = paths.whole(wish.out if wish.out is not None else _name(wish.prompt))
    paths.check_place(out)
    if not os.access(out.parent, os.W_OK):
        raise LocalError(f"No picture can be written to {out.parent}; name another place with --out.")
    return msgspec.structs.replace(wish, out=None), out


def brought(
    notices: Generator[AnyNotice, None, None], client: Client, request: RequestId, out: Path, *, overwrite: bool
) -> Generator[AnyNotice, None, None]:
    """The same notices, but that the last one names our copy of the picture, and the daemon keeps none.

    What lies in the folder of a daemon that works for many lies there in the clear, with its prompt.
    """
    for notice in notices:
        if isinstance(notice, Finished):
            from peerd.pictures import write_file  # only here: most people have a daemon of their own

            path = write_file(out, client.picture(request), overwrite=overwrite)
            try:
                client.discard(request)
            except PeerdError as error:
                notes().print(f"The daemon still has its copy of the picture: {error}", soft_wrap=True)
            notice = msgspec.structs.replace(notice, path=str(path))
        yield notice


def _name(prompt: str) -> str:
    return re.sub(r"\W+", "-", prompt.casefold())[:NAME_CHARS_MAX].strip("-") + ".png"
