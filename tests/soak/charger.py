"""A daemon's mains and battery, as a small tree that stands for Linux's: its charger can be pulled while it runs.

Never here: what follows from it (`peerd.device.power` reads it, the election and planning decide).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = "PEERD_POWER_ROOT"
LOW_PERCENT, FULL_PERCENT = 12, 80
"""Below and above the share of a battery from which on a device does nothing for others."""


class Charger:
    """Plugged in until it is pulled."""

    def __init__(self, root: Path) -> None:
        self.environment = {ENVIRONMENT: str(root)}
        self._mains, self._battery = (root / "class" / "power_supply" / name for name in ("AC", "BAT0"))
        for supply, kind in ((self._mains, "Mains"), (self._battery, "Battery")):
            supply.mkdir(parents=True)
            _write(supply / "type", kind)
        self._set(online=True, percent=FULL_PERCENT)

    @contextmanager
    def pulled(self) -> Iterator[None]:
        """The device runs on a battery that is nearly empty."""
        self._set(online=False, percent=LOW_PERCENT)
        try:
            yield
        finally:
            self._set(online=True, percent=FULL_PERCENT)

    def _set(self, *, online: bool, percent: int) -> None:
        _write(self._battery / "capacity", str(percent))
        _write(self._battery / "status", "Charging" if online else "Discharging")
        _write(self._mains / "online", "1" if online else "0")


def _write(file: Path, text: str) -> None:
    """At once and whole, as the kernel shows it."""
    new = file.with_suffix(".new")
    new.write_text(text + "\n")
    new.rename(file)
