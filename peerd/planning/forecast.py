"""What a plan will take: seconds, denoiser calls, joules and bytes, with and without sharing.

Each request is a chain of pieces of work on engines (`timeline` says when each ends): shared steps run once for a
branch, own steps with reading the prompt before and decoding after them, and between them the way of a checkpoint.
Here lives arithmetic only. Never here: which plan to choose, or how a device knows its pace (`peerd.device`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from peerd.planning import timeline
from peerd.planning.load import Load, calls_between, checkpoint_bytes, picture_bytes
from peerd.planning.split import total_of
from peerd.planning.timeline import Piece
from peerd.planning.trees import Branch
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Call, Expected, Forecast

__all__ = ["Course", "Load", "Part", "alone", "checkpoint_bytes", "course", "promise", "shared", "take"]

NOWHERE: Mapping[RequestId, NodeId] = {}
"""No branch starts from a checkpoint that somebody holds already."""


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a group and the device that runs its own steps."""

    request: RequestId
    origin: NodeId
    runner: NodeId
    call: Call


@dataclass(frozen=True, slots=True)
class Course:
    """How a group goes, one way or the other: when each request is done, and what it costs.

    Seconds count from the closing of the group's window; the plan is told to all `told_s` after that.
    """

    done_s: dict[RequestId, float]
    free_s: dict[NodeId, float]
    denoiser_calls: int
    joules: float
    """As they weigh in a choice: those of a battery count more."""
    handoff_bytes: int
    joules_drawn: float = 0.0
    """As a meter would count them."""
    drawn_by: Mapping[NodeId, float] = field(default_factory=dict)
    """Those of each engine."""
    told_s: float = 0.0
    own: Mapping[RequestId, tuple[int, float]] = field(default_factory=dict)
    """The denoiser calls of each request's own steps, and the joules that they draw."""

    @property
    def seconds(self) -> float:
        """When the last one is done."""
        return max(self.done_s.values(), default=0.0)


def take(load: Load, way: Course) -> None:
    """This way is chosen: its engines are busy with it, and bear it."""
    load.free_s = dict(way.free_s)
    for node, joules in way.drawn_by.items():
        load.taken_joules[node] = load.taken_joules.get(node, 0.0) + joules


def alone(load: Load, parts: Sequence[Part]) -> Course:
    """Every request runs all its steps at its own runner."""
    way = _Way(load)
    for part in parts:
        way.own(part, 0, None, 0.0)
    return way.course(0.0)


def course(
    load: Load,
    parts: Sequence[Part],
    tree: Branch,
    executors: Mapping[RequestId, NodeId],
    *,
    held: Mapping[RequestId, NodeId] = NOWHERE,
) -> Course:
    """How a group goes that shares as `tree` says.

    `executors` names for the lead of each branch the device that runs it. A branch whose lead is in `held` starts, and
    costs nothing: its last checkpoint lies ready at that device. Every part is a member of the tree.
    """
    way = _Way(load)
    known = {part.request: part for part in parts}
    first = held.get(tree.lead) or executors[tree.lead]
    far_s = max(0.0, load.latency_s(first) - load.settings.latency_s)
    told_s = load.settings.offer_s + 2 * far_s
    way.branch(tree, known, {**executors, **held}, frozenset(held), _Begin(None, told_s))
    return way.course(told_s)


def shared(load: Load, parts: Sequence[Part], executor: NodeId, steps: int) -> Course:
    """`executor` runs the first steps once for all, and each goes its own way after the same step."""
    lead = parts[0].request
    return course(load, parts, Branch(lead, 0, tuple((part.request, steps) for part in parts)), {lead: executor})


