"""The engine's work as the node sees it: orders in, events out.

Here lives the translation between the engine's port and the protocol's events, and the count of what is still to do.
Never here: the engine itself, or whose work comes first.
"""

import contextlib
import hashlib
import logging
import time
from collections.abc import Callable
from typing import assert_never

from peerd import pictures
from peerd.device.burden import Burden
from peerd.device.host import Host
from peerd.device.pace import MPIXEL, Paces
from peerd.device.stopwatch import Stopwatch
from peerd.engine.port import Engine, EngineEvent, Halted, Painted, Saved, Stepped
from peerd.orders import order_of
from peerd.planning.calibration import Calibration
from peerd.runs import Ran, Trace
from peerd_protocol.actions import Denoise
from peerd_protocol.checkpoint import unpack
from peerd_protocol.errors import LocalError, PeerdError
from peerd_protocol.events import CheckpointSaved, Event, PicturePainted, StepDone, WorkFailed, WorkHalted
from peerd_protocol.plan import Call
from peerd_protocol.schedulers import calls_per_run

log = logging.getLogger("peerd.works")


class Works:
    """Runs `Denoise` actions on one engine, and lets the device learn from each how long it takes."""

    def __init__(
        self,
        engine: Engine,
        paces: Paces,
        host: Host,
        watts: Callable[[], float] = lambda: 0.0,
        clock_s: Callable[[], float] = time.monotonic,
        calibration_of: Callable[[str], Calibration | None] = lambda _: None,
        ran: Callable[[Ran], None] = lambda _: None,
    ) -> None:
        """`watts`: what this device draws while its engine works. `ran` hears what shared steps took until a leave."""
        self._engine = engine
        self._watts = watts
        self._paces, self._host, self._clock_s = paces, host, clock_s
        self._calibration_of, self._ran = calibration_of, ran
        self._left: dict[str, int] = {}
        self._calls: dict[str, Call] = {}
        self._watches: dict[str, Stopwatch] = {}
        self._traces: dict[str, Trace] = {}
        self._counted: dict[str, int] = {}
        """Of each order, the denoiser calls that are counted already."""
        self._burden = Burden()
        self._free_s = clock_s()
        """When the engine was through with its last order."""
        self._loaded = ""
        """The model that it had loaded then."""
        self.denoiser_calls = 0
        """All of them since the daemon's start, as the engine counted them: of work that failed or was cancelled too,
        but for a step that was cut off."""
        self.probe_calls = 0.0
        """What probes took beside them, in the same unit."""

    @property
    def queued_steps(self) -> int:
        """Scheduler steps accepted and not yet run."""
        return sum(self._left.values())

    @property
    def queued_s(self) -> float:
        """The seconds that those take at full speed, with what comes before and after them."""
        seconds = 0.0
        for work, left in self._left.items():
            call = self._calls[work]
            pace = self._paces.of(call.model)
            seconds += left * self._paces.call_s(call) + pace.prepare_s
            seconds += pace.decode_s_per_mpixel * call.width * call.height / MPIXEL
        return seconds

    @property
    def joules_lately(self) -> float:
        """What the engine drew lately, as far as `watts` tells."""
        return self._burden.joules(self._clock_s())

    async def run(self, action: Denoise, post: Callable[[Event], None]) -> None:
        """One piece of work to its last event. Cancelling stops it within one step and posts nothing."""
        self._left[action.work], self._calls[action.work] = _steps_of(action), action.call
        self._counted[action.work] = 0
        self._traces[action.work] = Trace(action.work, action.call.model)
        waited = len(self._left) > 1
        joined = self._engine.busy and not waited
        # What it joins may put another model in the place of the one that is loaded now, or load this one.
        begun_s, warm = self._clock_s(), self._engine.loaded == action.call.model and not joined
        watch = self._watches[action.work] = Stopwatch(action.call, begun_s, warm, joined=joined)
        try:
            order = order_of(action, self._calibration_of(action.call.model))
            watch.plain = not order.probe and len(set(order.blend)) < 2
            watch.looks = frozenset(look.step for look in order.probe)
            async with contextlib.aclosing(self._engine.run(order)) as events:
                async for event in events:
                    if waited:
                        # The order before it has ended by now, and its own time begins where that one's did.
                        watch.begun_s, watch.warm = max(begun_s, self._free_s), self._loaded == action.call.model
                        waited = False
                    post(self._take(action, event))
        except PeerdError as error:
            log.warning("%s failed: %s", action.work, error)
            post(WorkFailed(action.work, str(error)))
        finally:
            self._free_s, self._loaded = self._clock_s(), self._engine.loaded
            del (
                self._left[action.work],
                self._calls[action.work],
                self._watches[action.work],
                self._counted[action.work],
                self._traces[action.work],
            )

    def _count(self, work: str, denoiser_calls: int) -> None:
        """This order has made so many by now."""
        self.denoiser_calls += denoiser_calls - self._counted[work]
        self._counted[work] = denoiser_calls

    def _learn(self, action: Denoise, *, painted: bool) -> float:
        """This order ended as it should; the joules that the engine drew for its calls."""
        usual_s = self._paces.of(action.call.model).prepare_s
        done = self._watches[action.work].ended(self._clock_s(), painted=painted, usual_prepare_s=usual_s)
        if done is None:
            return 0.0
        try:
            self._paces.learn(done)
        except LocalError as error:
            log.warning("what this device takes for a picture is not saved: %s", error)
        # A cold engine's only step was not timed apart from its start: what was learnt before stands in.
        steps_s = done.full_speed_s
        joules = self._watts() * (done.steps * self._paces.call_s(action.call) if steps_s is None else steps_s)
        self._burden.add(joules, self._clock_s())
        return joules

    def _take(self, action: Denoise, event: EngineEvent) -> Event:
        call = action.call
        match event:
            case Stepped(step, total, seconds, preview, preview_side, denoiser_calls, digest):
                self._traces[action.work].stepped(step, seconds, digest)
                self._count(action.work, denoiser_calls)
                self._left[action.work] = (action.stop or total) - step
                self._host.look(working=True)
                self._watches[action.work].stepped(self._clock_s(), seconds, self._host.crowd(), step)
                return StepDone(action.work, step, total, preview, preview_side)
            case Saved(step, data, names):
                if names and (ran := self._traces[action.work].ran(hashlib.sha256(data).digest(), self._watts())):
                    self._ran(ran)
                return CheckpointSaved(action.work, step, data, names)
            case Halted(denoiser_calls, probe_calls):
                self._learn(action, painted=False)
                self._count(action.work, denoiser_calls)
                self.probe_calls += probe_calls
                return WorkHalted(action.work, denoiser_calls)
            case Painted(width, height, rgb, denoiser_calls, exact):
                joules = self._learn(action, painted=True)
                self._count(action.work, denoiser_calls)
                picture = pictures.Picture(
                    width=width,
                    height=height,
                    rgb=rgb,
                    seed=call.seed,
                    denoiser_calls=denoiser_calls,
                    exact=exact,
                    shared_steps=unpack(action.start).facts.step if action.start else 0,
                    checkpoint_digest=hashlib.sha256(action.start).hexdigest() if action.start else "",
                    joules=round(joules, 4),
                )
                return PicturePainted(action.work, pictures.pack(picture), denoiser_calls)
            case _:
                assert_never(event)


def _steps_of(action: Denoise) -> int:
    """The steps that this work takes. What its checkpoint skips is not known of one that can't be read."""
    try:
        skipped = unpack(action.start).facts.step if action.start else 0
    except PeerdError:
        skipped = 0
    return (action.stop or calls_per_run(action.call.scheduler, action.call.steps)) - skipped
