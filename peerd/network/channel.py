"""One encrypted way out, to one address of one peer, on one lane: a PUSH socket, and what its monitor tells.

The channel says Hello first on every connection, numbers its frames, and reports in plain calls that it became ready,
was lost, or could not be made. libzmq reconnects by itself, except after its key was refused. Never here: which
address to try, and what a closed channel means.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from peerd.network.sockets import LINGER_MS, Lane, endpoint, sending, watch
from peerd_protocol.sequence import CHANNEL_NAME_BYTES, pack_header

log = logging.getLogger(__name__)

_EVENTS: Final = int(
    zmq.EVENT_CLOSED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
"""Not CONNECT_DELAYED or CONNECT_RETRIED: an absent peer costs one event a second."""


class Listener(Protocol):
    """Who hears of a channel's life. Every call comes from the event loop and returns at once."""

    def ready(self, channel: "Channel") -> None:
        """The handshake is done and the Hello is on its way."""

    def lost(self, channel: "Channel") -> None:
        """A ready channel was cut; libzmq is trying again."""

    def failed(self, channel: "Channel", in_handshake: bool) -> None:
        """An attempt failed: nobody answered, or (`in_handshake`) a key was refused, and libzmq may not try again."""


@dataclass(slots=True)
class Numbering:
    """The name and the last number of one lane to one peer; it outlives connections and addresses."""

    name: bytes = field(default_factory=lambda: secrets.token_bytes(CHANNEL_NAME_BYTES))
    last: int = 0


class Channel:
    """One way out. Closed once, for ever; another address means another channel."""

    def __init__(
        self,
        context: zmq.asyncio.Context,
        lane: Lane,
        address: tuple[str, int],
        curve_keys: tuple[bytes, bytes],
        receiver_key: bytes,
        numbering: Numbering,
        hello: Callable[[], bytes],
        listener: Listener,
    ) -> None:
        self.lane, self.address, self.is_ready, self.is_closed = lane, address, False, False
        self._numbering, self._hello, self._listener = numbering, hello, listener
        self._socket = sending(context, lane, curve_keys, receiver_key)
        try:
            self._monitor = watch(context, self._socket, _EVENTS)
        except zmq.ZMQError:  # no descriptor is left for it
            self._socket.close(0)
            raise
        self._task = asyncio.get_running_loop().create_task(self._follow(), name=f"peerd channel {endpoint(*address)}")
        with contextlib.suppress(zmq.ZMQError):  # a host name that does not resolve is retried by libzmq
            self._socket.connect(endpoint(*address))

    def send(self, frame: bytes) -> bool:
        """Put one frame on the way. False: not connected, or the peer is too slow and its queue is full."""
        if not self.is_ready:
            return False
        try:
            self._socket.send(pack_header(self._numbering.name, self._numbering.last + 1) + frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        self._numbering.last += 1
        return True

    def close(self, linger_ms: int = 0) -> None:
        """End it. With a linger, what was sent may still leave."""
        if self.is_closed:
            return
        self.is_closed, self.is_ready = True, False
        self._task.cancel()
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(min(linger_ms, LINGER_MS))

    async def closed(self) -> None:
        """Wait until its task is gone."""
        await asyncio.wait([self._task])

    async def _follow(self) -> None:
        while not self.is_closed:  # what it tells may close it
            happened = zmq.Event(parse_monitor_message(await self._monitor.recv_multipart())["event"])
            try:
                self._tell(happened)
            except Exception:
                log.exception("a listener failed on %s of %s", happened.name, self.address)

    def _tell(self, happened: zmq.Event) -> None:
        if happened == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.is_ready = True
            if self.send(self._hello()):
                self._listener.ready(self)
            else:  # it was cut again at once; the next event says so
                self.is_ready = False
        elif happened == zmq.EVENT_DISCONNECTED and self.is_ready:
            self.is_ready = False
            self._listener.lost(self)
        elif not self.is_ready:
            self._listener.failed(self, happened not in (zmq.EVENT_CLOSED, zmq.EVENT_DISCONNECTED))
