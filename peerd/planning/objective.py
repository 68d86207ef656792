"""What a group is worth: denoiser calls saved, minus what its handoffs and waits cost, counted in denoiser calls too.

In a tree of handoffs every member but the lead leaves somebody else's steps once, and saves the step at which it does:
all that a knot saves is the sum of its members' leaving steps. A far member thus never pulls the others down; it only
leaves early itself. Here the knots are chosen whose sum is greatest. Never here: the tree itself (`trees`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from peerd.planning.dendrogram import Knot
from peerd_protocol.ids import RequestId


@dataclass(frozen=True, slots=True)
class Price:
    """What sharing costs, in denoiser calls. The defaults: Wi-Fi, a few steps a second, small pictures."""

    handoff_calls: float = 0.2
    """One checkpoint on its way to one member; the lead's own device is taken to run the group's steps."""

    branch_calls: float = 1.0
    """A sub-group: another device is asked, and its members wait for it too."""

    group_calls: float = 0.5
    """A group: it is offered, answered and waited for."""


class Appraiser:
    """Weighs the knots of one forest. `hidden` are requests that keep their prompt for themselves.

    They lead only where nobody below shares a prompt.
    """

    def __init__(self, price: Price, hidden: frozenset[RequestId] = frozenset()) -> None:
        self._price = price
        self._hidden = hidden
        self._by_lead: dict[tuple[RequestId, ...], dict[RequestId, float]] = {}

    def by_lead(self, knot: Knot) -> dict[RequestId, float]:
        """For each member that may lead, the calls saved if it does: all the others' leaving steps."""
        known = self._by_lead.get(knot.members)
        if known is None:
            known = self._by_lead[knot.members] = self._count(knot)
        return known

    def _count(self, knot: Knot) -> dict[RequestId, float]:
        if knot.parts is None:
            return {knot.members[0]: 0.0}
        one, other = knot.parts
        saved: dict[RequestId, float] = {}
        for leading, leaving in ((one, other), (other, one)):
            more = self.leaving(leaving, knot.steps)
            saved |= {lead: calls + more for lead, calls in self.by_lead(leading).items()}
        sharing = {lead: calls for lead, calls in saved.items() if lead not in self._hidden}
        return sharing or saved

    def leaving(self, knot: Knot, step: int) -> float:
        """Calls saved by members that leave another's steps at `step`, one by one or as a branch of their own."""
        return max(float(len(knot.members) * step), self._branched(knot, step))

    def is_branch(self, knot: Knot, step: int) -> bool:
        """Whether going on together after `step` saves more than another executor costs."""
        return self._branched(knot, step) > len(knot.members) * step

    def _branched(self, knot: Knot, step: int) -> float:
        return step + max(self.by_lead(knot).values()) - self._price.branch_calls

    def worth(self, knot: Knot) -> float:
        """Calls saved by this knot as one group, its costs taken off; 0 for a request alone."""
        if knot.parts is None:
            return 0.0
        handoffs = len(knot.members) - 1
        return max(self.by_lead(knot).values()) - handoffs * self._price.handoff_calls - self._price.group_calls

    def cut(self, roots: Sequence[Knot]) -> list[Knot]:
        """The groups: of all ways to cut the forest, the one worth most. Of equals, the one that shares less."""
        return [knot for root in roots for knot in self._best(root)[1]]

    def _best(self, knot: Knot) -> tuple[float, list[Knot]]:
        if knot.parts is None:
            return 0.0, [knot]
        (one, left), (other, right) = map(self._best, knot.parts)
        whole = self.worth(knot)
        return (whole, [knot]) if whole > one + other else (one + other, left + right)