def promise(before: Course, after: Course, step_seconds: float) -> Forecast:
    """The forecast of a plan that goes as `after`, against everyone alone as `before`."""
    return Forecast(
        seconds=round(after.seconds, 4),
        seconds_alone=round(before.seconds, 4),
        denoiser_calls=after.denoiser_calls,
        denoiser_calls_alone=before.denoiser_calls,
        joules=round(after.joules_drawn, 4),
        joules_alone=round(before.joules_drawn, 4),
        handoff_bytes=after.handoff_bytes,
        step_seconds=round(step_seconds, 6),
        each=tuple(
            Expected(
                request=request,
                seconds=round(max(0.0, after.done_s[request] - after.told_s), 4),
                seconds_alone=round(before.done_s.get(request, 0.0), 4),
                told_s=round(after.told_s, 4),
                denoiser_calls=after.own[request][0],
                joules=round(after.own[request][1], 4),
            )
            for request in sorted(after.done_s)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Begin:
    """After which piece, and how much later, a checkpoint is where the next steps run."""

    after: int | None
    lag_s: float


class _Way:
    """A group's pieces as they are laid out, and the costs that add up meanwhile."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._pieces: list[Piece] = []
        self._last: list[tuple[Part, int, float]] = []
        self._started: set[NodeId] = set()
        self._calls, self._joules, self._bytes = 0, 0.0, 0
        self._drawn: dict[NodeId, float] = {}
        self._own: dict[RequestId, tuple[int, float]] = {}

    def branch(
        self,
        branch: Branch,
        parts: Mapping[RequestId, Part],
        executors: Mapping[RequestId, NodeId],
        held: frozenset[RequestId],
        begin: _Begin,
    ) -> None:
        """The shared steps of a branch, a piece from each parting of ways to the next, and all that leave it."""
        # A held checkpoint may be of somebody who has the picture already; calls of a group differ in prompts alone.
        node, call = executors[branch.lead], parts.get(branch.lead, next(iter(parts.values()))).call
        ways = sorted({step for _, step in branch.leaves} | {below.start for below in branch.branches})
        free = branch.lead in held
        at, number = branch.start, begin.after
        for step in ways:
            work_s = 0.0 if free else (step - at) * self._load.step_s(node, call)
            if number == begin.after and not free:
                work_s += self._load.prepare_s(node, call) + self._cold_s(node, call)
            follows = number != begin.after
            number = self._add(Piece(node, work_s, number, 0.0 if follows else begin.lag_s, follows))
            if not free:
                self._count(node, call, step - at)
            at, sent = step, 0
            size = checkpoint_bytes(call)
            for below in (below for below in branch.branches if below.start == step):
                sent += executors[below.lead] != node
                lag_s = self._hand_over(node, executors[below.lead], size, sent)
                self.branch(below, parts, executors, held, _Begin(number, lag_s))
            for request in (request for request, leaves in branch.leaves if leaves == step):
                part = parts[request]
                sent += part.runner != node
                self.own(part, step, number, self._hand_over(node, part.runner, size, sent))

    def own(self, part: Part, start: int, after: int | None, lag_s: float) -> None:
        """The own steps of one request, to its picture."""
        load, call, node = self._load, part.call, part.runner
        steps = total_of(call) - start
        work_s = load.prepare_s(node, call) + steps * load.step_s(node, call) + load.decode_s(node, call)
        work_s += self._cold_s(node, call)
        number = self._add(Piece(node, work_s, after, lag_s))
        calls = calls_between(call, start)
        self._own[part.request] = calls, self._count(node, call, calls)
        delivery_s = 0.0 if node == part.origin else load.transfer_s(node, part.origin, picture_bytes(call))
        self._last.append((part, number, delivery_s))

    def course(self, told_s: float) -> Course:
        ends_s = timeline.run(self._pieces, self._load.engines(piece.node for piece in self._pieces))
        free_s = dict(self._load.free_s)
        for piece, end_s in zip(self._pieces, ends_s, strict=True):
            free_s[piece.node] = max(free_s.get(piece.node, 0.0), end_s)
        link = self._bytes * self._load.settings.joules_per_byte
        return Course(
            done_s={part.request: ends_s[number] + delivery_s for part, number, delivery_s in self._last},
            free_s=free_s,
            denoiser_calls=self._calls,
            joules=self._joules + link,
            handoff_bytes=self._bytes,
            joules_drawn=sum(self._drawn.values()) + link,
            drawn_by=self._drawn,
            told_s=told_s,
            own=self._own,
        )

    def _add(self, piece: Piece) -> int:
        self._pieces.append(piece)
        return len(self._pieces) - 1

    def _count(self, node: NodeId, call: Call, calls: int) -> float:
        """These calls are made there; the joules that they draw."""
        joules = calls * self._load.joules_per_call(node, call)
        self._calls += calls
        self._drawn[node] = self._drawn.get(node, 0.0) + joules
        self._joules += joules * self._load.weight(node)
        return joules

    def _cold_s(self, node: NodeId, call: Call) -> float:
        """A cold engine starts once, before the first of its pieces."""
        if node in self._started:
            return 0.0
        self._started.add(node)
        return self._load.start_s(node, call)

    def _hand_over(self, giver: NodeId, taker: NodeId, size: int, sent: int) -> float:
        """The way of the checkpoint that is sent as number `sent` at this step: one after another."""
        if giver == taker:
            return 0.0
        self._bytes += size
        return self._load.transfer_s(giver, taker, size * sent)
