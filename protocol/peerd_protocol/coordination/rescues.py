"""The leader's rescues: groups of an earlier leadership whose executor is lost, put together again from what is left.

Runners and branches tell what they wait for, whoever stands by tells the offer that it holds. Once both are here the
group is itself again, under this leader's term, and goes on from the newest spare; branches of it that still wait are
handed their beginnings as its offer says. Never here: a group of this leadership, which has all it needs (`offers`), or
the offer that follows.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from peerd_protocol.coordination import leases
from peerd_protocol.coordination.groups import Group, Spare
from peerd_protocol.ids import Attempt, GroupId, NodeId, RequestId
from peerd_protocol.messages import Beginning, BranchBereft, Offer, Receiver, StandsBy
from peerd_protocol.plan import GroupPlan, Request

GATHER_S = 0.5
"""The others of a group miss its executor within a moment; who comes later goes alone."""
KNOWN_MAX = 256
"""Groups that somebody stands by for, or waits for; the oldest goes first."""


@dataclass(slots=True)
class _Waiting:
    closes_s: float
    plans: dict[RequestId, GroupPlan] = field(default_factory=dict)
    branches: bool = False
    """Whether a branch of it waits as well."""


class Rescues:
    """What this leader has heard of groups that it did not make."""

    def __init__(self) -> None:
        self._standbys: dict[GroupId, tuple[NodeId, StandsBy]] = {}
        self._waiting: dict[GroupId, _Waiting] = {}

    def stands_by(self, sender: NodeId, message: StandsBy) -> None:
        _, known = self._standbys.get(message.offer.group, (None, None))
        if message.offer.standby == sender and (known is None or known.offer.attempt <= message.offer.attempt):
            self._standbys.pop(message.offer.group, None)
            self._standbys[message.offer.group] = sender, message
            _forget_oldest(self._standbys)

    def peer_lost(self, peer: NodeId) -> None:
        """What it stood by for is kept by nobody else."""
        self._standbys = {group: entry for group, entry in self._standbys.items() if entry[0] != peer}

    def bereft(self, sender: NodeId, plan: GroupPlan, now_s: float) -> None:
        """A runner waits in vain. Of several attempts that runners know of a group, the highest counts."""
        waiting = self._waiting.setdefault(plan.group, _Waiting(now_s + GATHER_S))
        for assignment in plan.assignments:
            known = waiting.plans.get(assignment.request)
            if assignment.runner == sender and (known is None or known.attempt <= plan.attempt):
                waiting.plans[assignment.request] = plan
        _forget_oldest(self._waiting)

    def branch_bereft(self, sender: NodeId, message: BranchBereft, now_s: float) -> None:
        """A branch waits in vain for its beginning; it says so again until whoever stands by for that is known here."""
        for group, (_, told) in self._standbys.items():
            if any(_waits(sender, message, branch, told.step) for branch in _branches(told.offer)):
                self._waiting.setdefault(group, _Waiting(now_s + GATHER_S)).branches = True
        _forget_oldest(self._waiting)

    def due(
        self, next_attempt: Callable[[], Attempt], living: Callable[[], Collection[NodeId]], now_s: float
    ) -> list[Group]:
        """The groups that can go on now."""
        groups = []
        for group_id, waiting in list(self._waiting.items()):
            standby, told = self._standbys.get(group_id, (None, None))
            if now_s >= waiting.closes_s and standby is not None and told is not None:
                del self._waiting[group_id], self._standbys[group_id]
                groups += _put_together(standby, told, waiting, living(), next_attempt, now_s)
            elif now_s >= waiting.closes_s + leases.RESUME_S:
                del self._waiting[group_id]  # by now everyone has gone alone
        return groups


def _put_together(
    standby: NodeId,
    told: StandsBy,
    waiting: _Waiting,
    living: Collection[NodeId],
    next_attempt: Callable[[], Attempt],
    now_s: float,
) -> list[Group]:
    """One group, or none where nobody waits for this attempt of it. Its lead may be lost: the offer has its words."""
    offer, beginning = told.offer, _beginning(told.offer, living)
    leaves = {each.request: each.step for each in offer.receivers if each.group == offer.group}
    of_it = [plan for request, plan in waiting.plans.items() if plan.attempt == offer.attempt and request in leaves]
    parts = {part.request: part for plan in of_it for part in plan.assignments if part.request in leaves}
    if not (parts or waiting.branches):
        return []
    members = {
        request: Request(id=request, origin=part.origin, call=part.call, share=offer.share, quality=offer.quality)
        for request, part in parts.items()
    }
    group = Group(
        id=offer.group,
        lead=of_it[0].lead if of_it else offer.receivers[0].request,
        seed=offer.call.seed,
        members=members,
        leaves=leaves,
        runners={request: part.runner for request, part in parts.items()},
        probed=frozenset(),
        blended=bool(offer.blend),
        attempt=next_attempt(),
        candidates=[standby],
        forecast=offer.forecast,
        reason=of_it[0].reason if of_it else "",
        made_s=now_s,
        start=beginning.step,
        cached=beginning.cached,
        run=offer,
        elsewhere=_branches(offer),
    )
    if told.step:
        group.spare = Spare(standby, told.step)
    return [group]


def _beginning(offer: Offer, living: Collection[NodeId]) -> Beginning:
    """Where the group's own run began: noise, what is kept, or another's steps, if anybody may still run them."""
    told = offer.beginning
    comes = told is not None and (told.cached or any(node in living for node in told.sources))
    return told if told is not None and comes else Beginning(step=0)


def _branches(offer: Offer) -> tuple[Receiver, ...]:
    return tuple(receiver for receiver in offer.receivers if receiver.group != offer.group)


def _waits(sender: NodeId, message: BranchBereft, branch: Receiver, step: int) -> bool:
    """Whether `sender` runs that branch, or took it over from whoever did, and a run from `step` on helps it."""
    of_it = branch.group == message.group and branch.attempt <= message.attempt
    return of_it and sender in (branch.node, branch.standby) and step <= branch.step


def _forget_oldest(known: dict[GroupId, Any]) -> None:
    while len(known) > KNOWN_MAX:
        del known[next(iter(known))]
