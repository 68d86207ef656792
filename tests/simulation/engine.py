"""The engine of one process: works in turn, a step at a time, as fast or slow, sound or broken as the device's temper.

A latent is what made it, in words: `41:shared/7.ab.1.0/3,apple,4;shared/7.ab.1.0/5,lemon,6` says that with seed 41 the
first work ran to step 4 with one prompt and a second one from there to step 6 with another. A picture ends in the
local work. Never here: what follows from a result.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from peerd_protocol.actions import Denoise
from peerd_protocol.events import CheckpointSaved, Event, PicturePainted, StepDone, WorkFailed, WorkHalted
from peerd_protocol.plan import Leave
from tests.simulation.clockwork import Clockwork
from tests.simulation.device import Device

LEAVES_SOONER = 0.2
"""How often a probe finds that a member should leave."""
START_STEPS = 3.0
"""Its start takes as long as so many steps."""
BROKE = "the engine broke"
SILENT = "the engine said nothing"
SPARE_SCALE = 10.0
"""Steps here are quicker than those that spare checkpoints are for, as stories are short: their time counts tenfold."""
SILENT_S = 90.0
"""Until a work that was lost is given up; longer than a member's patience with its executor."""


def stage(work: str, prompt: str, step: int) -> str:
    return f"{work},{prompt},{step}"


def step_of(latent: bytes | None) -> int:
    return 0 if latent is None else int(latent.rpartition(b",")[2])


@dataclass(slots=True)
class _Work:
    order: Denoise
    step: int
    unsaved_s: float = 0.0
    left: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        return self.order.stop or self.order.call.steps

    def latent(self) -> bytes:
        call = self.order.call
        prompt = "+".join(self.order.blend) or call.prompt
        begun = self.order.start.decode() + ";" if self.order.start else f"{call.seed}:"
        if self.order.resumes:  # what was run of it before is the same run
            begun = begun[: max(begun[:-1].rfind(";"), begun.find(":")) + 1]
        return (begun + stage(self.order.work, prompt, self.step)).encode()

    def leaving(self, sooner: Callable[[Leave], bool]) -> tuple[str, ...]:
        staying = [leave for leave in self.order.leaves if leave.name not in self.left]
        going = [leave.name for leave in staying if self.step >= leave.step or (leave.prompt and sooner(leave))]
        self.left.update(going)
        return tuple(going)


class Engine:
    """`post` takes what happened; `made` hears of every latent and picture."""

    def __init__(
        self, device: Device, clockwork: Clockwork, post: Callable[[Event], None], made: Callable[[bytes], None]
    ) -> None:
        self._device, self._clockwork, self._post, self._made = device, clockwork, post, made
        self.works: dict[str, _Work] = {}
        self._lost: set[str] = set()
        self._turning = False
        self.dead = False
        """Its process has ended."""

    @property
    def shares(self) -> bool:
        """Whether it runs steps that others wait for."""
        return any(work.order.stop is not None for work in self.works.values())

    def take(self, order: Denoise) -> None:
        if order.stop is not None and self._device.temper.mute:
            self._device.temper.mute = False
            self._lost.add(order.work)
            self._clockwork.after(SILENT_S, self._give_up, order.work)
            return
        self.works[order.work] = _Work(order, step_of(order.start))
        if not self._turning:
            self._turning = True
            self._clockwork.after(START_STEPS * self._device.temper.step_s, self._turn)

    def halt(self, work: str) -> None:
        self.works.pop(work, None)
        self._lost.discard(work)

    def _give_up(self, work: str) -> None:
        if work in self._lost:
            self._lost.discard(work)
            self._post(WorkFailed(work, SILENT))

    def _turn(self) -> None:
        """One step of the oldest work."""
        temper, now_s = self._device.temper, self._clockwork.now_s
        if self.dead or not self.works:
            self._turning = False
            return
        if now_s < temper.hangs_until_s:
            self._clockwork.at(temper.hangs_until_s, self._turn)
            return
        name, work = next(iter(self.works.items()))
        if temper.breaks:
            temper.breaks -= 1
            del self.works[name]
            self._post(WorkFailed(name, BROKE))
        else:
            self._step(name, work)
        self._clockwork.after(temper.step_s, self._turn)

    def _step(self, name: str, work: _Work) -> None:
        work.step += 1
        order, latent = work.order, work.latent()
        leaving = work.leaving(lambda leave: self._device.chance.random() < LEAVES_SOONER)
        all_left = bool(order.leaves) and len(work.left) == len(order.leaves)
        ends = work.step >= work.total or all_left
        if ends:
            del self.works[name]
        self._made(latent)
        self._post(StepDone(name, work.step, work.total, b"rgb", 1))
        work.unsaved_s += self._device.temper.step_s * SPARE_SCALE
        if leaving or (0.0 < order.spare_s <= work.unsaved_s and not ends):
            work.unsaved_s = 0.0
            self._post(CheckpointSaved(name, work.step, latent, leaving))
        if not ends:
            return
        if order.stop is not None:
            self._post(WorkHalted(name, work.step))
        else:
            self._post(PicturePainted(name, latent, order.call.steps))
