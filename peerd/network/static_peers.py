"""Peers that a person named by address alone: which member listens there is found by trying the members' keys.

A CURVE server answers nobody who doesn't name its key, so each attempt is one handshake of milliseconds. Never here:
the channel that follows (`peer`).
"""

import asyncio
import contextlib
import logging
from typing import Final, Protocol

import zmq.asyncio

from peerd.network.identity import Identity
from peerd.network.knock import Knock, knock
from peerd.network.roster import Roster
from peerd_protocol.ids import NodeId

log = logging.getLogger(__name__)

STATIC_PEERS_MAX: Final = 64
"""Addresses a person may name: twice the members of a cluster."""
PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Between rounds while nobody is found; the last one repeats, and a change of roster or channels ends any."""


class Finds(Protocol):
    """What the finder needs of the transport."""

    def dial(self, host: str, port: int, node: NodeId | None) -> None: ...

    def is_reached_at(self, host: str, port: int) -> bool: ...


class StaticPeers:
    """One patient task per named address."""

    def __init__(self, context: zmq.asyncio.Context, identity: Identity, roster: Roster, transport: Finds) -> None:
        self._context, self._identity, self._roster, self._transport = context, identity, roster, transport
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._changes: dict[tuple[str, int], asyncio.Event] = {}

    def add(self, host: str, port: int) -> None:
        if (host, port) in self._tasks:
            return
        if len(self._tasks) >= STATIC_PEERS_MAX:
            log.warning("%s:%d is left out: %d peers are named already", host, port, STATIC_PEERS_MAX)
            return
        self._changes[host, port] = asyncio.Event()
        work = self._find(host, port, self._changes[host, port])
        self._tasks[host, port] = asyncio.get_running_loop().create_task(work, name=f"peerd peer {host}:{port}")

    def changed(self) -> None:
        """The roster or a channel changed: look again."""
        for change in self._changes.values():
            change.set()

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        self._tasks.clear()

    async def _find(self, host: str, port: int, change: asyncio.Event) -> None:
        misses = 0
        while True:
            change.clear()
            if self._transport.is_reached_at(host, port):
                misses = 0
                await change.wait()
                continue
            node = await self._who_listens(host, port)
            if node is not None:
                self._transport.dial(host, port, node)
            misses += 1
            if misses == len(PAUSES_S):
                log.warning("no member answers at %s:%d; going on trying", host, port)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSES_S[min(misses, len(PAUSES_S)) - 1]):
                    await change.wait()

    async def _who_listens(self, host: str, port: int) -> NodeId | None:
        for node in sorted(self._roster.members - {self._identity.node}):
            member = self._roster.member(node)
            if member is None:
                continue
            keys = (self._identity.curve_key, self._identity.curve_secret)
            outcome = await knock(self._context, host, port, member.curve_key, keys)
            if outcome in (Knock.LET_IN, Knock.TURNED_AWAY):
                return node
            if outcome is Knock.NOBODY:
                return None
        return None
