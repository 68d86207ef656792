"""Where members were last reached, in a file of its own so that it can be erased: hints for the next start, no more.

Never here: who is a member, and no claim that an address is right; only a handshake proves that.
"""

import logging
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from peerd.network.secret_files import read_secret, write_secret
from peerd_protocol.bounds import CERTIFICATES_MAX, PORT_MAX
from peerd_protocol.errors import UNREADABLE, LocalError
from peerd_protocol.ids import NodeId

log = logging.getLogger(__name__)

FILE_NAME: Final = "addresses"
_KIND: Final = "addresses"


class _Kept(msgspec.Struct, frozen=True):
    addresses: Annotated[
        dict[str, tuple[str, Annotated[int, Meta(ge=1, le=PORT_MAX)]]], Meta(max_length=CERTIFICATES_MAX)
    ]


class AddressBook:
    """The last address of each member. A damaged or missing file is an empty book: nothing is lost but a hint."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._addresses: dict[NodeId, tuple[str, int]] = {}
        try:
            body = read_secret(self._path, _KIND)
            if body is not None:
                kept = msgspec.msgpack.decode(body, type=_Kept)
                self._addresses = {NodeId(node): address for node, address in kept.addresses.items()}
        except (LocalError, *UNREADABLE) as error:
            log.warning("starting without remembered addresses: %s", error)

    def known(self) -> list[tuple[NodeId, str, int]]:
        return [(node, host, port) for node, (host, port) in self._addresses.items()]

    def remember(self, node: NodeId, host: str, port: int) -> None:
        """Written only when it changed."""
        if self._addresses.get(node) == (host, port):
            return
        self._addresses[node] = (host, port)
        while len(self._addresses) > CERTIFICATES_MAX:
            del self._addresses[next(iter(self._addresses))]
        try:
            write_secret(
                self._path,
                _KIND,
                msgspec.msgpack.encode(_Kept({str(each): where for each, where in self._addresses.items()})),
            )
        except LocalError as error:
            log.warning("an address is not remembered: %s", error)

    def erase(self) -> None:
        self._addresses.clear()
        self._path.unlink(missing_ok=True)
