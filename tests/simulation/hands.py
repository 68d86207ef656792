"""The hands of a device: each action done as the daemon's would do it, and what comes of it posted a little later.

Never here: writes to the memory (`process` gives them their time), or what must hold.
"""

from random import Random

from peerd_protocol.actions import Action, Consider, Deliver, Denoise, Halt, Keep, MakePlan, Recall
from peerd_protocol.events import CacheChanged, Considered, Delivered, DeliveryFailed, Planned, Recalled, WorkFailed
from peerd_protocol.profile import PowerClass
from tests.simulation.clockwork import Clockwork
from tests.simulation.planner import OddPlan
from tests.simulation.process import Process

SPOILT = "the disk took no picture"
PLAN_S_MAX = 0.3
DISK_S_MAX = 0.4
PICTURE_S_MAX = 2.0
"""Until a picture is a file on record."""


class Hands:
    """`seed` decides which plan comes of an order, so that the same order gets the same one; `planner` makes it."""

    def __init__(self, seed: str, clockwork: Clockwork) -> None:
        self.planner: type[OddPlan] = OddPlan
        self._seed, self._clockwork = seed, clockwork

    def do(self, process: Process, action: Action) -> None:
        device = process.device
        match action:
            case Consider(_, offer):
                declines = device.temper.declines or ("low" if device.battery.power is PowerClass.LOW else "")
                process.post(Considered(offer.group, offer.attempt, not declines, declines))
            case Denoise():
                process.engine.take(action)
            case Halt(work):
                process.engine.halt(work)
            case MakePlan():
                planned, took_s = self._plan(action)
                self._clockwork.after(took_s, process.post, planned)
            case Keep():
                self._clockwork.after(device.chance.uniform(0, DISK_S_MAX), self._keep, process, action)
            case Recall():
                self._clockwork.after(device.chance.uniform(0, DISK_S_MAX), self._recall, process, action)
            case Deliver():
                self._clockwork.after(device.chance.uniform(0, PICTURE_S_MAX), self._deliver, process, action)
            case _:
                pass

    def _plan(self, order: MakePlan) -> tuple[Planned, float]:
        names = sorted(request.id for request in order.requests)
        chance = Random(f"{self._seed}/{names}")
        return self.planner(order, chance).made(), chance.uniform(0, PLAN_S_MAX)

    def _keep(self, process: Process, action: Keep) -> None:
        if not process.dead:
            process.device.disk.keep(action.entry, action.data)
            process.post(CacheChanged(process.device.disk.entries))

    def _recall(self, process: Process, action: Recall) -> None:
        kept = process.device.disk.kept.get(action.digest)
        if kept is None:
            process.post(WorkFailed(action.work, "the kept checkpoint is gone"))
        else:
            process.post(Recalled(action.work, kept[1]))

    def _deliver(self, process: Process, action: Deliver) -> None:
        """What is on record stays: a request has one visible result."""
        request, device = action.request.id, process.device
        if process.dead:
            return
        if device.temper.spoils:
            device.temper.spoils = False
            process.post(DeliveryFailed(request, SPOILT))
        else:
            device.disk.results.setdefault(request, action.picture)
            process.post(Delivered(request, f"{request}.png", "sha", action.request.call.steps, True))
