"""One peer as this node reaches it: the addresses it may be at, and the two channels to it.

    nowhere --dial--> seeking --handshake--> connected --cut--> seeking ...
                         ^                       |
                         +---- refused dial: ----+      (then its process is gone, which `on_closed` says at once)

Addresses are hints from discovery, a person, or the peer's own Hello; the newest is tried first, and only a finished
handshake with the pinned key makes one true. That one is never pushed out by hints, and a hint that comes while another
address is tried waits for its turn, so that nobody keeps two members apart by naming addresses. Never here: whether the
peer may be spoken to (`transport`).
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

import zmq
import zmq.asyncio

from peerd.network.channel import Channel, Numbering
from peerd.network.sockets import LINGER_MS, Lane
from peerd_protocol.ids import NodeId

log = logging.getLogger(__name__)

Address = tuple[str, int]

ADDRESSES_MAX: Final = 8
"""Interfaces of one device, and a few stale ones; more push out the oldest, but for the one that was true last."""
ATTEMPT_S_MAX: Final = 2.0
"""One address, before the next is tried: a connection in 1.5 s and a handshake."""
ATTEMPT_S_MIN: Final = 0.5
"""So long an address is tried at least, even if a newer one is named: a handshake takes milliseconds."""
ROUND_PAUSE_S: Final = 1.0
"""Between two rounds over all addresses; a new address starts a round at once."""
REFUSED_PAUSES_S: Final = (0.5, 1.0, 2.0)
"""After a failed handshake. A peer that does not know our key yet learns of it by gossip within a heartbeat or two,
and libzmq gives up on a refused key; the last pause repeats."""
PROBE_PAUSES_S: Final = (0.05, 0.15, 0.3, 0.5)
"""After a cut: ports of a killed process close within milliseconds, those of a rebinding one reopen as fast."""
PROBES_REFUSED: Final = 2
"""In a row: one refusal alone may be a peer that rebinds its sockets after a revocation."""
WAITING_CHUNKS_MAX: Final = 16
"""Two handoff windows, kept while the bulk channel's handshake runs (some 10 ms)."""


