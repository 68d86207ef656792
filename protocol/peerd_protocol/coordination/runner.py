"""The runner's side: one assignment from its plan to its picture.

    waiting -> bound -> running -> given
       |         ^
       +---------+   its checkpoint arrived, or the executor's lease lapsed, or the plan shares nothing

A bind is remembered before its steps run and is never taken back: whatever another attempt sends afterwards is
dropped, so that one picture never mixes two. Own requests leave a checkpoint on disk now and then, and go on from there
in the next life. Never here: the shared steps (`executor`), or what becomes of the
picture (`origin`).
"""

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from peerd_protocol.actions import Action, Denoise, Forget, Halt, Remember, Send, Tell
from peerd_protocol.coordination import leases
from peerd_protocol.coordination.orders import Give, Order
from peerd_protocol.events import CheckpointSaved, PicturePainted, StepDone, WorkFailed
from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term
from peerd_protocol.messages import Bereft, HandoffBegin, LocalProgress, Progress, RequestFailed
from peerd_protocol.notices import HandedOff, LocalStep, SharedStep, WentAlone
from peerd_protocol.plan import Assignment, GroupPlan, Request

TRIES_MAX = 3
"""A run that failed is tried again as it was, then from noise without the checkpoint, then given up."""
DONE_KEPT_MAX = 1024
REPEAT_S = 1.0
"""A cry for another executor may vanish, and there may be no leader to hear it yet."""
ALONE = Attempt(Term(0, NodeId(""), BootNonce("")), 0)
"""What a picture carries whose runner started alone: below every attempt of a plan."""
BEFORE_ALL = Attempt(ALONE.term, -1)
PREFIX = "bound/"
PROGRESS = "progress/"
WORK = "local/"


@dataclass(slots=True)
class _Part:
    assignment: Assignment
    group: GroupId
    attempt: Attempt
    executor: NodeId
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
    """Its checkpoint is of its own steps, in an earlier life of this node."""


class _Progress(msgspec.Struct, frozen=True):
    """How far the own steps of an own request are, as it is kept on disk."""

    assignment: Assignment
    group: GroupId
    attempt: Attempt
    step: int
    data: bytes


