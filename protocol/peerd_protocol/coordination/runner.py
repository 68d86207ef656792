"""The runner's side: one assignment from its plan to its picture.

    waiting -> bound -> running -> given
       |         ^
       +---------+   its checkpoint arrived, or the executor's lease lapsed, or the plan shares nothing

A bind is remembered before its steps run and is never taken back: whatever another attempt sends afterwards is
dropped, so that one picture never mixes two. Now and then its origin gets a spare checkpoint, be it this node or
another: should this one be lost, whoever goes on begins there. Never here: the shared steps (`executor`), or what
becomes of a picture or a spare (`origin`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from peerd_protocol.actions import Action, Denoise, Forget, Halt, Remember, Send, Tell
from peerd_protocol.coordination import leases
from peerd_protocol.coordination.orders import ALONE, Give, GoAlone, Order
from peerd_protocol.coordination.spares import Spares, spare_of
from peerd_protocol.events import CheckpointSaved, PicturePainted, StepDone, WorkFailed
from peerd_protocol.ids import Attempt, GroupId, HandoffId, NodeId, RequestId
from peerd_protocol.messages import Bereft, HandoffBegin, LocalProgress, Progress, RequestFailed
from peerd_protocol.notices import HandedOff, LocalStep, SharedStep, WentAlone
from peerd_protocol.plan import Assignment, GroupPlan

TRIES_MAX = 3
"""A run that failed is tried again as it was, then from noise without the checkpoint, then given up."""
DONE_KEPT_MAX = 1024
REPEAT_S = 1.0
"""A cry for another executor may vanish, and there may be no leader to hear it yet."""
NEVER = GroupId(""), Attempt(ALONE.term, -1)
PREFIX = "bound/"
WORK = "local/"


@dataclass(slots=True)
class _Part:
    assignment: Assignment
    group: GroupId
    attempt: Attempt
    executor: NodeId
    """Who hands it its checkpoint: the origin, if others ran some of its own steps already."""
    shared_steps: int
    step_s: float
    lease_until_s: float
    plan: GroupPlan | None = None
    """As the leader told it: in another's words where the own ones stay here. None: it went alone from the start."""
    bereft: str = ""
    """Why it hopes that another device goes on with its shared steps."""
    repeat_s: float = 0.0
    heard: int = 0
    """The executor's latest step."""
    bound: bool = False
    checkpoint: bytes | None = None
    begun: int = 0
    """The step of its checkpoint."""
    tries: int = 0
    step: int = 0
    total: int = 0
    beat_s: float = 0.0
    resumes: bool = False
    """Its checkpoint is of its own steps, in an earlier life of this node or at another."""
    spares: Spares = field(default_factory=Spares)