class Peer:
    """The ways to one node. Its calls come from the event loop and return at once."""

    def __init__(
        self,
        context: zmq.asyncio.Context,
        node: NodeId,
        receiver_key: bytes,
        curve_keys: tuple[bytes, bytes],
        hello: Callable[[], bytes],
        on_connected: Callable[[NodeId], None],
        on_closed: Callable[[NodeId, bool], None],
    ) -> None:
        self.node, self.receiver_key = node, receiver_key
        self.sent = self.dropped = 0
        self._context, self._curve_keys, self._hello = context, curve_keys, hello
        self._on_connected, self._on_closed = on_connected, on_closed
        self._addresses: deque[Address] = deque()
        self._true_address: Address | None = None
        """Where a handshake was finished last."""
        self._numbering = {lane: Numbering() for lane in Lane}
        self._channels: dict[Lane, Channel] = {}
        self._bulk_port: int | None = None
        self._waiting_chunks: deque[bytes] = deque()
        self._changed, self._hinted, self._stirred = asyncio.Event(), asyncio.Event(), asyncio.Event()
        """An attempt ended, another address was named, either."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._refusals = self._unopened = 0

    @property
    def is_connected(self) -> bool:
        control = self._channels.get(Lane.CONTROL)
        return control is not None and control.is_ready

    @property
    def address(self) -> Address | None:
        """Where the peer is reached, while it is."""
        return self._channels[Lane.CONTROL].address if self.is_connected else None

    # ---- what the transport wants --------------------------------------------------------------------------------

    def dial(self, address: Address) -> None:
        """The peer may be at this address."""
        if address not in self._addresses:
            self._add(address)
            self._hint()
        elif self._channels and not self._is_seeking and not self.is_connected and self._addresses[0] != address:
            self._addresses.remove(address)  # libzmq keeps trying another one, and somebody says that it is here
            self._addresses.appendleft(address)
            self._hint()
        elif self._channels:
            return
        if not self.is_connected and not self._is_seeking:
            self._start("seek", self._seek())

    def heard_hello(self, host: str, control_port: int, bulk_port: int) -> None:
        """The peer itself says, over its own authenticated channel, on which ports it listens."""
        if self._bulk_port != bulk_port:
            self._bulk_port = bulk_port
            self._open_bulk()
        address = self.address
        if address is not None and address[1] == control_port:
            self.dial((host, control_port))  # another host: the one that we know may fall silent in a moment
            return
        for stale in [each for each in self._addresses if each[1] != control_port]:
            self._addresses.remove(stale)
        if address is not None:  # it listens elsewhere now: this channel leads to an earlier life
            log.info("%s moved to port %d", self.node, control_port)
            self._close(Lane.CONTROL)
            self._on_closed(self.node, False)
        self.dial((host, control_port))
        if not self.is_connected:  # its own word is better than whatever is being tried
            self._start("seek", self._seek())

    def send(self, lane: Lane, frame: bytes) -> bool:
        """Put a frame on its way without waiting; False when it was dropped."""
        if lane is Lane.BULK and lane not in self._channels:
            self._open_bulk()
        channel = self._channels.get(lane)
        if channel is not None and channel.send(frame):
            self.sent += 1
            return True
        bulk_is_coming = lane is Lane.BULK and self.is_connected and (channel is None or not channel.is_ready)
        if bulk_is_coming and len(self._waiting_chunks) < WAITING_CHUNKS_MAX:
            self._waiting_chunks.append(frame)
            return True
        self.dropped += 1
        if self.dropped.bit_count() == 1:
            log.info("dropped %d messages to %s: it is not connected or too slow", self.dropped, self.node)
        return False

    async def close(self, linger: bool) -> None:
        """End all its channels and tasks. With `linger` what was sent may still leave."""
        channels, tasks = list(self._channels.values()), list(self._tasks.values())
        for channel in channels:
            channel.close(LINGER_MS if linger else 0)
        self._channels.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for channel in channels:
            await channel.closed()

    # ---- what channels tell --------------------------------------------------------------------------------------

    def ready(self, channel: Channel) -> None:
        if channel is not self._channels.get(channel.lane):
            return
        if channel.lane is Lane.BULK:
            while self._waiting_chunks and channel.send(self._waiting_chunks[0]):
                self._waiting_chunks.popleft()
                self.sent += 1
            return
        self._refusals = 0
        self._true_address = channel.address
        if channel.address not in self._addresses:  # pushed out while it was tried
            self._add(channel.address)
        self._end_attempt()
        self._stop("probe")
        self._open_bulk()
        self._on_connected(self.node)

    def lost(self, channel: Channel) -> None:
        if channel is not self._channels.get(channel.lane) or channel.lane is Lane.BULK:
            return
        self._end_attempt()
        self._on_closed(self.node, False)
        self._start("probe", self._probe(channel.address))
        if len(self._addresses) > 1:
            self._start("seek", self._seek())

    def failed(self, channel: Channel, in_handshake: bool) -> None:
        if channel is not self._channels.get(channel.lane):
            return
        if channel.lane is Lane.BULK:
            if in_handshake:  # the control channel tells the same story, and opens this one again
                self._close(Lane.BULK)
            return
        self._end_attempt()
        if not in_handshake:
            return
        self._refusals += 1
        if self._refusals.bit_count() == 1:
            log.info("%s is not at %s:%d, or does not know this node yet", self.node, *channel.address)
        self._close(Lane.CONTROL)
        if not self._is_seeking:
            self._start("seek", self._seek(self._pause_s))

    # ---- seeking -------------------------------------------------------------------------------------------------

    async def _seek(self, pause_s: float = 0.0) -> None:
        """Try the addresses in turn until one answers. A lone address is left to libzmq, which keeps trying."""
        if pause_s:
            await asyncio.sleep(pause_s)
        while not self.is_connected:
            self._hinted.clear()
            for address in list(self._addresses):
                await self._try(address)
                if self.is_connected or (len(self._addresses) == 1 and Lane.CONTROL in self._channels):
                    return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await self._hinted.wait()

    def _add(self, address: Address) -> None:
        self._addresses.appendleft(address)
        if len(self._addresses) > ADDRESSES_MAX:
            self._addresses.remove(next(each for each in reversed(self._addresses) if each != self._true_address))

    def _hint(self) -> None:
        self._hinted.set()
        self._stirred.set()

    def _end_attempt(self) -> None:
        self._changed.set()
        self._stirred.set()

    @property
    def _is_seeking(self) -> bool:
        task = self._tasks.get("seek")
        return task is not None and not task.done()

    @property
    def _pause_s(self) -> float:
        return REFUSED_PAUSES_S[min(self._refusals, len(REFUSED_PAUSES_S)) - 1] if self._refusals else ROUND_PAUSE_S

    async def _try(self, address: Address) -> None:
        current = self._channels.get(Lane.CONTROL)
        if current is None or current.address != address:
            self._open(Lane.CONTROL, address)
        self._changed.clear()
        self._stirred.clear()
        for event, seconds in ((self._changed, ATTEMPT_S_MIN), (self._stirred, ATTEMPT_S_MAX - ATTEMPT_S_MIN)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
            if self._changed.is_set() or self._hinted.is_set():
                return

    async def _probe(self, address: Address) -> None:
        """After a cut, find out whether the process is gone: its ports then refuse connections."""
        refused = 0
        for pause_s in PROBE_PAUSES_S:
            await asyncio.sleep(pause_s)
            if self.is_connected:
                return
            refused = refused + 1 if await _refuses(address) else 0
            if refused == PROBES_REFUSED:
                self._on_closed(self.node, True)
                return

    # ---- channels and tasks --------------------------------------------------------------------------------------

    def _open(self, lane: Lane, address: Address) -> None:
        """Where no descriptor is free there is no channel; seeking, or the next chunk, tries again."""
        self._close(lane)
        try:
            self._channels[lane] = Channel(
                self._context,
                lane,
                address,
                self._curve_keys,
                self.receiver_key,
                self._numbering[lane],
                self._hello,
                self,
            )
        except zmq.ZMQError as error:
            self._unopened += 1
            if self._unopened.bit_count() == 1:
                log.warning("%d channels to %s could not be opened: %s", self._unopened, self.node, error)

    def _open_bulk(self) -> None:
        """The bulk channel goes wherever the control channel found the peer."""
        address = self.address
        if address is None or self._bulk_port is None:
            return
        wanted = (address[0], self._bulk_port)
        current = self._channels.get(Lane.BULK)
        if current is None or current.address != wanted:
            self._open(Lane.BULK, wanted)

    def _close(self, lane: Lane) -> None:
        if channel := self._channels.pop(lane, None):
            channel.close()

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._stop(name)
        self._tasks[name] = asyncio.get_running_loop().create_task(work, name=f"peerd {name} {self.node}")

    def _stop(self, name: str) -> None:
        if task := self._tasks.pop(name, None):
            task.cancel()


async def _refuses(address: Address) -> bool:
    """Whether a plain connection is refused, which only an absent listener does at once."""
    try:
        async with asyncio.timeout(ATTEMPT_S_MAX):
            _, writer = await asyncio.open_connection(*address)
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return False
