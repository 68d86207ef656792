"""The way in on one lane: a socket that members send to, and every check between a frame and a message.

Who sent a frame is what the doorkeeper said of the key that encrypted it, and nothing else; that it is a member today
is asked again for every frame, since libzmq can not end a connection that was once let in. Two lives that speak at once
with one key are told apart here, where the frames of both arrive. Never here: what a message leads to.
"""

import asyncio
import errno
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import zmq
import zmq.asyncio

from peerd.network.roster import Roster
from peerd.network.sockets import Lane, endpoint, receiving
from peerd_protocol import codec
from peerd_protocol.errors import FrameError, LocalError
from peerd_protocol.ids import NodeId
from peerd_protocol.messages import AnyFrame, Chunk, Hello
from peerd_protocol.roles import may_say
from peerd_protocol.sequence import HEADER_BYTES, Hearing, read_header

log = logging.getLogger(__name__)

FRAMES_AT_ONCE: Final = 16
"""Frames handled before other tasks get their turn; a flood must not starve the heartbeat."""
LIVES_MAX: Final = 4
"""Introductions remembered of one sender: a copied card makes two."""
HEARINGS_MAX: Final = 256
"""One a member that ever spoke: as many as there are certificates."""
LATE_S: Final = 3.0
"""What an earlier life said is read within milliseconds of its end. Who still speaks so long after a later life
introduced itself has not ended: somebody copied its keys."""
REBIND_S_MAX: Final = 5.0
REBIND_PAUSE_S: Final = 0.01
"""libzmq closes a listening port in its own thread and tells nobody; it takes milliseconds."""

Deliver = Callable[[NodeId, str, AnyFrame], None]
"""Called with the sender, the address it came from, and what it said."""
TellOfTwo = Callable[[NodeId, Hello], None]
"""Called with whose key it is, and how the earlier of two lives that speak at once introduced itself."""


@dataclass(slots=True)
class _Lives:
    """How the lives of one sender introduced themselves, the newest last, and when that one did."""

    hellos: dict[bytes, Hello] = field(default_factory=dict)
    newest_s: float = 0.0
    told: set[bytes] = field(default_factory=set)
    """Earlier ones that were told of since."""


