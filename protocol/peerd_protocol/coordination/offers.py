"""The leader's offers: from drafts to executors that said yes, branches before what they branch off.

    idle -> offered -> accepted -> told -> ended
      ^        |          |         |
      +--------+----------+---------+     declined, silent, gone or failed: the next candidate, a higher attempt

A branch is a group of its own. It is offered first, so that its parent's offer can say where the branch's beginning
goes; members hear their plan when the root of the tree has its executor. A branch that everyone declines ends in its
parent: its members leave that one where the branch would have. A branch whose executor is lost goes on from what its
standby holds, or is handed; a branch that has no beginning to hope for is an ordinary group from then on. A group that
everyone declines runs alone. Never here: gathering requests, or what is worth sharing.
"""

from collections.abc import Iterable, Mapping

import msgspec

from peerd_protocol.actions import Action, Predict, Send
from peerd_protocol.coordination.groups import NOBODY, Group, Spare, offer_of, plan_of
from peerd_protocol.events import Draft
from peerd_protocol.ids import Attempt, GroupId, NodeId, RequestId, Term
from peerd_protocol.messages import (
    Answer,
    BeginningFailed,
    GroupEnded,
    PlanTold,
    Standby,
    StandDown,
    StandsBy,
)
from peerd_protocol.plan import GroupPlan, Request

OFFER_S = 2.0
"""An offer unanswered for this long is a declined one."""
GROUP_KEPT_S = 3600.0
"""A group whose executor never reported its end is forgotten after this."""


