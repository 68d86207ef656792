"""When each piece of work ends: engines that run one piece at a time, and hosts whose cores their engines share.

    a piece waits for the one before it -> travels there -> waits for its engine -> runs -> lets others go

A host with fewer free cores than running engines slows them all alike. Here lives the clockwork alone. Never here: what
a piece is, how long it takes at full speed (`forecast`), or a clock.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from peerd_protocol.ids import NodeId

LEFT_S = 1e-9
"""Work shorter than this is done; it keeps rounding from leaving a crumb."""
CRUMB_ULPS = 4
"""So many of the smallest steps that the clock can make at its time are no work either."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`work_s` on the engine of `node` at full speed.

    It is ready `lag_s` after the piece number `after` has ended, or at `lag_s` if it waits for none. One that `follows`
    goes on with the same order, so its engine does not turn to others between.
    """

    node: NodeId
    work_s: float
    after: int | None = None
    lag_s: float = 0.0
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Engine:
    """One device's engine. `busy_s`: until then it is at work on what was there before, and fills a core with it."""

    host: str
    busy_s: float = 0.0
    cores: float = 0.0
    """Engines like this one that its host runs at full speed; 0: as many as it likes."""
    others: float = 0.0
    """What else runs on the host, counted in such engines."""


@dataclass(slots=True)
class _Host:
    cores: float
    others: float
    running: dict[int, float] = field(default_factory=dict)
    """Pieces at work now, with the seconds of work that each has left."""
    before: list[float] = field(default_factory=list)
    """When each engine is through with what was there before."""
    at_s: float = 0.0
    version: int = 0

    def rate(self) -> float:
        at_work = len(self.running) + sum(1 for end_s in self.before if end_s > self.at_s + LEFT_S)
        return 1.0 if not self.cores else min(1.0, self.cores / max(at_work + self.others, LEFT_S))

    def go_on_to(self, now_s: float) -> None:
        rate = self.rate()
        gone_s = (now_s - self.at_s) * rate
        # Far from now a clock has no finer marks than this, and what is left below them would never come to its end.
        crumb_s = LEFT_S + CRUMB_ULPS * math.ulp(now_s) * rate
        for number, left_s in self.running.items():
            self.running[number] = 0.0 if left_s - gone_s <= crumb_s else left_s - gone_s
        self.at_s = now_s

    def next_change_s(self) -> float | None:
        """When the first of its pieces ends, or an engine is through with what was there before."""
        if not self.running:
            return None
        first_s = self.at_s + max(0.0, min(self.running.values())) / self.rate()
        return min([first_s, *(end_s for end_s in self.before if end_s > self.at_s + LEFT_S)])


def run(pieces: Sequence[Piece], engines: Mapping[NodeId, Engine]) -> list[float]:
    """When each piece ends, in seconds from now. Earlier ready pieces go first on an engine, then lower numbers."""
    return _Clockwork(pieces, engines).run()


class _Clockwork:
    def __init__(self, pieces: Sequence[Piece], engines: Mapping[NodeId, Engine]) -> None:
        self._pieces, self._engines = pieces, engines
        self._ends = [0.0] * len(pieces)
        self._after: dict[int, list[int]] = {}
        self._hosts: dict[str, _Host] = {}
        for engine in engines.values():
            host = self._hosts.setdefault(engine.host, _Host(engine.cores, engine.others))
            if engine.busy_s > 0.0:
                host.before.append(engine.busy_s)
        self._free = dict.fromkeys(engines, True)
        self._queues: dict[NodeId, list[tuple[bool, float, int]]] = {node: [] for node in engines}
        # What happens next: a piece is ready (number >= 0), an engine is through with earlier work, a host changes.
        self._next: list[tuple[float, int, str, int]] = []
        for number, piece in enumerate(pieces):
            if piece.after is None:
                heapq.heappush(self._next, (piece.lag_s, number, "", 0))
            else:
                self._after.setdefault(piece.after, []).append(number)

    def run(self) -> list[float]:
        while self._next:
            now_s, number, host_name, version = heapq.heappop(self._next)
            if number >= 0:
                self._ready(number, now_s)
            elif version == self._hosts[host_name].version:
                self._host_changes(host_name, now_s)
        return self._ends

    def _ready(self, number: int, now_s: float) -> None:
        piece = self._pieces[number]
        engine = self._engines[piece.node]
        if now_s < engine.busy_s:
            heapq.heappush(self._next, (engine.busy_s, number, "", 0))
            return
        heapq.heappush(self._queues[piece.node], (not piece.follows, now_s, number))
        self._begin(piece.node, now_s)

    def _begin(self, node: NodeId, now_s: float) -> None:
        if not self._free[node] or not self._queues[node]:
            return
        _, _, number = heapq.heappop(self._queues[node])
        self._free[node] = False
        name = self._engines[node].host
        host = self._hosts[name]
        host.go_on_to(now_s)
        host.running[number] = self._pieces[number].work_s
        self._look_at(name, host)

    def _host_changes(self, name: str, now_s: float) -> None:
        host = self._hosts[name]
        host.go_on_to(now_s)
        ended = [number for number, left_s in host.running.items() if left_s <= LEFT_S]
        for number in ended:
            del host.running[number]
            self._ends[number] = now_s
            self._free[self._pieces[number].node] = True
            for later in self._after.get(number, ()):
                if self._pieces[later].follows:
                    self._ready(later, now_s)
                else:
                    heapq.heappush(self._next, (now_s + self._pieces[later].lag_s, later, "", 0))
        for number in ended:
            self._begin(self._pieces[number].node, now_s)
        self._look_at(name, host)

    def _look_at(self, name: str, host: _Host) -> None:
        host.version += 1
        change_s = host.next_change_s()
        if change_s is not None:
            heapq.heappush(self._next, (change_s, -1, name, host.version))
