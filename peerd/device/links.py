"""How fast this device reaches its peers, learnt from the handoffs that it gives.

    HandoffBegin sent -> HandoffGot(0): there and back with nothing in it -> HandoffDone: the bytes, and there and back

Never here: a clock, or sending anything.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from peerd_protocol.actions import Send
from peerd_protocol.events import Received
from peerd_protocol.ids import HandoffId, NodeId
from peerd_protocol.messages import HandoffBegin, HandoffDone, HandoffGot

KEPT_MAX = 32
"""Of the latest handoffs the middle counts: one that met a reconnect says nothing of the link."""
OPEN_MAX = 64
"""Handoffs watched at once; what is beyond goes unmeasured."""
SECONDS_MIN = 1e-5
LATENCY_S_MAX = 60.0
BYTES_MIN = 4_096
"""A smaller one is all latency."""
BANDWIDTH_MAX = 1e10


@dataclass(slots=True)
class _Open:
    to: NodeId
    size: int
    begun_s: float
    got_s: float | None = None


@dataclass(slots=True)
class Links:
    """0.0: not measured yet."""

    _open: dict[HandoffId, _Open] = field(default_factory=dict)
    _latencies: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_MAX))
    _bandwidths: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_MAX))

    @property
    def latency_s(self) -> float:
        """One way, in the middle of the latest handoffs."""
        return median(self._latencies) if self._latencies else 0.0

    @property
    def bytes_per_second(self) -> float:
        return median(self._bandwidths) if self._bandwidths else 0.0

    def sent(self, action: Send, now_s: float) -> None:
        """Called with everything that leaves; only announcements of handoffs count."""
        if not isinstance(action.message, HandoffBegin):
            return
        # One that is announced again was lost on the way: its times would be those of the repeat.
        if self._open.pop(action.message.handoff, None) is None and len(self._open) < OPEN_MAX:
            self._open[action.message.handoff] = _Open(action.to, action.message.size, now_s)

    def received(self, event: Received, now_s: float) -> None:
        """Called with everything that comes; only answers to those announcements count."""
        match event.message:
            case HandoffGot(handoff=handoff, offset=0):
                entry = self._open.get(handoff)
                if entry is not None and entry.to == event.sender and entry.got_s is None:
                    entry.got_s = now_s
                    self._latencies.append(min(LATENCY_S_MAX, max(SECONDS_MIN, (now_s - entry.begun_s) / 2)))
            case HandoffDone(handoff=handoff):
                entry = self._open.get(handoff)
                if entry is None or entry.to != event.sender:
                    return
                del self._open[handoff]
                if event.message.accepted and entry.got_s is not None and entry.size >= BYTES_MIN:
                    # Bytes went there and the answer came back: what is beyond the empty round trip, the bytes took.
                    taken_s = now_s - entry.got_s - (entry.got_s - entry.begun_s)
                    self._bandwidths.append(min(BANDWIDTH_MAX, entry.size / max(SECONDS_MIN, taken_s)))
            case _:
                pass
