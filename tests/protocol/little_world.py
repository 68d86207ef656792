"""A little world for stories about whole nodes: real `Node`s, one clock, and hands that work at once.

Messages arrive in order, engines take one tick a step, planning is a few obvious lines. What a story wants lost,
slow, asleep, out of earshot or dead, it says. Never here: a rule of the protocol.
"""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from peerd_protocol import codec
from peerd_protocol.actions import (
    Action,
    Consider,
    Deliver,
    Denoise,
    Forget,
    Halt,
    Keep,
    MakePlan,
    Predict,
    Recall,
    Remember,
    Send,
    Tell,
    Warn,
)
from peerd_protocol.events import (
    Asked,
    CacheChanged,
    CheckpointSaved,
    Considered,
    Delivered,
    Draft,
    Event,
    PeerClosed,
    PeerConnected,
    PicturePainted,
    Planned,
    Recalled,
    Received,
    StepDone,
    Ticked,
    WorkFailed,
    WorkHalted,
)
from peerd_protocol.ids import BootNonce, NodeId, RequestId
from peerd_protocol.messages import PROTOCOL_VERSION, AnyMessage, Hello
from peerd_protocol.node import Node
from peerd_protocol.notices import AnyNotice
from peerd_protocol.plan import CacheEntry, Call, Forecast, Leave, Request
from peerd_protocol.profile import Profile

TICK_S = 0.1
FORECAST = Forecast(
    seconds=3.0,
    seconds_alone=4.0,
    denoiser_calls=17,
    denoiser_calls_alone=22,
    joules=17.0,
    joules_alone=22.0,
    handoff_bytes=10,
    step_seconds=0.1,
)


def picture_request(name: str, origin: str, **wishes: object) -> Request:
    call = Call(
        model="m",
        prompt=name,
        steps=11,
        seed=41,
        guidance=3.0,
        scheduler="ddim",
        width=128,
        height=128,
    )
    return Request(**{"id": RequestId(name), "origin": NodeId(origin), "call": call, "shared": 5, **wishes})  # type: ignore[arg-type]


@dataclass
class Place:
    """One node with its disk, its engine and its person."""

    node: Node
    boot: BootNonce
    disk: dict[str, bytes] = field(default_factory=dict)
    works: dict[str, tuple[Denoise, int]] = field(default_factory=dict)
    notices: dict[RequestId, list[AnyNotice]] = field(default_factory=dict)
    pictures: dict[RequestId, list[bytes]] = field(default_factory=dict)
    predictions: list[Predict] = field(default_factory=list)
    denoised: list[Denoise] = field(default_factory=list)
    kept: dict[str, tuple[CacheEntry, bytes]] = field(default_factory=dict)
    left: dict[str, set[str]] = field(default_factory=dict)
    """Of each work, who has left its shared steps."""
    shared_steps_made: int = 0
    declines: str = ""
    breaks_at_step: int | None = None
    hangs: bool = False
    """Its engine makes no step, and does not say so."""
    step_ticks: int = 1
    """How long its engine takes for a step, whatever was foreseen."""
    ticks: int = 0
    """Of its engine, since the last step."""
    warnings: list[str] = field(default_factory=list)
    asleep: bool = False
    """It stands still while time goes on."""
    unread: list[Event] = field(default_factory=list)
    """What was sent to it in its sleep."""
    alive: bool = True


