"""A group as its leader holds it: a draft on its way through offers, alone or as a branch of another.

Here lives what a group is and what is said about it: the offer to an executor, the plan to a member. Never here: when
either is said, or what follows from an answer (`offers`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from peerd_protocol.events import Draft
from peerd_protocol.ids import Attempt, GroupId, NodeId, RequestId
from peerd_protocol.messages import Beginning, Offer, Receiver
from peerd_protocol.plan import STRICTEST_FIRST, Assignment, Forecast, GroupPlan, Request

NOBODY = NodeId("")


@dataclass(frozen=True, slots=True)
class Spare:
    """A checkpoint of the shared steps that `keeper` holds: at this step, or by now at a later one."""

    keeper: NodeId
    step: int


@dataclass(slots=True)
class Group:
    """`members` are those that leave its shared steps themselves, `leaves` says where; its branches know their parent.

    It is idle until it is offered, offered until `answer_by_s`, accepted once an executor has said yes, and told once
    its members know: a branch's only when the whole tree has its executors. `offer` is the latest that was made of it,
    `run` the first that was told: whoever resumes it runs the very same steps. `elsewhere` are branches that an earlier
    leader made of it; this one knows no more of them than where they begin.
    """

    id: GroupId
    lead: RequestId
    seed: int
    members: dict[RequestId, Request]
    leaves: dict[RequestId, int]
    runners: dict[RequestId, NodeId]
    probed: frozenset[RequestId]
    blended: bool
    attempt: Attempt
    candidates: list[NodeId]
    forecast: Forecast
    reason: str
    made_s: float
    parent: GroupId | None = None
    start: int = 0
    cached: str = ""
    executor: NodeId | None = None
    standby: NodeId = NOBODY
    spare: Spare | None = None
    offer: Offer | None = None
    run: Offer | None = None
    elsewhere: tuple[Receiver, ...] = ()
    answer_by_s: float | None = None
    accepted: bool = False
    told: bool = False
    declined: list[str] = field(default_factory=list)

    @staticmethod
    def of(
        draft: Draft, members: dict[RequestId, Request], group_id: GroupId, attempt: Attempt, now_s: float
    ) -> "Group":
        return Group(
            id=group_id,
            lead=draft.lead,
            seed=draft.seed,
            members=members,
            leaves=dict(draft.leaves),
            runners=dict(draft.runners),
            probed=draft.probed,
            blended=draft.blended,
            attempt=attempt,
            candidates=list(draft.candidates),
            forecast=draft.forecast,
            reason=draft.reason,
            made_s=now_s,
            start=draft.start,
            cached=draft.cached,
        )

    @property
    def idle(self) -> bool:
        """It shares something, and nobody has been asked, or nobody who was asked wants to."""
        return self.answer_by_s is None and not self.accepted and bool(any(self.leaves.values()) or self.elsewhere)

    @property
    def keeps(self) -> bool:
        """Whether the owner of its prompt lets others keep the checkpoints."""
        return self.lead in self.members and self.members[self.lead].keep

    @property
    def may_run(self) -> bool:
        """Whether its shared steps have words to run with, and somebody left to ask."""
        return bool(self.candidates) and (self.run is not None or self.lead in self.members)

    def hands_beginning_to_standby_of(self, branch: "Group") -> bool:
        """Whether whoever runs it was told of the device that stands by for this try of the branch, and is next."""
        told = self.offer.receivers if self.offer is not None else ()
        known = next((each for each in told if (each.group, each.attempt) == (branch.id, branch.attempt)), None)
        return known is not None and known.standby in branch.candidates[:1]

    def choose(self) -> NodeId:
        """The best candidate left is its executor now, and the next best stands by."""
        self.executor = self.candidates.pop(0)
        self.standby = self.candidates[0] if self.candidates else NOBODY
        return self.executor

    def lose(self, peer: NodeId) -> None:
        """This device is gone, whatever it was to be. What it was to run has to be planned anew."""
        self.members = {name: each for name, each in self.members.items() if self.runners[name] != peer}
        self.candidates = [node for node in self.candidates if node != peer]
        self.executor = None if self.executor == peer else self.executor
        self.spare = None if self.spare is not None and self.spare.keeper == peer else self.spare

    def take_back(self, attempt: Attempt) -> None:
        """Whatever was offered, accepted or told of it is outdone; it is to be offered anew."""
        self.attempt, self.executor, self.answer_by_s, self.accepted, self.told = attempt, None, None, False, False


def offer_of(
    group: Group, parent: Group | None, branches: Iterable[Group], below: Iterable[Request], *, keep: bool
) -> Offer:
    """What the group's executor hears: who leaves where, and the prompt that runs the steps, or all those `below`."""
    receivers = (
        *(_member(group, request) for request in group.members.values()),
        *(_branch(group, branch) for branch in branches),
        *group.elsewhere,
    )
    if group.run is not None:
        return msgspec.structs.replace(
            group.run,
            attempt=group.attempt,
            receivers=receivers,
            beginning=_beginning(group, parent),
            standby=group.standby,
        )
    words = list(below) if group.blended else []
    lead = group.members[group.lead]
    offer = Offer(
        group=group.id,
        attempt=group.attempt,
        call=msgspec.structs.replace(lead.call, seed=group.seed),
        receivers=receivers,
        forecast=group.forecast,
        beginning=_beginning(group, parent),
        share=lead.share,
        quality=min((each.quality for each in group.members.values()), key=STRICTEST_FIRST.index),
        keep=keep,
        blend=tuple(sorted({request.call.prompt for request in words})),
        standby=group.standby,
    )
    if offer.start < offer.stop:
        return offer
    # Nothing is to be run: whoever holds the checkpoint need not learn who wants it for what.
    return msgspec.structs.replace(offer, call=msgspec.structs.replace(offer.call, prompt="", negative=""), blend=())