class Runner:
    """All requests whose local steps this node runs."""

    def __init__(self, me: NodeId, recalled: Mapping[str, bytes], interval_s: float) -> None:
        self._me = me
        self._interval_s = interval_s
        self._stale = [key for key in recalled if key.startswith(PREFIX)]
        """Binds of an earlier boot. What they were bound to died with it; their origins have them planned anew."""
        self._parts: dict[RequestId, _Part] = {}
        self._cried_to: NodeId | None = None
        """The leader of a moment ago. A new one hears at once of what is missed, so that it hears of all together."""
        self._giving: dict[HandoffId, _Part] = {}
        """Parts whose pictures are on their way to other origins, which hear of them until they are there."""
        self._painted = 0
        """So many pictures; a second one of the same request is another handoff."""
        self._done: dict[RequestId, tuple[GroupId, Attempt]] = {}
        """What it ran to the end, and of which attempt: another checkpoint of that one comes too late."""

    @property
    def bound(self) -> frozenset[RequestId]:
        """Requests that no plan can change any more."""
        return frozenset(request for request, part in self._parts.items() if part.bound) | self._done.keys()

    # ---- how a part comes to be ----------------------------------------------------------------------------

    def told(self, plan: GroupPlan, heard: GroupPlan, now_s: float) -> list[Action]:
        """`plan` in the own words, and as it was `heard`."""
        actions: list[Action] = []
        for assignment in plan.assignments:
            known = self._parts.get(assignment.request)
            if assignment.runner != self._me:
                continue
            if known is not None and (known.bound or plan.attempt <= known.attempt):
                continue
            if self._is_through(assignment.request, plan):
                continue
            part = _Part(
                assignment=assignment,
                group=plan.group,
                attempt=plan.attempt,
                executor=assignment.origin if plan.begun else plan.executor,
                shared_steps=plan.shared_steps,
                step_s=plan.forecast.step_seconds,
                lease_until_s=now_s + leases.first_s(plan.forecast.seconds),
                plan=heard,
                resumes=plan.begun > 0,
            )
            self._parts[assignment.request] = part
            # Told again of what it has run to the end: the picture never came to whoever asked, and no checkpoint will.
            nothing_comes = plan.shared_steps == plan.begun == 0
            if nothing_comes or self._done.get(assignment.request) == (plan.group, plan.attempt):
                actions += self._bind(part)
        return actions

    def _is_through(self, request: RequestId, plan: GroupPlan) -> bool:
        """Whether it was run to the end before its group was offered anew: what comes of that is not for it."""
        group, attempt = self._done.get(request, NEVER)
        if group != plan.group or plan.attempt <= attempt:
            return False
        self._done[request] = group, plan.attempt
        return True

    def go_alone(self, order: GoAlone) -> list[Action]:
        """The origin, this node, wants no others any more. A part that is bound already goes on as it is."""
        request = order.assignment.request
        part = self._parts.get(request)
        if part is not None and part.bound:
            return []
        part = self._parts[request] = _Part(order.assignment, GroupId(""), ALONE, self._me, 0, 0.0, 0.0)
        part.checkpoint, part.begun, part.resumes = order.data, order.step, order.data is not None
        return self._bind(part)

    # ---- waiting for the checkpoint ------------------------------------------------------------------------

    def progressed(self, sender: NodeId, message: Progress, now_s: float) -> list[Action]:
        """The executor made a step, or has it in hand without one: its lease is renewed."""
        actions: list[Action] = []
        for part in self._waiting():
            if part.executor != sender or part.group != message.group or part.attempt != message.attempt:
                continue
            part.bereft = ""
            renewed_s = now_s + leases.renewed_s(self._interval_s, part.step_s)
            if message.step <= part.heard:
                part.lease_until_s = max(part.lease_until_s, renewed_s)
                continue
            part.heard, part.lease_until_s = message.step, renewed_s
            notice = SharedStep(
                executor=sender,
                step=message.step,
                total=message.total,
                preview=message.preview,
                preview_side=message.preview_side,
            )
            if part.assignment.origin == self._me:
                actions.append(Tell(part.assignment.request, notice))
        return actions

    def is_early(self, begin: HandoffBegin) -> bool:
        """Whether this checkpoint may be of a plan that is still on its way here."""
        part = self._parts.get(begin.request)
        if part is None:
            return begin.attempt > self._done.get(begin.request, NEVER)[1]
        return not part.bound and begin.attempt > part.attempt

    def unwanted(self, sender: NodeId, begin: HandoffBegin) -> str:
        """Why a checkpoint is not wanted ('' when it is)."""
        part = self._parts.get(begin.request)
        if part is None:
            return "this request is not planned here (any more)"
        if part.bound:
            return "this request is bound already"
        if part.executor != sender or part.group != begin.group or part.attempt != begin.attempt:
            return "this checkpoint belongs to another attempt"
        fits = part.resumes or 1 <= begin.step <= part.shared_steps
        return "" if fits else "the plan lets this request leave sooner"

    def arrived(self, sender: NodeId, begin: HandoffBegin, data: bytes) -> list[Action]:
        if self.unwanted(sender, begin):
            return []
        part = self._parts[begin.request]
        part.checkpoint, part.begun = data, begin.step
        notice = HandedOff(sender=sender, size=begin.size, step=begin.step)
        told: list[Action] = [Tell(begin.request, notice)] if part.assignment.origin == self._me else []
        return told + self._bind(part)

    def ticked(self, leader: NodeId | None, now_s: float) -> list[Action]:
        if not (self._parts or self._giving or self._stale):
            return []
        stale, self._stale = [Forget(key) for key in self._stale], []
        lapsed = [part for part in self._waiting() if now_s > part.lease_until_s]
        gone_on = self._without_executor(lapsed, "the executor made no step for too long", now_s)
        return [*stale, *gone_on, *self._cry(leader, now_s), *self._beat(now_s)]

    def _cry(self, leader: NodeId | None, now_s: float) -> list[Action]:
        """Whoever leads hears what is waited for in vain, until there is a new attempt or everyone has gone alone."""
        actions: list[Action] = []
        is_new, self._cried_to = leader != self._cried_to, leader
        for part in self._waiting():
            if part.bereft and part.plan is not None and leader is not None and (is_new or now_s >= part.repeat_s):
                part.repeat_s = now_s + REPEAT_S
                actions.append(Send(leader, Bereft(plan=part.plan, reason=part.bereft)))
        return actions

    def _beat(self, now_s: float) -> list[Action]:
        """Another's request is on loan here: its origin hears once per interval that it is still in hand.

        So it does while its picture travels: over a slow link that takes longer than all the steps.
        """
        given = (part for part in self._giving.values() if part.assignment.request not in self._parts)
        lent = [*self._parts.values(), *given]
        due = [part for part in lent if part.assignment.origin != self._me and now_s >= part.beat_s]
        for part in due:
            part.beat_s = now_s + self._interval_s
        return [
            Send(
                part.assignment.origin,
                LocalProgress(request=part.assignment.request, step=part.step, total=part.total),
            )
            for part in due
        ]

    def peer_lost(self, peer: NodeId, now_s: float) -> list[Action]:
        waiting = [part for part in self._waiting() if part.plan is not None]
        for part in waiting:
            if part.plan is not None and part.plan.standby == peer:
                part.plan = msgspec.structs.replace(part.plan, standby=NodeId(""))
        # One that missed it before it was known to be gone hopes on: its patience counts from then.
        lost = [part for part in waiting if (not _may_be_resumed(part) if part.bereft else peer == part.executor)]
        return self._without_executor(lost, "the executor is gone", now_s)

    def _without_executor(self, parts: list[_Part], reason: str, now_s: float) -> list[Action]:
        """Each hopes for another device once, as long as there is one that may go on; then it goes alone."""
        actions: list[Action] = []
        for part in parts:
            if _may_be_resumed(part) and not part.bereft:
                part.bereft, part.repeat_s, part.lease_until_s = reason, now_s, now_s + leases.RESUME_S
                continue
            if part.assignment.origin == self._me:
                actions.append(Tell(part.assignment.request, WentAlone(reason=reason)))
            actions += self._bind(part)
        return actions

    def _waiting(self) -> list[_Part]:
        return [part for part in self._parts.values() if not part.bound]

    # ---- running -------------------------------------------------------------------------------------------

    def _bind(self, part: _Part) -> list[Action]:
        part.bound = True
        request = part.assignment.request
        digest = hashlib.sha256(part.checkpoint).hexdigest() if part.checkpoint else "alone"
        return [Remember(PREFIX + request, digest.encode()), self._denoise(part)]

    def _denoise(self, part: _Part) -> Denoise:
        return Denoise(
            WORK + part.assignment.request,
            part.assignment.call,
            start=part.checkpoint,
            stop=None,
            resumes=part.resumes and part.checkpoint is not None,
            spare_s=leases.SPARE_S,
        )

    def _of(self, work: str) -> _Part | None:
        part = self._parts.get(RequestId(work.removeprefix(WORK)))
        return part if work.startswith(WORK) and part is not None and part.bound else None

    def stepped(self, event: StepDone) -> list[Action]:
        part = self._of(event.work)
        if part is None:
            return []
        request, origin = part.assignment.request, part.assignment.origin
        step, total, preview, side = event.step, event.total, event.preview, event.preview_side
        part.step, part.total = step, total
        if origin == self._me:
            notice = LocalStep(runner=self._me, step=step, total=total, preview=preview, preview_side=side)
            return [Tell(request, notice)]
        message = LocalProgress(request=request, step=step, total=total, preview=preview, preview_side=side)
        return [Send(origin, message)]

    def saved(self, event: CheckpointSaved) -> list[Order]:
        """With its origin it is safe: whoever goes on begins here."""
        part = self._of(event.work)
        if part is None:
            return []
        request, origin = part.assignment.request, part.assignment.origin
        return part.spares.give(spare_of(origin, part.group, part.attempt, event.step, event.data, request))

    def handed(self, begin: HandoffBegin) -> list[Order]:
        """The origin has this spare or picture, or never will."""
        self._giving.pop(begin.handoff, None)
        part = self._parts.get(begin.request)
        return [] if part is None else part.spares.through(begin.handoff)

    def painted(self, event: PicturePainted) -> list[Action | Order]:
        part = self._of(event.work)
        if part is None:
            return []
        request = part.assignment.request
        self._painted += 1
        begin = HandoffBegin(
            handoff=HandoffId(f"picture/{part.group}/{part.attempt.number}/{request}/{self._painted}"),
            what="picture",
            request=request,
            group=part.group,
            attempt=part.attempt,
            step=part.begun,
            size=len(event.picture),
            digest=hashlib.sha256(event.picture).digest(),
        )
        self._giving[begin.handoff] = part
        return [*self._finish(request), Give(part.assignment.origin, begin, event.picture)]

    def work_failed(self, event: WorkFailed) -> list[Action]:
        part = self._of(event.work)
        if part is None:
            return []
        part.tries += 1
        if part.tries < TRIES_MAX:
            if part.tries == TRIES_MAX - 1:
                part.checkpoint, part.begun = None, 0
            return [self._denoise(part)]
        request = part.assignment.request
        failed = Send(part.assignment.origin, RequestFailed(request=request, reason=event.reason))
        return [*self._finish(request), failed]

    def withdrawn(self, sender: NodeId, request: RequestId) -> list[Action]:
        """The origin took its request back."""
        part = self._parts.get(request)
        if part is None or part.assignment.origin != sender:
            return []
        halt: list[Action] = [Halt(WORK + request)] if part.bound else []
        return halt + self._finish(request)

    def _finish(self, request: RequestId) -> list[Action]:
        part = self._parts.pop(request)
        self._done[request] = part.group, part.attempt
        if len(self._done) > DONE_KEPT_MAX:
            del self._done[next(iter(self._done))]
        return [Forget(PREFIX + request)]


def _may_be_resumed(part: _Part) -> bool:
    """Whether somebody stands by for its shared steps."""
    return part.plan is not None and bool(part.plan.standby)
