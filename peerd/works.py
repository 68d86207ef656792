"""The engine's work as the node sees it: orders in, events out.

Here lives the translation between the engine's port and the protocol's events, and the count of what is still to do.
Never here: the engine itself, or whose work comes first.
"""

import contextlib
import hashlib
import logging
from collections.abc import Callable
from typing import assert_never

from peerd import pictures
from peerd.device.compute import Speeds
from peerd.engine.port import Engine, EngineEvent, Halted, Order, Painted, Saved, Stepped
from peerd_protocol.actions import Denoise
from peerd_protocol.checkpoint import unpack
from peerd_protocol.errors import PeerdError
from peerd_protocol.events import CheckpointSaved, Event, PicturePainted, StepDone, WorkFailed, WorkHalted
from peerd_protocol.schedulers import calls_per_run

log = logging.getLogger("peerd.works")


class Works:
    """Runs `Denoise` actions on one engine."""

    def __init__(self, engine: Engine, speeds: Speeds) -> None:
        self._engine = engine
        self._speeds = speeds
        self._left: dict[str, int] = {}
        self.denoiser_calls = 0
        """All of them since the daemon's start, as the engine counted them."""

    @property
    def queued_steps(self) -> int:
        """Scheduler steps accepted and not yet run."""
        return sum(self._left.values())

    async def run(self, action: Denoise, post: Callable[[Event], None]) -> None:
        """One piece of work to its last event. Cancelling stops it within one step and posts nothing."""
        self._left[action.work] = action.stop or calls_per_run(action.call.scheduler, action.call.steps)
        order = Order(action.call, action.start, action.stop, action.checkpoint_every)
        try:
            async with contextlib.aclosing(self._engine.run(order)) as events:
                async for event in events:
                    post(self._take(action, event))
        except PeerdError as error:
            log.warning("%s failed: %s", action.work, error)
            post(WorkFailed(action.work, str(error)))
        finally:
            del self._left[action.work]

    def _take(self, action: Denoise, event: EngineEvent) -> Event:
        call = action.call
        match event:
            case Stepped(step, total, seconds, preview, preview_side):
                self._left[action.work] = (action.stop or total) - step
                self._speeds.learn(call, seconds)
                return StepDone(action.work, step, total, preview, preview_side)
            case Saved(step, data):
                return CheckpointSaved(action.work, step, data)
            case Halted(denoiser_calls):
                self.denoiser_calls += denoiser_calls
                return WorkHalted(action.work, denoiser_calls)
            case Painted(width, height, rgb, denoiser_calls, exact):
                self.denoiser_calls += denoiser_calls
                picture = pictures.Picture(
                    width=width,
                    height=height,
                    rgb=rgb,
                    seed=call.seed,
                    denoiser_calls=denoiser_calls,
                    exact=exact,
                    shared_steps=unpack(action.start).facts.step if action.start else 0,
                    checkpoint_digest=hashlib.sha256(action.start).hexdigest() if action.start else "",
                )
                return PicturePainted(action.work, pictures.pack(picture), denoiser_calls)
            case _:
                assert_never(event)