def _beginning(group: Group, parent: Group | None) -> Beginning | None:
    """A branch waits for whoever runs its parent: that is settled after the branch's own offer, among these."""
    if group.spare is not None and group.spare.keeper == group.executor:
        return Beginning(step=group.spare.step, resumes=True)
    if parent is not None:
        step_s, sources = parent.forecast.step_seconds, parent.candidates
        if parent.told and parent.executor is not None:  # it runs already, and this executor stood by
            sources = [parent.executor, *sources]
        return Beginning(step=group.start, sources=tuple(sources), step_seconds=step_s, resumes=parent.told)
    if group.cached:
        return Beginning(step=group.start, cached=group.cached)
    # A branch of an earlier leader: its standby is handed the beginning that it knows of, or was already.
    earlier = group.run.beginning if group.run is not None and group.start else None
    return msgspec.structs.replace(earlier, resumes=True) if earlier is not None else None


def _member(group: Group, request: Request) -> Receiver:
    return Receiver(
        request=request.id,
        node=group.runners[request.id],
        step=group.leaves[request.id],
        group=group.id,
        attempt=group.attempt,
        prompt=_probe(group, request),
    )


def _branch(group: Group, branch: Group) -> Receiver:
    lead = branch.members.get(branch.lead)
    return Receiver(
        request=branch.lead,
        node=branch.executor or NodeId(""),
        step=branch.start,
        group=branch.id,
        attempt=branch.attempt,
        prompt=_probe(group, lead) if lead is not None else "",
        standby=branch.standby,
    )


def _probe(group: Group, request: Request) -> str:
    """Its prompt, where a probe is wanted and its owner shares the words."""
    return request.call.prompt if request.id in group.probed and request.share == "prompt" else ""


def plan_of(group: Group, sharing: Iterable[RequestId], only: RequestId | None = None) -> GroupPlan:
    """The plan as member `only` hears it, or as it is recorded. `sharing` are all requests of the tree."""
    shares = any(group.leaves.values())
    told = [group.members[only]] if only is not None else list(group.members.values())
    return GroupPlan(
        group=group.id,
        attempt=group.attempt,
        lead=group.lead,
        executor=group.executor or group.attempt.term.leader,
        shared_steps=max((group.leaves[request.id] for request in told), default=0),
        requests=tuple(sharing),
        assignments=tuple(
            Assignment(
                request=request.id,
                origin=request.origin,
                runner=group.runners[request.id],
                call=msgspec.structs.replace(request.call, seed=group.seed if shares else request.call.seed),
            )
            for request in told
        ),
        forecast=group.forecast,
        reason=group.reason,
        parent=group.parent or GroupId(""),
        standby=group.standby,
        begun=told[0].begun if len(told) == 1 and not shares else 0,
    )
