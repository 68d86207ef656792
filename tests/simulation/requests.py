"""What must hold of requests after every event, and how each of them fares.

    I7  no accepted request is lost: nobody hears of one that is not on its origin's disk, and none fails that its
        origin, or after healing anybody near, could run.
    I8  at most one visible result a request, and one last word about it.
    I9  a member never mixes two attempts: it starts from one checkpoint of the very attempt that its plan names, or
        from noise, after it has remembered which; and what is delivered is what came of that.
    I10 nobody plans for a request that it knows to be taken back.

A request that its origin holds on disk is *accepted*; it is lost with that disk. Never here: that it ends (`settling`).
"""

import hashlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from peerd_protocol.actions import Action, Deliver, Denoise, Forget, MakePlan, Predict, Send, Tell
from peerd_protocol.coordination import origin, runner
from peerd_protocol.events import Asked, CheckpointSaved, Event, WorkFailed
from peerd_protocol.ids import Attempt, GroupId, NodeId, RequestId
from peerd_protocol.messages import AnyMessage, HandoffBegin, Submit, Withdraw
from peerd_protocol.notices import AnyNotice, Failed, Finished, PlanMade, WentAlone
from peerd_protocol.plan import Request
from tests.simulation.device import Device
from tests.simulation.engine import step_of
from tests.simulation.hands import SPOILT
from tests.simulation.invariants import Violation
from tests.simulation.process import Process, Write

NOBODY = "no device that can run it answered"
TRIES = 3
"""What the rules promise, not what the code has: how often a local run is tried before its request fails."""


@dataclass(slots=True)
class Entry:
    """One request as an onlooker sees it."""

    request: Request
    state: str = "new"
    accepted: bool = False
    closed: bool = False
    """Its origin has it no more on disk."""
    closer: Process | None = None
    """Whoever removed it from there, and owes a last word unless it dies before."""
    told: AnyNotice | None = None
    """The last word."""
    cancelled: bool = False
    breaks: int = 0
    """How often its local run broke."""
    picture: bytes = b""


