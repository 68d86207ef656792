"""The leader's side: requests gather, a plan is made, the shared steps are offered, everyone is told.

    gathering -> planning -> offering -> told -> (ended | offered again with a higher attempt)
                    |           |
                    |           +-> every candidate declined: told to run alone
                    +-> shares nothing: told

It keeps nothing that origins would not tell again: a new leader starts empty. Never here: what is worth sharing
(`MakePlan` asks), or being elected.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from peerd_protocol.actions import Action, MakePlan, Predict, Send
from peerd_protocol.events import Draft, Planned
from peerd_protocol.ids import Attempt, GroupId, NodeId, RequestId, Term
from peerd_protocol.messages import Answer, GroupEnded, Offer, PlanTold, RequestFailed
from peerd_protocol.plan import Assignment, GroupPlan, Request
from peerd_protocol.profile import Profile

GATHER_S = 0.15
"""Requests without a group name wait this long for company: a person does not notice it."""
WAIT_S_MAX = 600.0
OFFER_S = 2.0
"""An offer unanswered for this long is a declined one."""
OPEN_MAX = 256
"""Requests in hand; what comes beyond is announced again by its origin."""
GROUP_KEPT_S = 3600.0
"""A group whose executor never reported its end is forgotten after this."""


@dataclass(slots=True)
class _Gathering:
    closes_s: float
    size: int
    requests: dict[RequestId, Request] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    draft: Draft
    requests: dict[RequestId, Request]
    attempt: Attempt
    candidates: list[NodeId]
    executor: NodeId
    answer_by_s: float
    made_s: float
    told: bool = False
    declined: list[str] = field(default_factory=list)

    @property
    def shares(self) -> bool:
        return self.draft.shared_steps > 0


class Leader:
    """What this node does while it leads. `term` is the term it leads; `resign` forgets everything."""

    def __init__(self, me: NodeId) -> None:
        self._me = me
        self.resign()

    def resign(self) -> None:
        self._gathering: dict[str, _Gathering] = {}
        self._planning: dict[int, dict[RequestId, Request]] = {}
        self._groups: dict[GroupId, _Group] = {}
        self._batch = 0
        self._tries = 0

    # ---- gathering -----------------------------------------------------------------------------------------

    def submitted(self, sender: NodeId, request: Request, living: frozenset[NodeId], now_s: float) -> list[Action]:
        """An origin announces a request, perhaps again. One that is planned already is told its plan again."""
        if request.origin != sender:
            return []
        group_id = self._group_of(request.id)
        if group_id is not None:
            group = self._groups[group_id]
            if dict(group.draft.runners)[request.id] in living:
                return self._tell(group_id, group, only=request.id) if group.told else []
            self._remove(request.id)  # its runner is gone: have it planned again
        if self._is_waiting(request.id) or self._open_count() >= OPEN_MAX:
            return []
        key = f"named/{request.group_name}" if request.group_name else "window"
        wait_s = min(request.wait_ms / 1000, WAIT_S_MAX) if request.group_name else GATHER_S
        gathering = self._gathering.setdefault(key, _Gathering(now_s + wait_s, request.group_size))
        gathering.requests[request.id] = request
        return []

    def withdrawn(self, sender: NodeId, request: RequestId) -> list[Action]:
        for waiting in [*(entry.requests for entry in self._gathering.values()), *self._planning.values()]:
            if request in waiting and waiting[request].origin == sender:
                del waiting[request]
        group_id = self._group_of(request)
        if group_id is not None and self._groups[group_id].requests[request].origin == sender:
            self._remove(request)
        return []

    def ticked(self, devices: Callable[[], Mapping[NodeId, Profile]], now_s: float) -> list[Action]:
        actions: list[Action] = []
        for key, gathering in list(self._gathering.items()):
            full = key != "window" and len(gathering.requests) >= gathering.size
            if not full and now_s < gathering.closes_s:
                continue
            del self._gathering[key]
            if gathering.requests:
                self._batch += 1
                self._planning[self._batch] = gathering.requests
                actions.append(
                    MakePlan(self._batch, tuple(gathering.requests.values()), tuple(sorted(devices().items())))
                )
        for group_id, group in list(self._groups.items()):
            if not group.told and now_s > group.answer_by_s:
                actions += self._next_candidate(group_id, group, f"{group.executor}: no answer", now_s)
            elif now_s - group.made_s > GROUP_KEPT_S:
                self._forget(group_id)
        return actions

    # ---- planning and offering -----------------------------------------------------------------------------

    def planned(self, event: Planned, term: Term, now_s: float) -> list[Action]:
        waiting = self._planning.pop(event.batch, {})
        actions: list[Action] = []
        for number, draft in enumerate(event.drafts):
            requests = {request: waiting[request] for request in draft.requests if request in waiting}
            if draft.lead not in requests:
                continue  # withdrawn while it was planned; the others announce themselves again
            group_id = GroupId(f"{term.counter}.{term.boot[:8]}.{event.batch}.{number}")
            group = self._groups[group_id] = _Group(
                draft=replace(draft, requests=tuple(requests)),
                requests=requests,
                attempt=self._next_attempt(term),
                candidates=list(draft.candidates),
                executor=self._me,
                answer_by_s=0.0,
                made_s=now_s,
            )
            if group.shares:
                actions += self._next_candidate(group_id, group, "", now_s)
            else:
                actions += self._run_alone(group_id, group, draft.reason)
        for request, reason in event.impossible:
            if request in waiting:
                actions.append(Send(waiting[request].origin, RequestFailed(request=request, reason=reason)))
        return actions

    def answered(self, sender: NodeId, message: Answer, now_s: float) -> list[Action]:
        group = self._groups.get(message.group)
        if group is None or group.told or group.executor != sender or group.attempt != message.attempt:
            return []
        if not message.accepted:
            return self._next_candidate(message.group, group, f"{sender}: {message.reason}", now_s)
        group.told = True
        return self._tell(message.group, group)

    def ended(self, sender: NodeId, message: GroupEnded, now_s: float) -> list[Action]:
        """The executor is through. If it failed, the next candidate tries with a higher attempt."""
        group = self._groups.get(message.group)
        if group is None or group.executor != sender or group.attempt != message.attempt:
            return []
        if not message.reason:
            self._forget(message.group)
            return []
        return self._next_candidate(message.group, group, f"{sender}: {message.reason}", now_s)

    def peer_lost(self, peer: NodeId, now_s: float) -> list[Action]:
        """Unanswered offers to it go on to the next; where it ran already, its runners go alone by themselves."""
        actions: list[Action] = []
        for group_id, group in list(self._groups.items()):
            if group.executor == peer and group.shares:
                if group.told:
                    self._forget(group_id)
                else:
                    actions += self._next_candidate(group_id, group, f"{peer}: gone", now_s)
        return actions

    def _next_candidate(self, group_id: GroupId, group: _Group, declined: str, now_s: float) -> list[Action]:
        if declined:
            group.declined.append(declined)
            group.attempt = self._next_attempt(group.attempt.term)
        if not group.candidates:
            return self._run_alone(group_id, group, "; ".join(group.declined))
        group.executor, group.told = group.candidates.pop(0), False
        group.answer_by_s = now_s + OFFER_S
        offer = Offer(
            group=group_id,
            attempt=group.attempt,
            call=msgspec.structs.replace(group.requests[group.draft.lead].call, seed=group.draft.seed),
            shared_steps=group.draft.shared_steps,
            receivers=tuple(pair for pair in group.draft.runners if pair[0] in group.requests),
        )
        # The promise is on disk before the offer that leads to the first denoiser call.
        return [Predict(self._plan_of(group_id, group)), Send(group.executor, offer)]

    def _run_alone(self, group_id: GroupId, group: _Group, reason: str) -> list[Action]:
        forecast = group.draft.forecast
        alone = msgspec.structs.replace(
            forecast,
            seconds=forecast.seconds_alone,
            denoiser_calls=forecast.denoiser_calls_alone,
            joules=forecast.joules_alone,
            handoff_bytes=0,
        )
        group.draft = replace(group.draft, shared_steps=0, reason=reason, forecast=alone)
        group.told = True
        actions = [Predict(self._plan_of(group_id, group)), *self._tell(group_id, group)]
        self._forget(group_id)
        return actions

    # ---- telling -------------------------------------------------------------------------------------------

    def _plan_of(self, group_id: GroupId, group: _Group, only: RequestId | None = None) -> GroupPlan:
        runners = dict(group.draft.runners)
        assignments = tuple(
            Assignment(
                request=request.id,
                origin=request.origin,
                runner=runners[request.id],
                call=msgspec.structs.replace(request.call, seed=self._seed_of(group, request)),
            )
            for request in group.requests.values()
            if only in (None, request.id)
        )
        return GroupPlan(
            group=group_id,
            attempt=group.attempt,
            lead=group.draft.lead,
            executor=group.executor,
            shared_steps=group.draft.shared_steps,
            requests=tuple(group.requests),
            assignments=assignments,
            forecast=group.draft.forecast,
            reason=group.draft.reason,
        )

    def _seed_of(self, group: _Group, request: Request) -> int:
        return group.draft.seed if group.shares else request.call.seed

    def _tell(self, group_id: GroupId, group: _Group, only: RequestId | None = None) -> list[Action]:
        """Each origin and each runner hears its own part, and nobody hears another's prompt."""
        actions: list[Action] = []
        for request in group.requests.values():
            if only not in (None, request.id):
                continue
            plan = self._plan_of(group_id, group, only=request.id)
            for node in sorted({request.origin, plan.assignments[0].runner}):
                actions.append(Send(node, PlanTold(plan=plan)))
        return actions

    # ---- the books -----------------------------------------------------------------------------------------

    def _next_attempt(self, term: Term) -> Attempt:
        """Numbers grow over all groups of a term, so a request planned anew always gets a greater one."""
        self._tries += 1
        return Attempt(term, self._tries)

    def _group_of(self, request: RequestId) -> GroupId | None:
        return next((group_id for group_id, group in self._groups.items() if request in group.requests), None)

    def _is_waiting(self, request: RequestId) -> bool:
        return any(request in entry.requests for entry in self._gathering.values()) or any(
            request in batch for batch in self._planning.values()
        )

    def _open_count(self) -> int:
        gathering = sum(len(entry.requests) for entry in self._gathering.values())
        return gathering + sum(map(len, self._planning.values()))

    def _remove(self, request: RequestId) -> None:
        group_id = self._group_of(request)
        if group_id is not None:
            del self._groups[group_id].requests[request]
            if not self._groups[group_id].requests:
                self._forget(group_id)

    def _forget(self, group_id: GroupId) -> None:
        del self._groups[group_id]