class LittleWorld:
    """`names` in rank order; every pair is connected. `loses(sender, receiver, message)` says what vanishes."""

    def __init__(self, *names: str, engineless: tuple[str, ...] = ()) -> None:
        self.now_s = 100.0
        self.places: dict[NodeId, Place] = {}
        self.loses: Callable[[NodeId, NodeId, AnyMessage], bool] = lambda sender, to, message: False
        self.shared_steps = 5
        self.step_s = TICK_S
        """What an engine takes a step for, where it is asked for spare checkpoints."""
        self.drafts: Callable[[MakePlan], tuple[Draft, ...]] = self._all_share
        self.probe: Callable[[Leave, int], bool] = lambda leave, step: False
        """Whether a member that shows its prompt leaves at this step already."""
        self.sides: dict[NodeId, int] = {}
        """Which part of a parted house a node is in; all are in one where none is named."""
        self.deaf: set[tuple[NodeId, NodeId]] = set()
        """(who, whom): the first hears nothing of what the second says."""
        self._mail: list[tuple[NodeId, Event]] = []
        self._boots = 0
        self.engineless = set(engineless)
        for name in names:
            self.boot(name)

    def __getitem__(self, name: str) -> Place:
        return self.places[NodeId(name)]

    def boot(self, name: str) -> None:
        """Start a node, on the disk of its earlier life if there was one."""
        me, self._boots = NodeId(name), self._boots + 1
        earlier = self.places.get(me)
        disk = earlier.disk if earlier is not None else {}
        profile = Profile(model="m", engine=name not in self.engineless, steps_per_second=10.0)
        boot = BootNonce(f"boot{self._boots}")
        place = Place(Node(me, boot, dict(disk), profile, 1.0, self.now_s), boot, disk)
        if earlier is not None:  # what people have seen stays seen
            place.notices, place.pictures = earlier.notices, earlier.pictures
        self.places[me] = place
        for other in self.places:
            if other != me:
                self._dial(me, other)

    def _dial(self, one: NodeId, other: NodeId) -> None:
        """The two open a channel, if they can, and introduce themselves."""
        if self[one].alive and self[other].alive and self.reaches(one, other) and self.reaches(other, one):
            self.greet(one, other, self[other].boot)
            self.greet(other, one, self[one].boot)

    def greet(self, me: NodeId, other: NodeId, boot: BootNonce) -> None:
        """Something that has the key of `other` introduces itself on a new channel."""
        hello = Hello(version=PROTOCOL_VERSION, name=other, boot=boot, control_port=1, bulk_port=2)
        self._mail += [(me, PeerConnected(other)), (me, Received(other, hello))]

    def kill(self, name: str, refuses: bool = True) -> None:
        """The process dies; its peers see their connection refused, or nothing at all if the whole device is dead."""
        me = NodeId(name)
        self[name].alive = False
        self._mail = [(to, event) for to, event in self._mail if to != me]
        if refuses:
            hearers = [to for to, place in self.places.items() if place.alive and self.reaches(me, to)]
            self._mail += [(to, PeerClosed(me, True)) for to in hearers]

    def wake(self, name: str) -> None:
        """It looks at its clock, and then at what came in its sleep."""
        me, place = NodeId(name), self[name]
        self._perform(me, place.node.step(Ticked(self.now_s)))
        self._mail += [(me, event) for event in place.unread]
        place.asleep, place.unread = False, []

    def reaches(self, sender: NodeId, to: NodeId) -> bool:
        return self.sides.get(sender) == self.sides.get(to) and (to, sender) not in self.deaf

    def part(self, *sides: tuple[str, ...]) -> None:
        """Nothing gets across any more, and nothing says so."""
        self.sides = {NodeId(name): number for number, side in enumerate(sides) for name in side}

    def mend(self) -> None:
        """Everyone reaches everyone; channels that were cut are opened anew."""
        pairs = [(one, other) for one in self.places for other in self.places if one < other]
        cut = [pair for pair in pairs if not (self.reaches(*pair) and self.reaches(*reversed(pair)))]
        self.sides, self.deaf = {}, set()
        for pair in cut:
            self._dial(*pair)

    def ask(self, name: str, request: Request) -> None:
        self._mail.append((NodeId(name), Asked(request)))

    def echo_mail(self, rng: random.Random) -> None:
        """Some of the messages under way arrive twice, and all of them in another order."""
        said = [entry for entry in self._mail if isinstance(entry[1], Received)]
        others = [entry for entry in self._mail if not isinstance(entry[1], Received)]
        said += [entry for entry in said if rng.random() < 0.5]
        rng.shuffle(said)
        self._mail = others + said

    def tell(self, name: str, event: Event) -> None:
        self._mail.append((NodeId(name), event))

    def run(self, seconds: float) -> None:
        """Let time pass, and all that is said be heard."""
        self._deliver_mail()
        for _ in range(round(seconds / TICK_S)):
            self.now_s += TICK_S
            for me, place in list(self.places.items()):
                if place.alive and not place.asleep:
                    self._perform(me, place.node.step(Ticked(self.now_s)))
                    self._work(me, place)
            self._deliver_mail()

    def run_until(self, done: Callable[[], bool], seconds_max: float = 30.0) -> None:
        deadline_s = self.now_s + seconds_max
        while not done():
            assert self.now_s < deadline_s, "the story does not come to its end"
            self.run(TICK_S)

    def elect(self) -> NodeId:
        """Run until all that live obey one leader."""
        self.run_until(lambda: len(self._leaders()) == 1 and None not in self._leaders())
        (leader,) = self._leaders()
        assert leader is not None
        return leader

    def left_open(self) -> dict[str, list[object]]:
        """Whatever any living node still holds of requests, shares or handoffs, its leader's books aside."""
        held = {
            me: [
                *place.node._origin._open,
                *place.node._runner._parts,
                *place.node._executor._shares.values(),
                *place.node._handoffs._giving,
                *place.node._handoffs._taking,
                *place.works,
            ]
            for me, place in self.places.items()
            if place.alive
        }
        return {str(me): things for me, things in held.items() if things}

    def run_until_nothing_is_open(self, seconds_max: float = 30.0) -> None:
        deadline_s = self.now_s + seconds_max
        while left := self.left_open():
            assert self.now_s < deadline_s, left
            self.run(TICK_S)

    def _leaders(self) -> set[NodeId | None]:
        return {place.node.leader for place in self.places.values() if place.alive}

    def _deliver_mail(self) -> None:
        while self._mail:
            to, event = self._mail.pop(0)
            place = self.places[to]
            if place.asleep:
                place.unread.append(event)
            elif place.alive:
                self._perform(to, place.node.step(event))

    def _work(self, me: NodeId, place: Place) -> None:
        """One tick of the engine: one step of the oldest work."""
        place.ticks = place.ticks + 1 if place.works else 0
        if place.ticks < place.step_ticks or place.hangs:
            return
        place.ticks = 0
        work, (order, step) = next(iter(place.works.items()))
        step += 1
        if place.breaks_at_step == step:
            place.breaks_at_step = None
            del place.works[work]
            self._mail.append((me, WorkFailed(work, "the engine died")))
            return
        place.works[work] = (order, step)
        place.shared_steps_made += order.stop is not None
        total = order.stop or order.call.steps
        preview = hashlib.sha256(order.call.prompt.encode()).digest()[:3]
        self._mail.append((me, StepDone(work, step, total, preview, 1)))
        self._let_leave(me, place, order, step)
        if step < total and not (order.leaves and len(place.left[work]) == len(order.leaves)):
            return
        del place.works[work]
        if order.stop is not None:
            self._mail.append((me, WorkHalted(work, step)))
        else:
            picture = f"{_begun(order) or 'noise'}->{order.call.prompt}#{order.call.seed}".encode()
            self._mail.append((me, PicturePainted(work, picture, order.call.steps)))

    def _let_leave(self, me: NodeId, place: Place, order: Denoise, step: int) -> None:
        """A checkpoint tells by whose prompts it came to be: `apple@3+lemon@5`."""
        left = place.left[order.work]
        names = tuple(
            leave.name
            for leave in order.leaves
            if leave.name not in left and (step >= leave.step or (leave.prompt and self.probe(leave, step)))
        )
        left.update(names)
        worked_s = step * self.step_s
        spare = order.spare_s and worked_s // order.spare_s > (worked_s - self.step_s) // order.spare_s
        if names or spare:
            begun = _begun(order)
            data = f"{begun}{'+' if begun else ''}{order.call.prompt}@{step}".encode()
            self._mail.append((me, CheckpointSaved(order.work, step, data, names)))

    def _perform(self, me: NodeId, actions: list[Action]) -> None:
        place = self.places[me]
        for action in actions:
            match action:
                case Send(to, message):
                    codec.encode(message)  # nothing is ever said that no peer would accept
                    if to in self.places and self.reaches(me, to) and not self.loses(me, to, message):
                        self._mail.append((to, Received(me, message)))
                case Remember(key, value):
                    place.disk[key] = value
                case Forget(key):
                    place.disk.pop(key, None)
                case Predict():
                    place.predictions.append(action)
                case Consider(_, offer):
                    considered = Considered(offer.group, offer.attempt, not place.declines, place.declines)
                    self._mail.append((me, considered))
                case Denoise(work, _, start, _):
                    place.denoised.append(action)
                    place.works[work] = (action, int(start.rsplit(b"@")[-1]) if start else 0)
                    place.left[work] = set()
                case Keep(entry, data):
                    place.kept[entry.digest] = (entry, data)
                    self._mail.append((me, CacheChanged(tuple(entry for entry, _ in place.kept.values()))))
                case Recall(work, digest):
                    gone = WorkFailed(work, "the kept checkpoint is gone")
                    self._mail.append((me, Recalled(work, place.kept[digest][1]) if digest in place.kept else gone))
                case Halt(work):
                    place.works.pop(work, None)
                case Deliver(request, picture):
                    place.pictures.setdefault(request.id, []).append(picture)
                    self._mail.append((me, Delivered(request.id, f"{request.id}.png", "sha", 11, True)))
                case Tell(request, notice):
                    place.notices.setdefault(request, []).append(notice)
                case Warn(text):
                    place.warnings.append(text)
                case MakePlan():
                    planned = self._plan(action)  # a story may have somebody go meanwhile
                    self._mail.append((me, planned))
                case _:
                    pass

    def _plan(self, order: MakePlan) -> Planned:
        """Everyone who asks together shares; devices with an engine are asked in order of their names."""
        able = [node for node, profile in order.devices if profile.engine]
        if not able:
            return Planned(order.batch, (), tuple((request.id, "nobody has an engine") for request in order.requests))
        return Planned(order.batch, self.drafts(order))

    def _all_share(self, order: MakePlan) -> tuple[Draft, ...]:
        names = sorted(request.id for request in order.requests)
        return (draft(order, {name: self.shared_steps if len(names) > 1 else 0 for name in names}),)


def _begun(order: Denoise) -> str:
    """By whose prompts it came to be before its own steps; what was run of those elsewhere is no part of it."""
    parts = order.start.decode().split("+") if order.start else []
    return "+".join(parts[:-1] if order.resumes else parts)


def draft(order: MakePlan, leaves: Mapping[str, int], *candidates: str, **more: object) -> Draft:
    """A draft of these leaves, the first of which leads; whoever can runs its own local steps."""
    requests = {request.id: request for request in order.requests}
    able = [node for node, profile in order.devices if profile.engine]
    of = [requests[RequestId(name)] for name in leaves]
    return Draft(
        **{  # type: ignore[arg-type]
            "leaves": tuple((RequestId(name), step) for name, step in leaves.items()),
            "lead": of[0].id,
            "seed": of[0].call.seed,
            "candidates": tuple(map(NodeId, candidates)) or tuple(able),
            "runners": tuple((r.id, r.origin if r.origin in able else _runner(r, able)) for r in of),
            "forecast": FORECAST,
            **more,
        }
    )


def _runner(request: Request, able: Sequence[NodeId]) -> NodeId:
    return next((node for node in able if node not in request.avoid), able[0])
