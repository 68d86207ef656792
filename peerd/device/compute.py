"""How fast this device denoises, as measured on real steps; its free memory and its load.

Speeds are learnt per model and picture size: a call's scheduler costs next to nothing beside the denoiser. What was
never measured is 0.0; the engine's `measure` gives the first figure. Never here: torch, or what follows from a speed.
"""

import logging
import os
import time
from collections.abc import Callable
from typing import Protocol

import psutil

from peerd_protocol.errors import LocalError
from peerd_protocol.plan import Call

log = logging.getLogger("peerd.device")

WEIGHT = 0.2
"""Of each new step. After the eleven steps of one picture a device that was slowed is known to nine tenths."""
NEW_STEPS = 3
"""A first step carries its preparation in its time; of so many first ones the shortest counts."""
JUMP_MAX = 4.0
"""One step that took longer than this many usual ones, say a page swapped in, moves the figure no further."""
SECONDS_MIN = 1e-6
SECONDS_MAX = 3_600.0
"""Times outside of these are a clock's mistake."""
KEPT_MAX = 256
"""Pairs of model and size remembered; the longest unused go first."""
SAVE_EVERY_S = 2.0
"""A disk write for each step would cost more than the step of a small model."""

SpeedKey = tuple[str, int, int]


class SpeedShelf(Protocol):
    """Where speeds outlive the daemon."""

    def speeds(self) -> dict[SpeedKey, float]: ...
    def save_speeds(self, speeds: dict[SpeedKey, float]) -> None: ...


class Speeds:
    """Smoothed seconds a denoiser call, learnt as the steps happen."""

    def __init__(self, shelf: SpeedShelf | None = None, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._shelf = shelf
        self._clock_s = clock_s
        self._seconds: dict[SpeedKey, float] = {
            key: 1 / speed for key, speed in (shelf.speeds() if shelf else {}).items() if speed > 0.0
        }
        self._new = dict.fromkeys(self._seconds, NEW_STEPS)
        self._unsaved: set[SpeedKey] = set()
        self._saved_at_s = float("-inf")

    def learn(self, call: Call, seconds: float) -> None:
        """One step of this call took so long."""
        if not SECONDS_MIN <= seconds <= SECONDS_MAX:
            return
        key = _key(call)
        before = self._seconds.pop(key, None)
        seen = self._new.get(key, 0)
        if before is None:
            self._seconds[key] = seconds
        elif seen < NEW_STEPS:
            self._seconds[key] = min(before, seconds)
        else:
            self._seconds[key] = before + WEIGHT * (min(seconds, JUMP_MAX * before) - before)
        self._new[key] = seen + 1
        self._forget_oldest()
        self._unsaved.add(key)
        if self._clock_s() - self._saved_at_s >= SAVE_EVERY_S:
            self.save()

    def measured(self, call: Call, steps_per_second: float) -> None:
        """The engine's own measurement before any real step; a speed learnt from real steps is worth more."""
        if _key(call) not in self._seconds and SECONDS_MIN <= 1 / max(steps_per_second, 1e-9) <= SECONDS_MAX:
            self._seconds[_key(call)] = 1 / steps_per_second
            self._new[_key(call)] = NEW_STEPS
            self._forget_oldest()
            self._unsaved.add(_key(call))
            self.save()

    def _forget_oldest(self) -> None:
        while len(self._seconds) > KEPT_MAX:
            oldest = next(iter(self._seconds))
            del self._seconds[oldest], self._new[oldest]

    def of(self, model: str, width: int = 0, height: int = 0) -> float:
        """Denoiser calls a second for this model; without a size, at the size used last. 0.0: never measured."""
        if (model, width, height) in self._seconds:
            return 1 / self._seconds[model, width, height]
        if width or height:
            return 0.0
        return next((1 / seconds for key, seconds in reversed(self._seconds.items()) if key[0] == model), 0.0)

    def save(self) -> None:
        """Write what is new to the shelf. One that can't take it is asked again later: no step fails for a figure."""
        if self._shelf is None or not self._unsaved:
            return
        self._saved_at_s = self._clock_s()
        try:
            self._shelf.save_speeds({key: 1 / self._seconds[key] for key in self._unsaved if key in self._seconds})
        except LocalError as error:
            log.warning("measured speeds are not saved: %s", error)
        else:
            self._unsaved.clear()


def _key(call: Call) -> SpeedKey:
    return call.model, call.width, call.height


def memory_free_mib() -> int:
    """What a new process may take without swapping. 0 where the system hides it (a hardened unit may)."""
    try:
        return int(psutil.virtual_memory().available // (1 << 20))
    except (OSError, psutil.Error, NotImplementedError, RuntimeError):
        return 0


def load_per_core() -> float:
    """Processes that want a core, over cores, in the last minute. 0.0 where nobody counts."""
    try:
        return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)
    except OSError:
        return 0.0


def physical_cores() -> int:
    return psutil.cpu_count(logical=False) or os.cpu_count() or 1
