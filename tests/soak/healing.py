"""What must come once a fault has healed: a leader soon, one for all, and that one stays.

    I5  the nodes have a leader within 3.5 H + n * 0.25 s + 0.6 s + 2 H.
    I6  all follow one within 6 H (or where I5 allows more, that), and it changes no more but for a resignation.

Both count from the moment when all are connected with all, for which the promise is made; H is the largest that
anybody has. Neither is judged where the machine itself stood still for a while: a promise in seconds needs a machine
that has them. That the leader stays is seen until the next fault only. Never here: reading (`testimony.py`).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tests.soak.testimony import Line

FIRST_LEADER_INTERVALS, ONE_LEADER_INTERVALS = 3.5 + 2.0, 6.0
STAGGER_S, COUNT_S = 0.25, 0.6
"""What the rules promise, not what the code has."""
RESUMED_S = 0.5
"""A daemon that the fault itself held up tells so this soon."""


@dataclass(frozen=True, slots=True)
class Healed:
    """Seconds after the fault ended. None: it never came. `stalled_s`: how long the machine held anybody up."""

    connected_s: float | None
    one_leader_s: float | None
    violations: tuple[str, ...]
    stalled_s: float = 0.0


def first_leader_bound_s(nodes: int, interval_s: float) -> float:
    return FIRST_LEADER_INTERVALS * interval_s + nodes * STAGGER_S + COUNT_S


def one_leader_bound_s(nodes: int, interval_s: float) -> float:
    return max(ONE_LEADER_INTERVALS * interval_s, first_leader_bound_s(nodes, interval_s))


class Healing:
    """Follows who is connected with whom, and who follows whom."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._ids: dict[str, str] = {}
        self._connected: dict[str, set[str]] = {name: set() for name in names}
        self._follows: dict[str, str | None] = dict.fromkeys(names)
        self._leads: set[str] = set()
        self._connected_at_s: float | None = None
        self._agreed_at_s: float | None = None
        self._led_at_s: float | None = None
        self._agreed_on: set[str | None] = set()
        self.leaderless: set[str] = set()
        """Who was without a leader at any moment since the last reading."""

    def calm(self, lines: Iterable[Line]) -> list[str]:
        """Since the last reading nothing has happened to anybody, so that the leader must be the same."""
        before, seen_s = self._agreed_on, self._agreed_at_s
        told = list(lines)
        self._take_all(told)
        if seen_s is None or _stalled_s(told, 0.0) or (self._agreed_on, self._agreed_at_s) == (before, seen_s):
            return []
        return [f"I6 the leader changed without a fault, from {before} to {self._agreed_on}"]

    def healed(self, lines: Iterable[Line], healed_s: float, interval_s: float) -> Healed:
        """All that was told of one cycle, whose fault ended at `healed_s`; `interval_s` is H."""
        told = list(lines)
        self._take_all(told)
        if self._connected_at_s is None:
            return Healed(None, None, ("I6 not all are connected with all",))
        if self._agreed_at_s is None or self._led_at_s is None:
            return Healed(self._connected_at_s - healed_s, None, ("I6 there is no leader for all",))
        from_s, nodes = max(healed_s, self._connected_at_s), len(self._names)
        found = []
        if self._led_at_s - from_s > (bound_s := first_leader_bound_s(nodes, interval_s)):
            found.append(f"I5 nobody led for {self._led_at_s - from_s:.1f} s, and may for {bound_s:.1f}")
        bound_s = one_leader_bound_s(nodes, interval_s)
        if self._agreed_at_s - from_s > bound_s:
            found.append(f"I6 the leader last changed after {self._agreed_at_s - from_s:.1f} s of {bound_s:.1f}")
        connected_s, agreed_s = (max(0.0, at_s - healed_s) for at_s in (self._connected_at_s, self._agreed_at_s))
        stalled_s = _stalled_s(told, healed_s + RESUMED_S)
        return Healed(connected_s, agreed_s, () if stalled_s else tuple(found), stalled_s)

    def _take_all(self, lines: Iterable[Line]) -> None:
        self.leaderless = {name for name, term in self._follows.items() if term is None and name in self._ids}
        for line in lines:
            self._take(line)

    def _take(self, line: Line) -> None:
        name, at_s = line["by"], float(line["t"])
        match line["is"]:
            case "born":
                self._ids[name] = line["node"]
                self._connected[name], self._follows[name] = set(), None
                self._leads.discard(name)
                for others in self._connected.values():
                    others.discard(line["node"])
            case "connected":
                self._connected[name].add(line["peer"])
            case "closed":
                self._connected[name].discard(line["peer"])
            case "turned":
                self._follows[name] = None if line["leader"] is None else str(line["term"])
                (self._leads.add if line["role"] == "lead" else self._leads.discard)(name)
            case _:
                return
        if self._follows[name] is None:
            self.leaderless.add(name)
        self._look(at_s)

    def _look(self, at_s: float) -> None:
        """Since when each has held without a break."""
        everybody = frozenset(self._ids.values())
        whole = len(self._ids) == len(self._names) and all(
            everybody - {self._ids[name]} <= self._connected[name] for name in self._names
        )
        self._connected_at_s = (self._connected_at_s or at_s) if whole else None
        self._led_at_s = (self._led_at_s or at_s) if self._leads else None
        followed = set(self._follows.values())
        if None in followed or len(followed) > 1:
            self._agreed_on, self._agreed_at_s = set(), None
        elif followed != self._agreed_on:
            self._agreed_on, self._agreed_at_s = followed, at_s


def _stalled_s(lines: Iterable[Line], after_s: float) -> float:
    """The longest that a loop or a disk stood still."""
    stalls = [line for line in lines if line["is"] in ("stalled", "slow disk") and line["t"] > after_s]
    return max((float(line["seconds"]) for line in stalls), default=0.0)