class Offers:
    """All groups of one leadership."""

    def __init__(self) -> None:
        self._groups: dict[GroupId, Group] = {}
        self._tries = 0

    # ---- what the leader asks ------------------------------------------------------------------------------

    def runner_of(self, request: RequestId) -> NodeId | None:
        """Who runs the local steps of a request that is in a group."""
        group = self._group_of(request)
        return group.runners[request] if group is not None else None

    def repeat(self, request: RequestId) -> list[Action]:
        """Tell a member its plan again, if it is told at all."""
        group = self._group_of(request)
        return self._tell(group, only=request) if group is not None and group.told else []

    def remove(self, request: RequestId, sender: NodeId | None = None) -> list[Action]:
        """The request leaves its group: taken back by its origin `sender`, or to be planned anew."""
        group = self._group_of(request)
        if group is None or (sender is not None and group.members[request].origin != sender):
            return []
        del group.members[request]
        return self._dismiss_unwanted()

    # ---- from a draft to an executor -----------------------------------------------------------------------

    def open(
        self, drafts: tuple[Draft, ...], requests: Mapping[RequestId, Request], batch: int, term: Term, now_s: float
    ) -> list[Action]:
        """Take these drafts in and make the first offers. Whoever took its request back meanwhile is left out."""
        opened: dict[int, Group] = {}
        actions: list[Action] = []
        for number, draft in enumerate(drafts):
            members = {request: requests[request] for request in draft.requests if request in requests}
            if draft.lead not in members:
                continue  # the others announce themselves again
            group_id = GroupId(f"{term.counter}.{term.boot[:8]}.{batch}.{number}")
            group = Group.of(draft, members, group_id, self.next_attempt(term), now_s)
            parent = opened.get(draft.parent) if draft.parent is not None else None
            if parent is not None:
                group.parent, group.seed = parent.id, parent.seed
            elif not draft.cached:
                group.start = 0
            opened[number] = self._groups[group_id] = group
            if not any(group.leaves.values()):
                actions += self._run_alone(group, draft.reason)
        return actions + self.settle(now_s)

    def settle(self, now_s: float) -> list[Action]:
        """Offer every idle group whose branches all have an executor; what comes of one may free another."""
        actions: list[Action] = []
        while (group := next(filter(self._is_due, self._groups.values()), None)) is not None:
            if group.may_run and self._is_waited_for(group):
                actions += self._offer(group, now_s)
            else:
                actions += self._dissolve(group)
        return actions

    def _is_due(self, group: Group) -> bool:
        return group.idle and all(branch.accepted for branch in self._branches(group))

    def _offer(self, group: Group, now_s: float) -> list[Action]:
        below = [request for each in self._tree(group) for request in each.members.values()]
        executor, group.answer_by_s = group.choose(), now_s + OFFER_S
        keep = self._may_be_kept(group)
        group.offer = offer_of(group, self._parent(group), self._branches(group), below, keep=keep)
        # The promise is on disk before the offer that leads to the first denoiser call.
        return [Predict(plan_of(group, self._sharing(group))), Send(executor, group.offer)]

    def _dissolve(self, group: Group) -> list[Action]:
        """Nobody runs it: its branches go on from its own beginning, and so do its members."""
        parent = self._parent(group)
        for branch in self._branches(group):
            branch.parent, branch.start = group.parent, group.start if parent is not None else 0
            self._offer_same_again(branch)
        if not group.members or (group.run is None and group.lead not in group.members):
            del self._groups[group.id]  # taken back; the others announce themselves again
            return []
        if parent is None:
            return self._run_alone(group, "; ".join(group.declined))
        del self._groups[group.id]
        parent.members |= group.members
        parent.runners |= group.runners
        parent.leaves |= dict.fromkeys(group.members, group.start)
        return []

    def _run_alone(self, group: Group, reason: str) -> list[Action]:
        group.leaves, group.reason = dict.fromkeys(group.members, 0), reason
        group.forecast = msgspec.structs.replace(
            group.forecast,
            seconds=group.forecast.seconds_alone,
            denoiser_calls=group.forecast.denoiser_calls_alone,
            joules=group.forecast.joules_alone,
            handoff_bytes=0,
        )
        del self._groups[group.id]
        group.executor, group.standby = None, NOBODY
        return [Predict(plan_of(group, group.members)), *self._tell(group)]

    # ---- what comes back -----------------------------------------------------------------------------------

    def answered(self, sender: NodeId, message: Answer, now_s: float) -> list[Action]:
        group = self._held(sender, message.group, message.attempt)
        if group is None or group.answer_by_s is None:
            return []
        if not message.accepted:
            return self._next(group, f"{sender}: {message.reason}", now_s)
        group.answer_by_s, group.accepted = None, True
        parent = self._parent(group)
        told = self._tell_tree(group) if parent is None or parent.told else []
        return [*told, *self.settle(now_s)]

    def ended(self, sender: NodeId, message: GroupEnded, now_s: float) -> list[Action]:
        """The executor is through. If it failed, the next candidate tries with a higher attempt."""
        group = self._held(sender, message.group, message.attempt)
        if group is None:
            return []
        if not message.reason:
            del self._groups[group.id]
            return self.settle(now_s)
        return self._next(group, f"{sender}: {message.reason}", now_s)

    def stands_by(self, sender: NodeId, message: StandsBy) -> None:
        """Whoever stands by holds a newer checkpoint of the group."""
        group = self._groups.get(message.offer.group)
        if group is not None and (group.standby, group.attempt) == (sender, message.offer.attempt) and message.step:
            group.spare = Spare(sender, message.step)

    def bereft(self, sender: NodeId, plan: GroupPlan, reason: str, now_s: float) -> list[Action]:
        """A runner has waited in vain for this attempt: it is over, though its executor may live."""
        group = self._groups.get(plan.group)
        if group is None or not group.told or sender not in group.runners.values():
            return []
        if (group.executor, group.attempt) != (plan.executor, plan.attempt):
            return []
        return [*_stop(group), *self._next(group, f"{plan.executor}: {reason}", now_s)]

    def knows(self, group: GroupId) -> bool:
        return group in self._groups

    def revive(self, groups: Iterable[Group], now_s: float) -> list[Action]:
        """Take in what another leader began. A request that is in a group here already stays there."""
        for group in groups:
            for request in [request for request in group.members if self._group_of(request) is not None]:
                del group.members[request]
            if self._is_waited_for(group):
                self._groups[group.id] = group
        return self.settle(now_s)

    def peer_lost(self, peer: NodeId, now_s: float) -> list[Action]:
        """What it was offered or ran goes on to the next, from its spare if there is one.

        It may only be out of earshot, and runs what nobody waits for unless it is told. What it ran of its own died
        with it: when it comes back, its origin has that planned anew.
        """
        lost = [group for group in self._groups.values() if group.executor == peer]
        stopped = [action for group in lost for action in _stop(group)]
        for group in list(self._groups.values()):
            group.lose(peer)
        stopped += self._dismiss_unwanted()
        actions = [action for group in lost for action in self._over(group, f"{peer}: gone")]
        return [*stopped, *actions, *self.settle(now_s)]

    def ticked(self, now_s: float) -> list[Action]:
        actions: list[Action] = []
        for group in list(self._groups.values()):
            if group.answer_by_s is not None and now_s > group.answer_by_s:
                # Perhaps it said yes, and runs already.
                actions += [*_stop(group), *self._next(group, f"{group.executor}: no answer", now_s)]
            elif now_s - group.made_s > GROUP_KEPT_S:
                self._groups.pop(group.id, None)
        return [*actions, *self.settle(now_s)]

    def _next(self, group: Group, declined: str, now_s: float) -> list[Action]:
        return [*self._over(group, declined), *self.settle(now_s)]

    def _over(self, group: Group, declined: str) -> list[Action]:
        """This try is over. Whoever counted on it is offered anew as well."""
        group.declined.append(declined)
        actions = [] if self._is_to_begin(group) else self._stand_alone(group, declined)
        parent = self._parent(group)
        while parent is not None and parent.executor is not None and not parent.told:
            self._offer_same_again(parent)
            parent = self._parent(parent)
        group.take_back(self.next_attempt(group.attempt.term))
        return actions

    def _bereave(self, group: Group, reason: str) -> list[Action]:
        """Its branches may have their beginnings, and run on; one that has not reports that it did not come."""
        actions: list[Action] = []
        for branch in self._branches(group):
            branch.parent = None
            if branch.executor is not None:
                failed = BeginningFailed(group=branch.id, attempt=branch.attempt, reason=reason)
                actions.append(Send(branch.executor, failed))
        return actions

    def _is_to_begin(self, group: Group) -> bool:
        """Whether the beginning of a branch is still to come, to whoever is asked next."""
        parent = self._parent(group)
        if parent is None or group.spare is not None:
            return False
        if not parent.told:  # and so to be run, from its own spare if there is one
            return parent.spare is None or parent.spare.step <= group.start
        return parent.executor is not None and parent.hands_beginning_to_standby_of(group)

    def _stand_alone(self, group: Group, reason: str) -> list[Action]:
        """The tree runs already, and a branch that is offered anew does without it.

        It goes on from its spare, if there is one, and its own branches wait for that, as those of a root do. Else it
        begins with noise, and so do they.
        """
        if not group.start or group.cached:
            return []
        group.parent, group.start = None, 0
        if group.spare is not None:
            return []
        if group.executor is not None:
            group.candidates.insert(0, group.executor)  # not the executor but its beginning may have failed
        return self._bereave(group, reason)

    def _offer_same_again(self, group: Group) -> None:
        if group.executor is not None:
            group.candidates.insert(0, group.executor)
        group.take_back(self.next_attempt(group.attempt.term))

    # ---- telling -------------------------------------------------------------------------------------------

    def _tell_tree(self, group: Group) -> list[Action]:
        group.told, group.run = True, group.run or group.offer
        actions = self._tell(group)
        if group.standby and group.offer is not None and group.executor is not None:
            actions.append(Send(group.standby, Standby(offer=group.offer, executor=group.executor)))
        for branch in self._branches(group):
            actions += self._tell_tree(branch)
        return actions

    def _tell(self, group: Group, only: RequestId | None = None) -> list[Action]:
        """Each origin and each runner hears its own part, and nobody hears another's prompt."""
        actions: list[Action] = []
        for request in group.members.values():
            if only not in (None, request.id):
                continue
            plan = plan_of(group, self._sharing(group), only=request.id)
            for node in sorted({request.origin, plan.assignments[0].runner}):
                actions.append(Send(node, PlanTold(plan=plan)))
        return actions

    # ---- the books -----------------------------------------------------------------------------------------

    def next_attempt(self, term: Term) -> Attempt:
        """Numbers grow over all groups of a term, so a request planned anew always gets a greater one."""
        self._tries += 1
        return Attempt(term, self._tries)

    def _held(self, sender: NodeId, group_id: GroupId, attempt: Attempt) -> Group | None:
        """The group of that attempt, if `sender` is whom it was offered to."""
        group = self._groups.get(group_id)
        return group if group is not None and (group.executor, group.attempt) == (sender, attempt) else None

    def _group_of(self, request: RequestId) -> Group | None:
        return next((group for group in self._groups.values() if request in group.members), None)

    def _parent(self, group: Group) -> Group | None:
        return self._groups.get(group.parent) if group.parent is not None else None

    def _branches(self, group: Group) -> list[Group]:
        return [branch for branch in self._groups.values() if branch.parent == group.id]

    def _dismiss_unwanted(self) -> list[Action]:
        """Groups that nobody waits for any more: nobody runs on with them, or stands by for them."""
        actions: list[Action] = []
        while unwanted := [group for group in self._groups.values() if not self._is_waited_for(group)]:
            for group in unwanted:  # a branch before what waited for it alone
                del self._groups[group.id]
                through = StandDown(group=group.id, attempt=group.attempt)
                actions += [Send(node, through) for node in (group.executor, group.standby) if node]
        return actions

    def _is_waited_for(self, group: Group) -> bool:
        return bool(group.members or group.elsewhere or self._branches(group))

    def _sharing(self, group: Group) -> list[RequestId]:
        """All requests of the tree that the group belongs to."""
        root = group
        while (parent := self._parent(root)) is not None:
            root = parent
        return sorted(request for group in self._tree(root) for request in group.members)

    def _may_be_kept(self, group: Group) -> bool:
        """Whether all whose words run its steps, or ran those that it goes on from, let others keep checkpoints."""
        words = [request for each in self._tree(group) for request in each.members.values()] if group.blended else []
        parent = self._parent(group)
        allowed = group.keeps and all(request.keep for request in words)
        return allowed and (parent is None or self._may_be_kept(parent))

    def _tree(self, group: Group) -> list[Group]:
        """The group and all branches below it."""
        return [group, *(below for branch in self._branches(group) for below in self._tree(branch))]


def _stop(group: Group) -> list[Action]:
    """Whoever has it now may forget this attempt, whether it was offered, is accepted or runs; a later one stays."""
    return [] if group.executor is None else [Send(group.executor, StandDown(group=group.id, attempt=group.attempt))]
