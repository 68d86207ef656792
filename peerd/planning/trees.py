"""What a group shares as a tree: steps that one prompt runs for several requests, and where each goes its own way.

    0 ──── 3 ───── 5 ──────── 11     a's prompt runs [0, 5) for b too, and [0, 3) for c and d
           │       └ b ─────── 11
           └ c ─────── 7 ───── 11    c's prompt goes on from there for both of them
                       └ d ─── 11

Any two requests share no more steps than their nearness allows, whoever leads. Shared-denoising dendrograms are known
on one device (Decatur et al., ICCV 2025); here a handoff has its price, and a branch that saves less is not made.
Never here: who runs a branch (`planner`), or what it takes (`forecast`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from peerd.planning.dendrogram import Knot, Rows, complete_linkage
from peerd.planning.objective import Appraiser, Price
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import RequestId


@dataclass(frozen=True, slots=True)
class Branch:
    """Steps [start, stop) that the prompt of `lead` runs once for all below.

    `leaves` are requests with the step after which each runs alone, the lead's own among them; `branches` start where
    they leave this one, and no two branches of a tree have the same lead.
    """

    lead: RequestId
    start: int
    leaves: tuple[tuple[RequestId, int], ...]
    branches: tuple["Branch", ...] = ()

    @property
    def stop(self) -> int:
        """Its last shared step."""
        return max([step for _, step in self.leaves] + [branch.start for branch in self.branches])

    @property
    def members(self) -> tuple[RequestId, ...]:
        """All requests below, sorted."""
        below = [member for branch in self.branches for member in branch.members]
        return tuple(sorted([request for request, _ in self.leaves] + below))


def alone(request: RequestId) -> Branch:
    """A request that shares nothing."""
    return Branch(request, 0, ((request, 0),))


def calls(branch: Branch, total: int) -> int:
    """Denoiser steps of a branch and all below it, up to the end of every run of `total` steps."""
    own = sum(total - step for _, step in branch.leaves)
    return branch.stop - branch.start + own + sum(calls(below, total) for below in branch.branches)


def saved(branch: Branch) -> int:
    """Denoiser steps that the tree saves against everyone alone: the leaving steps of all but the lead."""
    leaving = sum(step for request, step in branch.leaves if request != branch.lead)
    return leaving + sum(below.start + saved(below) for below in branch.branches)


def branch_count(branch: Branch) -> int:
    """Branches below this one."""
    return sum(1 + branch_count(below) for below in branch.branches)


def worth(branch: Branch, price: Price) -> float:
    """Calls saved minus what the handoffs, branches and the group cost, in calls; 0 for a request alone."""
    handoffs = len(branch.members) - 1
    if not handoffs:
        return 0.0
    cost = handoffs * price.handoff_calls + branch_count(branch) * price.branch_calls + price.group_calls
    return saved(branch) - cost


def plan_tree(
    members: Iterable[RequestId], rows: Rows, price: Price, hidden: frozenset[RequestId] = frozenset()
) -> Branch:
    """The tree of a group in which every pair is near; LocalError if one is not, or if there are too many.

    `hidden` keep their prompts for themselves, and lead only where nobody in their branch shares one.
    """
    roots = complete_linkage(members, rows)
    if len(roots) != 1:
        raise LocalError("These requests are no group: a pair of them must not share, or they are too many.")
    return grow(roots[0], rows, Appraiser(price, hidden))


def grow(knot: Knot, rows: Rows, appraiser: Appraiser, start: int = 0) -> Branch:
    """The branch of a knot, from `start` on, led by the member that saves most; of equals, by the nearest to all."""
    if knot.parts is None:
        return Branch(knot.members[0], start, ((knot.members[0], start),))
    by_lead = appraiser.by_lead(knot)

    def rank(name: RequestId) -> tuple[float, float]:
        return by_lead[name], sum(rows[name][other] for other in knot.members if other != name)

    # `max` keeps the first of equals: the lowest id.
    lead = max(sorted(by_lead), key=rank)
    leaves: dict[RequestId, int] = {}
    branches: list[Branch] = []
    here = knot
    while here.parts is not None:
        one, other = here.parts
        here, leaving, step = (one, other, here.steps) if lead in one.members else (other, one, here.steps)
        for part in _parting(leaving, step):
            if part.parts is not None and appraiser.is_branch(part, step):
                branches.append(grow(part, rows, appraiser, step))
            else:
                leaves |= dict.fromkeys(part.members, step)
    leaves = _stay_longer(lead, leaves, branches, rows)
    stop = max([*leaves.values(), *(branch.start for branch in branches)])
    return Branch(lead, start, tuple(sorted({**leaves, lead: stop}.items())), tuple(branches))


def _parting(knot: Knot, step: int) -> Iterator[Knot]:
    """What goes its own way at `step`: a set that may share no more than that parts there, and not a handoff later."""
    if knot.parts is None or knot.steps > step:
        yield knot
        return
    for part in knot.parts:
        yield from _parting(part, step)


def _stay_longer(
    lead: RequestId, leaves: dict[RequestId, int], branches: list[Branch], rows: Rows
) -> dict[RequestId, int]:
    """Let each leave as late as its nearness to those who are still there allows.

    Who left as part of a set that is no branch left when the farthest of the set had to.
    """
    left_at = leaves | {member: branch.start for branch in branches for member in branch.members}
    for name in sorted(leaves, key=lambda name: (-leaves[name], name)):
        step = int(rows[name][lead])
        for other, until in left_at.items():
            if other != name and until > (allowed := int(rows[name][other])):
                step = min(step, allowed)
        left_at[name] = step
    return {name: left_at[name] for name in leaves}
