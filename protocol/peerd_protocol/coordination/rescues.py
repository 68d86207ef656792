"""The leader's rescues: groups of an earlier leadership whose executor is lost, put together again from what is left.

Runners tell what they wait for, whoever stands by tells the offer that it holds. Once both are here the group is itself
again, under this leader's term, and goes on from the newest spare. Never here: a group of this leadership, which has
all it needs (`offers`), or the offer that follows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from peerd_protocol.coordination import leases
from peerd_protocol.coordination.groups import Group, Spare
from peerd_protocol.ids import Attempt, GroupId, NodeId, RequestId
from peerd_protocol.messages import StandsBy
from peerd_protocol.plan import GroupPlan, Request

GATHER_S = 0.5
"""The others of a group miss its executor within a moment; who comes later goes alone."""
KNOWN_MAX = 256
"""Groups that somebody stands by for, or waits for; the oldest goes first."""


@dataclass(slots=True)
class _Waiting:
    closes_s: float
    plans: dict[RequestId, GroupPlan] = field(default_factory=dict)


class Rescues:
    """What this leader has heard of groups that it did not make."""

    def __init__(self) -> None:
        self._standbys: dict[GroupId, tuple[NodeId, StandsBy]] = {}
        self._waiting: dict[GroupId, _Waiting] = {}

    def stands_by(self, sender: NodeId, message: StandsBy) -> None:
        if message.offer.standby == sender:
            self._standbys.pop(message.offer.group, None)
            self._standbys[message.offer.group] = sender, message
            _forget_oldest(self._standbys)

    def bereft(self, sender: NodeId, plan: GroupPlan, now_s: float) -> None:
        """A runner waits in vain. Of several attempts that runners know of a group, the highest counts."""
        waiting = self._waiting.setdefault(plan.group, _Waiting(now_s + GATHER_S))
        for assignment in plan.assignments:
            known = waiting.plans.get(assignment.request)
            if assignment.runner == sender and (known is None or known.attempt <= plan.attempt):
                waiting.plans[assignment.request] = plan
        _forget_oldest(self._waiting)

    def due(self, next_attempt: Callable[[], Attempt], now_s: float) -> list[Group]:
        """The groups that can go on now."""
        groups = []
        for group_id, waiting in list(self._waiting.items()):
            standby, told = self._standbys.get(group_id, (None, None))
            if now_s >= waiting.closes_s and standby is not None and told is not None:
                del self._waiting[group_id], self._standbys[group_id]
                groups += _put_together(standby, told, waiting.plans, next_attempt, now_s)
            elif now_s >= waiting.closes_s + leases.RESUME_S:
                del self._waiting[group_id]  # by now everyone has gone alone
        return groups


def _put_together(
    standby: NodeId,
    told: StandsBy,
    plans: dict[RequestId, GroupPlan],
    next_attempt: Callable[[], Attempt],
    now_s: float,
) -> list[Group]:
    """One group, or none where nobody waits for this attempt of it. Its lead may be lost: the offer has its words."""
    offer, kept = told.offer, told.offer.beginning if told.offer.beginning and told.offer.beginning.cached else None
    leaves = {each.request: each.step for each in offer.receivers if each.group == offer.group}
    of_it = [plan for request, plan in plans.items() if plan.attempt == offer.attempt and request in leaves]
    parts = {part.request: part for plan in of_it for part in plan.assignments if part.request in leaves}
    if not parts:
        return []
    members = {
        request: Request(id=request, origin=part.origin, call=part.call, share=offer.share, quality=offer.quality)
        for request, part in parts.items()
    }
    group = Group(
        id=offer.group,
        lead=of_it[0].lead,
        seed=offer.call.seed,
        members=members,
        leaves={request: leaves[request] for request in parts},
        runners={request: part.runner for request, part in parts.items()},
        probed=frozenset(),
        blended=bool(offer.blend),
        attempt=next_attempt(),
        candidates=[standby],
        forecast=offer.forecast,
        reason=of_it[0].reason,
        made_s=now_s,
        start=kept.step if kept is not None else 0,
        cached=kept.cached if kept is not None else "",
        run=offer,
    )
    if told.step:
        group.spare = Spare(standby, told.step)
    return [group]


def _forget_oldest(known: dict[GroupId, Any]) -> None:
    while len(known) > KNOWN_MAX:
        del known[next(iter(known))]
