"""A node's network without the node: identity, roster and transport on 127.0.0.1, and what they told, to be awaited."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from peerd.network.addresses import AddressBook
from peerd.network.identity import Identity
from peerd.network.roster import Roster
from peerd.network.transport import Transport
from peerd_protocol.certificates import ALL_ROLES
from peerd_protocol.ids import BootNonce, NodeId
from peerd_protocol.messages import PROTOCOL_VERSION, AnyFrame, Hello, Preclaim

WAIT_S_MAX = 10.0


class Station:
    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder / name, name
        self.identity = Identity.load_or_make(self.folder)
        self.roster = Roster.load_or_found(self.folder, self.identity, name)
        self.heard: list[tuple[NodeId, AnyFrame]] = []
        self.told: list[tuple[str, NodeId]] = []
        self._news = asyncio.Event()
        self.boots = 0
        self.transport = self._new_transport()

    def _new_transport(self) -> Transport:
        self.boots += 1
        return Transport(
            self.identity,
            self.roster,
            self._hello,
            self._on_message,
            lambda node: self._tell("connected", node),
            lambda node, refused: self._tell("refused" if refused else "closed", node),
            AddressBook(self.folder),
        )

    @property
    def node(self) -> NodeId:
        return self.identity.node

    @property
    def port(self) -> int:
        return self.transport.control_port

    def lets_in(self, *others: "Station") -> None:
        """Pair in one line: what `pairing` does over the network."""
        for other in others:
            them = other.identity
            self.roster.admit(them.device_key, them.curve_key, them.key_bind, other.name, ALL_ROLES)
        for other in others:
            if other.roster.cluster == self.roster.cluster:
                other.roster.merge(self.roster.certificates, self.roster.revocations)
            else:
                other.roster.adopt(self.roster.keys, self.roster.certificates, self.roster.revocations)

    async def start(self, port: int = 0) -> "Station":
        await self.transport.start("127.0.0.1", port)
        return self

    async def restart(self, port: int = 0) -> None:
        """The process ends and comes back, with the same keys and an empty memory."""
        await self.transport.close()
        self.told.clear()
        self.heard.clear()
        self.transport = self._new_transport()
        await self.start(port)

    def dial(self, other: "Station") -> None:
        self.transport.dial("127.0.0.1", other.port, other.node)

    async def is_told(self, what: str, node: NodeId, seconds: float = WAIT_S_MAX) -> None:
        await self.until(lambda: (what, node) in self.told, seconds)

    async def hears(self, message: AnyFrame) -> NodeId:
        """Wait for this message; who said it."""
        await self.until(lambda: any(heard == message for _, heard in self.heard))
        return next(sender for sender, heard in self.heard if heard == message)

    async def until(self, holds: Callable[[], bool], seconds: float = WAIT_S_MAX) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def drops(self, why: str, count: int = 1) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            while self.transport.counts[why] < count:  # noqa: ASYNC110 - drops are counted, never announced
                await asyncio.sleep(0.01)

    def _hello(self, control_port: int, bulk_port: int) -> Hello:
        return Hello(
            version=PROTOCOL_VERSION,
            name=self.name,
            boot=BootNonce(f"boot-{self.boots}"),
            control_port=control_port,
            bulk_port=bulk_port,
        )

    def _on_message(self, sender: NodeId, message: AnyFrame) -> None:
        self.heard.append((sender, message))
        self._news.set()

    def _tell(self, what: str, node: NodeId) -> None:
        self.told.append((what, node))
        self._news.set()


async def meet(one: Station, other: Station) -> None:
    one.dial(other)
    await asyncio.gather(one.is_told("connected", other.node), other.is_told("connected", one.node))


def word(number: int) -> AnyFrame:
    """Some small message that can be told from others."""
    return Preclaim(counter=number)