class Runner:
    """All requests whose local steps this node runs."""

    def __init__(
        self, me: NodeId, recalled: Mapping[str, bytes], interval_s: float, still_open: Collection[RequestId] = ()
    ) -> None:
        self._me = me
        self._interval_s = interval_s
        self._going_on = [each for each in _progress_in(recalled) if each.assignment.request in still_open]
        kept = {PROGRESS + request for request in self.going_on}
        self._stale = [key for key in recalled if key.startswith((PREFIX, PROGRESS)) and key not in kept]
        """Binds of an earlier boot. What they were bound to died with it; their origins have them planned anew."""
        self._parts: dict[RequestId, _Part] = {}
        self._painted = 0
        """So many pictures; a second one of the same request is another handoff."""
        self._done: dict[RequestId, Attempt] = {}
        """What it ran to the end, and of which attempt: another checkpoint of that one comes too late."""

    @property
    def going_on(self) -> frozenset[RequestId]:
        """Own requests that an earlier life of this node has run half; they go on with the first tick."""
        return frozenset(each.assignment.request for each in self._going_on)

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
            part = _Part(
                assignment=assignment,
                group=plan.group,
                attempt=plan.attempt,
                executor=plan.executor,
                shared_steps=plan.shared_steps,
                step_s=plan.forecast.step_seconds,
                lease_until_s=now_s + leases.first_s(plan.forecast.seconds),
                plan=heard,
            )
            self._parts[assignment.request] = part
            # Told again of what it has run to the end: the picture never came to whoever asked, and no checkpoint will.
            if plan.shared_steps == 0 or self._done.get(assignment.request) == plan.attempt:
                actions += self._bind(part)
        return actions

    def go_alone(self, request: Request) -> list[Action]:
        """The origin, this node, gives up on others. A part that is bound already goes on as it is."""
        part = self._parts.get(request.id)
        if part is not None and part.bound:
            return []
        assignment = Assignment(request=request.id, origin=self._me, runner=self._me, call=request.call)
        part = self._parts[request.id] = _Part(assignment, GroupId(""), ALONE, self._me, 0, 0.0, 0.0)
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
            return begin.attempt > self._done.get(begin.request, BEFORE_ALL)
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
        return "" if 1 <= begin.step <= part.shared_steps else "the plan lets this request leave sooner"

    def arrived(self, sender: NodeId, begin: HandoffBegin, data: bytes) -> list[Action]:
        if self.unwanted(sender, begin):
            return []
        part = self._parts[begin.request]
        part.checkpoint, part.begun = data, begin.step
        notice = HandedOff(sender=sender, size=begin.size, step=begin.step)
        told: list[Action] = [Tell(begin.request, notice)] if part.assignment.origin == self._me else []
        return told + self._bind(part)

    def ticked(self, leader: NodeId | None, now_s: float) -> list[Action]:
        if not (self._parts or self._stale or self._going_on):
            return []
        stale, self._stale = [Forget(key) for key in self._stale], []
        halves, self._going_on = self._going_on, []
        resumed = [action for half in halves for action in self._go_on(half)]
        lapsed = [part for part in self._waiting() if now_s > part.lease_until_s]
        gone_on = self._without_executor(lapsed, "the executor made no step for too long", now_s)
        return [*stale, *resumed, *gone_on, *self._cry(leader, now_s), *self._beat(now_s)]

    def _go_on(self, half: _Progress) -> list[Action]:
        request = half.assignment.request
        part = _Part(half.assignment, half.group, half.attempt, self._me, 0, 0.0, 0.0, begun=half.step, resumes=True)
        part.checkpoint = half.data
        self._parts[request] = part
        return self._bind(part)

    def _cry(self, leader: NodeId | None, now_s: float) -> list[Action]:
        """Whoever leads hears what is waited for in vain, until there is a new attempt or everyone has gone alone."""
        actions: list[Action] = []
        for part in self._waiting():
            if part.bereft and part.plan is not None and leader is not None and now_s >= part.repeat_s:
                part.repeat_s = now_s + REPEAT_S
                actions.append(Send(leader, Bereft(plan=part.plan, reason=part.bereft)))
        return actions

    def _beat(self, now_s: float) -> list[Action]:
        """Another's request is on loan here: its origin hears once per interval that it is still in hand."""
        due = [part for part in self._parts.values() if part.assignment.origin != self._me and now_s >= part.beat_s]
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
        lost = [part for part in waiting if peer == part.executor or (part.bereft and not _may_be_resumed(part))]
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
        own = part.assignment.origin == self._me
        return Denoise(
            WORK + part.assignment.request,
            part.assignment.call,
            start=part.checkpoint,
            stop=None,
            resumes=part.resumes and part.checkpoint is not None,
            spare_s=leases.SPARE_S if own else 0.0,
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

    def saved(self, event: CheckpointSaved) -> list[Action]:
        """So far it is safe: in its next life this node goes on from here."""
        part = self._of(event.work)
        if part is None or part.assignment.origin != self._me:
            return []
        half = _Progress(part.assignment, part.group, part.attempt, event.step, event.data)
        return [Remember(PROGRESS + part.assignment.request, msgspec.msgpack.encode(half))]

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
        self._done[request] = self._parts.pop(request).attempt
        if len(self._done) > DONE_KEPT_MAX:
            del self._done[next(iter(self._done))]
        return [Forget(PREFIX + request), Forget(PROGRESS + request)]


def _may_be_resumed(part: _Part) -> bool:
    """Whether somebody stands by for its shared steps."""
    return part.plan is not None and bool(part.plan.standby)


def _progress_in(recalled: Mapping[str, bytes]) -> Iterator[_Progress]:
    """What an earlier life kept; what another version of peerd kept can not be read, and is begun anew."""
    for key, value in recalled.items():
        if key.startswith(PROGRESS):
            with contextlib.suppress(msgspec.MsgspecError):
                yield msgspec.msgpack.decode(value, type=_Progress)