class Requests:
    """`passages` counts how requests went from state to state."""

    def __init__(self, engines: frozenset[NodeId]) -> None:
        self.entries: dict[RequestId, Entry] = {}
        self.passages: Counter[tuple[str, str]] = Counter()
        self.made: set[bytes] = set()
        """Every latent and picture that came out of an engine."""
        self.saved: dict[str, int] = {}
        """At which step the last checkpoint of each work was saved."""
        self._engines = engines
        self._near: Collection[NodeId] = ()
        """Who has an engine, or is near one and will be."""
        self._withdrawn: dict[tuple[Process, RequestId], float] = {}
        """Who heard last of a request that it was taken back, and in which turn."""
        self._announced: dict[tuple[NodeId, RequestId, GroupId, Attempt], set[bytes]] = {}
        """The digests of the checkpoints that were announced to a runner for an attempt."""

    # ---- what happens --------------------------------------------------------------------------------------

    def asked(self, request: Request) -> None:
        self.entries[request.id] = Entry(request)

    def cancelled(self, request: RequestId) -> None:
        self.entries[request].cancelled = True

    def disk_lost(self, device: Device) -> None:
        """Who lost its disk has nothing left to keep a promise with."""
        for entry in self.entries.values():
            if entry.request.origin == device.name:
                entry.accepted = False

    def booted(self, device: Device) -> None:
        for entry in self.entries.values():
            if entry.request.origin == device.name and entry.accepted and not entry.closed:
                self._pass(entry, "asked")

    def healed(self, near: Collection[NodeId]) -> None:
        """From now on these are near an engine."""
        self._near = near

    def turned(self, event: Event) -> None:
        if isinstance(event, Asked):
            self._taken_in(self.entries[event.request.id])
        if isinstance(event, CheckpointSaved):
            self.saved[event.work] = event.step
        if isinstance(event, WorkFailed) and event.work.startswith(runner.WORK):
            self.entries[RequestId(event.work.removeprefix(runner.WORK))].breaks += 1

    def heard(self, process: Process, sender: NodeId, message: AnyMessage) -> None:
        match message:
            case HandoffBegin(what="checkpoint"):
                key = (process.device.name, message.request, message.group, message.attempt)
                self._announced.setdefault(key, set()).add(message.digest)
            case Submit(request=request):
                self._withdrawn.pop((process, request.id), None)
                if sender == process.device.name:
                    self._taken_in(self.entries[request.id])
                    self._pass(self.entries[request.id], "announced")
            case Withdraw(request=request):
                self._withdrawn[process, request] = process.turned_s
            case _:
                pass

    def _taken_in(self, entry: Entry) -> None:
        if entry.state == "new":
            self._pass(entry, "asked")

    def wrote(self, process: Process, batch: Collection[Write]) -> None:
        for write in batch:
            if isinstance(write, Predict) or not write.key.startswith(origin.PREFIX):
                continue
            entry = self.entries[RequestId(write.key.removeprefix(origin.PREFIX))]
            if isinstance(write, Forget):
                entry.closed, entry.closer = True, process
            else:
                entry.accepted = True

    def does(self, process: Process, action: Action) -> None:
        match action:
            case Send(_, Submit(request=request)):
                if origin.PREFIX + request.id not in process.device.disk.memory:
                    raise Violation("I7", f"{process.device.name} announces {request.id} before it is on disk")
                self._pass(self.entries[request.id], "announced")
            case MakePlan(requests=planned):
                self._check_wanted(process, planned)
            case Denoise(stop=None):
                self._resumes(process, action)
                self._check_start(process, action)
            case Denoise():
                self.passages["shared steps", "resumed"] += action.resumes
                self.passages["branch", "begun again"] += _begins_again(process, action)
                if action.start is not None and action.start not in self.made:
                    raise Violation("I9", f"{process.device.name} shares what no engine made: {action.start!r}")
            case Deliver():
                self._deliver(process, action)
            case Tell(request, notice):
                self._tell(self.entries[request], notice)
            case _:
                pass

    def _resumes(self, process: Process, order: Denoise) -> None:
        """Own steps go on: at their origin, or at a device that it handed its half to."""
        request = self.entries[RequestId(order.work.removeprefix(runner.WORK))].request
        at_home = request.origin == process.device.name
        self.passages["own steps", "resumed" if at_home else "resumed for another"] += order.resumes

    def open(self) -> list[tuple[RequestId, Entry]]:
        """Accepted, and not ended."""
        return [(name, entry) for name, entry in self.entries.items() if entry.accepted and not entry.closed]

    def silent(self) -> list[RequestId]:
        """Ended without a last word."""
        ended = [(name, entry) for name, entry in self.entries.items() if entry.closed and entry.told is None]
        return [name for name, entry in ended if entry.closer is not None and not entry.closer.dead]

    def _tell(self, entry: Entry, notice: AnyNotice) -> None:
        match notice:
            case PlanMade():
                self._pass(entry, "planned")
            case WentAlone():
                self._pass(entry, "alone")
            case Finished() | Failed():
                if entry.told is not None:
                    raise Violation("I8", f"{entry.request.id} ends with {entry.told} and with {notice}")
                entry.told = notice
                if isinstance(notice, Finished):
                    self._pass(entry, "finished")
                else:
                    self._check_failure(entry, notice)
                    self._pass(entry, "cancelled" if entry.cancelled else "failed")
            case _:
                pass

    def _pass(self, entry: Entry, state: str) -> None:
        if state != entry.state or state == "planned":
            self.passages[entry.state, state] += 1
        entry.state = state

    # ---- what must hold ------------------------------------------------------------------------------------

    def _check_failure(self, entry: Entry, notice: Failed) -> None:
        """Somebody can always finish it, unless there is no engine, or it broke again and again."""
        name, able = entry.request.id, entry.request.origin in self._engines
        if entry.cancelled or notice.reason == SPOILT or entry.breaks >= TRIES:
            return
        if able:
            raise Violation("I7", f"{name} fails though its origin can run it: {notice.reason}")
        if entry.request.origin in self._near and notice.reason.startswith(NOBODY):
            raise Violation("I7", f"{name} fails though somebody near can run it: {notice.reason}")

    def _check_wanted(self, process: Process, planned: tuple[Request, ...]) -> None:
        for request in planned:
            if self._withdrawn.get((process, request.id), process.turned_s) < process.turned_s:
                raise Violation("I10", f"{process.device.name} plans for {request.id}, which was taken back")

    def _check_start(self, process: Process, order: Denoise) -> None:
        name, request = process.device.name, RequestId(order.work.removeprefix(runner.WORK))
        remembered = process.device.disk.memory.get(runner.PREFIX + request)
        if order.work in process.engine.works:
            raise Violation("I9", f"{name} starts {request} anew while it runs")
        if remembered is None:
            raise Violation("I9", f"{name} starts {request} before it has remembered from what")
        if order.start is None:
            return
        if remembered.decode() != hashlib.sha256(order.start).hexdigest():
            raise Violation("I9", f"{name} starts {request} from another checkpoint than it has remembered")
        if order.start not in self.made:
            raise Violation("I9", f"{name} starts {request} from what no engine made: {order.start!r}")
        part = process.node._runner._parts[request]
        announced = self._announced.get((name, request, part.group, part.attempt), set())
        goes_on = order.resumes and step_of(order.start) > 0 and f"{order.work}," in order.start.decode()
        if not goes_on and hashlib.sha256(order.start).digest() not in announced:
            raise Violation("I9", f"{name} starts {request} of {part.attempt} from another attempt's {order.start!r}")
        if int(order.start.partition(b":")[0]) != order.call.seed:
            raise Violation("I9", f"{name} goes on with another seed than {order.start!r} began with")

    def _deliver(self, process: Process, action: Deliver) -> None:
        request, picture = action.request, action.picture
        entry = self.entries[request.id]
        if request.id in process.delivering or entry.told is not None:
            raise Violation("I8", f"{request.id} is delivered again")
        process.delivering.add(request.id)
        if picture not in self.made:
            raise Violation("I9", f"{request.id} ends in a picture that no engine made: {picture!r}")
        stages = picture.partition(b":")[2].decode().split(";")
        steps = [step_of(each.encode()) for each in stages]
        own = f"{runner.WORK}{request.id},{request.call.prompt},{request.call.steps}"
        if stages[-1] != own or steps != sorted(set(steps)):
            raise Violation("I9", f"{request.id} ends in another's picture: {picture!r}")
        entry.picture = entry.picture or picture
        self._pass(entry, "delivering")


def _begins_again(process: Process, order: Denoise) -> bool:
    """Whether whoever stood by for a branch runs it from its beginning, since none of its own steps came through."""
    share = process.node._executor._of(order.work)
    beginning = None if share is None else share.offer.beginning
    return beginning is not None and beginning.resumes and order.start is not None and not order.resumes
