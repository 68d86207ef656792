"""What many stories showed together, and how it is printed.

Never here: playing them (`campaign`).
"""

from collections import Counter
from dataclasses import dataclass, field

from peerd_protocol.election import PASSAGES
from tests.simulation.faults import KINDS
from tests.simulation.figures import spread
from tests.simulation.play import Outcome
from tests.simulation.settling import ONE_LEADER_INTERVALS
from tests.simulation.stories import Story

ROLES = frozenset((a.value, b.value) for a, targets in PASSAGES.items() for b in targets if a is not b)
"""Every passage from one role to another that the election allows."""
REQUESTS = frozenset(
    {
        ("new", "asked"),
        ("asked", "announced"),
        ("asked", "alone"),
        ("asked", "failed"),
        ("asked", "cancelled"),
        ("announced", "asked"),
        ("announced", "planned"),
        ("announced", "alone"),
        ("announced", "failed"),
        ("announced", "cancelled"),
        ("planned", "asked"),
        ("planned", "announced"),
        ("planned", "planned"),
        ("planned", "alone"),
        ("planned", "delivering"),
        ("planned", "failed"),
        ("planned", "cancelled"),
        ("alone", "asked"),
        ("alone", "delivering"),
        ("alone", "failed"),
        ("alone", "cancelled"),
        ("delivering", "asked"),
        ("delivering", "finished"),
        ("delivering", "failed"),
        ("delivering", "cancelled"),
        ("shared steps", "resumed"),
        ("own steps", "resumed"),
        ("own steps", "resumed for another"),
        ("branch", "begun again"),
    }
)
"""Every passage of a request, and of its steps from a spare; one to `asked` is its origin's restart."""


@dataclass(slots=True)
class Compared:
    """Stories played once more without one kind of fault: how many, and how many of them went otherwise."""

    plays: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Report:
    stories: int = 0
    simulated_s: float = 0.0
    happened: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    roles: Counter[tuple[str, str]] = field(default_factory=Counter)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    compared: Compared = field(default_factory=Compared)
    violations: list[tuple[Story, str, str]] = field(default_factory=list)
    """Story, invariant, text."""
    first_leader: dict[int, list[float]] = field(default_factory=dict)
    one_leader: dict[int, list[float]] = field(default_factory=dict)

    def add(self, story: Story, outcome: Outcome) -> None:
        self.stories += 1
        self.simulated_s += outcome.simulated_s
        self.happened += outcome.happened
        self.faults += outcome.faults
        self.roles += Counter({(a.value, b.value): count for (a, b), count in outcome.changes.items()})
        self.requests += outcome.passages
        self.endings += Counter(ending for ending, _ in outcome.endings.values())
        if outcome.violation is not None:
            self.violations.append((story, outcome.violation.invariant, str(outcome.violation)))
        self.first_leader.setdefault(story.nodes, []).extend(outcome.first_leader_intervals)
        self.one_leader.setdefault(story.nodes, []).extend(outcome.one_leader_intervals)

    def compare(self, kind: str, outcome: Outcome, other: Outcome) -> None:
        self.compared.plays[kind] += 1
        self.compared.changed[kind] += outcome.gist != other.gist

    def heals(self) -> list[float]:
        """Of each healed side, the H until it had its one leader."""
        return [interval for values in self.one_leader.values() for interval in values]

    def never(self) -> list[str]:
        """Passages and faults that no story had."""
        unseen = [f"{a}->{b}" for a, b in sorted((ROLES - self.roles.keys()) | (REQUESTS - self.requests.keys()))]
        return unseen + [kind.__name__ for kind in KINDS if kind.__name__ not in self.faults]

    def lines(self, seconds: float) -> list[str]:
        shown = [
            f"{self.stories} stories, {self.simulated_s / 3600:.1f} simulated hours, {self.happened} events "
            f"in {seconds:.0f} s ({self.stories / seconds:.1f} stories/s)",
            f"{'fault':10} {'done':>8}   outcome changed, of stories played again without that kind",
        ]
        for kind, count in sorted(self.faults.items()):
            shown.append(f"  {kind:8} {count:8}   {self.compared.changed[kind]} of {self.compared.plays[kind]}")
        shown.append("roles     " + _counts(self.roles))
        shown.append("requests  " + _counts(self.requests))
        shown.append("endings   " + ", ".join(f"{name} {count}" for name, count in sorted(self.endings.items())))
        for nodes, values in sorted(self.one_leader.items()):
            shown.append(
                f"{nodes:2} nodes, H after healing (p50 p99 p99.9 max): "
                f"first leader {_spread(self.first_leader[nodes])}, one leader {_spread(values)}"
            )
        heals = self.heals()
        shown.append(
            f"{len(heals)} healed sides: one leader {_spread(heals)}, the goal p99.9 <= {ONE_LEADER_INTERVALS:g}"
        )
        shown.append("never seen: " + (", ".join(self.never()) or "nothing"))
        return shown


def _counts(passages: Counter[tuple[str, str]]) -> str:
    return ", ".join(f"{a}->{b} {count}" for (a, b), count in sorted(passages.items()))


def _spread(values: list[float]) -> str:
    return " ".join(f"{value:.2f}" for value in spread(values))