class Receiver:
    """One lane's way in."""

    def __init__(
        self,
        context: zmq.asyncio.Context,
        lane: Lane,
        curve_secret: bytes,
        roster: Roster,
        deliver: Deliver,
        tell_of_two: TellOfTwo,
    ) -> None:
        self.lane, self.host, self.port = lane, "", 0
        self.counts: Counter[str] = Counter()
        self._context, self._curve_secret, self._roster, self._deliver = context, curve_secret, roster, deliver
        self._tell_of_two = tell_of_two
        self._hearings: dict[NodeId, Hearing] = {}
        self._lives: dict[NodeId, _Lives] = {}
        self._socket: zmq.asyncio.Socket | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def lost(self) -> int:
        """Frames that members sent and that never came."""
        return sum(hearing.lost for hearing in self._hearings.values())

    def bind(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one. Raises LocalError with what to do."""
        try:
            socket = receiving(self._context, self.lane, self._curve_secret)
        except zmq.ZMQError as error:  # no descriptor is left just now
            raise _bind_error(host, port, error) from error
        try:
            socket.bind(endpoint(host, port))
        except zmq.ZMQError as error:
            socket.close(0)
            raise _bind_error(host, port, error) from error
        bound = socket.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(bound, bytes)
        self.host, self.port = host, int(bound.rstrip(b"\0").rpartition(b":")[2])
        self._socket = socket
        self._task = asyncio.get_running_loop().create_task(self._receive(socket), name=f"peerd {self.lane.value} in")

    async def rebind(self) -> None:
        """Cut every connection by closing the socket, and listen again on the same port."""
        await self.close()
        async with asyncio.timeout(REBIND_S_MAX):
            while True:
                try:
                    return self.bind(self.host, self.port)
                except LocalError:
                    await asyncio.sleep(REBIND_PAUSE_S)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._socket is not None:
            self._socket.close(0)
        self._task = self._socket = None

    async def _receive(self, socket: zmq.asyncio.Socket) -> None:
        handled = 0
        while True:
            parts: list[zmq.Frame] = await socket.recv_multipart(copy=False)
            try:
                self._hear(parts)
            except FrameError as error:
                self._count("malformed", f"{_name_in(parts)}: {error}")
            except Exception:
                log.exception("a message from %s could not be handled", _name_in(parts))
            handled += 1
            if handled % FRAMES_AT_ONCE == 0:
                await asyncio.sleep(0)  # a socket with frames waiting returns at once and would never yield

    def _hear(self, parts: list[zmq.Frame]) -> None:
        sender = NodeId(_name_in(parts))
        member = self._roster.member(sender)
        if member is None:
            return self._count("not a member", sender)
        if len(parts) != 1:  # MAXMSGSIZE bounds each part, nothing in libzmq their number: a member could fill memory
            return self._count("wrong number of parts", f"{sender} sent {len(parts)}")
        data = parts[0].buffer
        channel, number = read_header(data[:HEADER_BYTES])
        bytes_max = codec.BULK_BYTES_MAX if self.lane is Lane.BULK else codec.CONTROL_BYTES_MAX
        message = codec.decode(data[HEADER_BYTES:], bytes_max)
        if not self._hearing_of(sender).accept(channel, number, isinstance(message, Hello)):
            self._look_for_two(sender, channel, number)
            return self._count("stale", sender)
        if isinstance(message, Hello):
            self._met(sender, channel, message)
            if self.lane is Lane.BULK:  # it opens the connection; its twin on the control lane says the same
                return None
        elif isinstance(message, Chunk) != (self.lane is Lane.BULK):
            return self._count("wrong lane", f"{type(message).__name__} from {sender}")
        if not may_say(member.roles, message):
            return self._count("beyond its roles", f"{type(message).__name__} from {sender}")
        self.counts["messages"] += 1
        self._deliver(sender, str(parts[0].get("Peer-Address")), message)
        return None

    def _met(self, sender: NodeId, channel: bytes, hello: Hello) -> None:
        lives = self._lives.setdefault(sender, _Lives())
        if channel not in lives.hellos:
            lives.newest_s, lives.told = time.monotonic(), set()
        lives.hellos[channel] = hello
        while len(lives.hellos) > LIVES_MAX:
            del lives.hellos[next(iter(lives.hellos))]

    def _look_for_two(self, sender: NodeId, channel: bytes, number: int) -> None:
        """An earlier life that says something new, long after a later one came."""
        lives = self._lives.get(sender)
        if lives is None or channel not in lives.hellos or not self._hearing_of(sender).says_more(channel, number):
            return
        if time.monotonic() - lives.newest_s >= LATE_S and channel not in lives.told:
            lives.told.add(channel)
            self._tell_of_two(sender, lives.hellos[channel])

    def _hearing_of(self, sender: NodeId) -> Hearing:
        if sender not in self._hearings and len(self._hearings) >= HEARINGS_MAX:
            oldest = next(iter(self._hearings))
            del self._hearings[oldest]
            self._lives.pop(oldest, None)
        return self._hearings.setdefault(sender, Hearing())

    def _count(self, what: str, detail: str) -> None:
        self.counts[what] += 1
        if self.counts[what].bit_count() == 1:  # 1, 2, 4, 8, ...: a flood does not fill the log
            log.warning("dropped on the %s lane, %s (%d so far): %s", self.lane.value, what, self.counts[what], detail)


def _name_in(parts: list[zmq.Frame]) -> str:
    """The owner of the key that encrypted these parts, as the doorkeeper named it."""
    try:
        return str(parts[0].get("User-Id"))
    except zmq.ZMQError:
        return ""


def _bind_error(host: str, port: int, error: zmq.ZMQError) -> LocalError:
    if error.errno == errno.EADDRINUSE:
        return LocalError(f"Port {port} is in use; choose another with --port, or stop what holds it.")
    if error.errno == errno.EACCES:
        return LocalError(f"Port {port} needs privileges; choose one above 1023 with --port.")
    return LocalError(f"This device can not listen on {host}:{port}: {error.strerror}.")
