"""Joules per denoiser call: from the processor's own meter where it may be read, else estimated from the time.

Never here: what a joule is worth (`planning`).
"""

import time
from collections.abc import Callable
from pathlib import Path

from peerd.device.power import PowerSettings

PACKAGES_MAX = 8
METER_MIN_S = 0.5
"""Between two looks at the meter lies at least this much, else its own grain is all one sees."""
WATTS_MAX = 2_000.0
"""More than this is a wrapped counter."""


class WattMeter:
    """Watts of the whole processor (RAPL). `joules_per_step` falls back to the settings' estimate without it."""

    def __init__(self, settings: PowerSettings, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock_s = clock_s
        zones = Path(settings.root) / "class" / "powercap"
        try:
            self._meters = sorted(zones.glob("intel-rapl:[0-9]"))[:PACKAGES_MAX]
        except OSError:
            self._meters = []
        self._joules = self._read()
        self._read_at_s = clock_s()
        self._watts = 0.0

    @property
    def metered(self) -> bool:
        return self._watts > 0.0

    @property
    def watts(self) -> float:
        """What this device draws while its engine works: as metered, or the settings' estimate."""
        return self._watts or self._settings.watts

    def joules_per_step(self, steps_per_second: float) -> float:
        """What one denoiser call takes on this device, going by its present draw or the estimate."""
        self._look()
        return self.watts / steps_per_second if steps_per_second > 0.0 else self.watts

    def busy(self) -> None:
        """The engine works just now: the draw since the last look is what working takes."""
        self._look(learn=True)

    def _look(self, *, learn: bool = False) -> None:
        now_s = self._clock_s()
        if self._joules is None or now_s - self._read_at_s < METER_MIN_S:
            return
        joules = self._read()
        if joules is not None and learn:
            watts = (joules - self._joules) / (now_s - self._read_at_s)
            if 0.0 < watts < WATTS_MAX:
                self._watts = watts if not self._watts else 0.8 * self._watts + 0.2 * watts
        self._joules, self._read_at_s = joules, now_s

    def _read(self) -> float | None:
        total = 0.0
        for meter in self._meters:
            try:
                total += int((meter / "energy_uj").read_text()) / 1e6
            except (OSError, ValueError):
                return None  # most systems let only root read it
        return total if self._meters else None
