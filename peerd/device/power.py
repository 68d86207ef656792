"""Mains, battery and heat, read from Linux's sysfs tree (another root: a fake tree in tests).

Every file may be missing, unreadable or rubbish: what can not be read is not known, and what is not known counts as a
desktop on mains that is cool. Never here: what is decided from it (`planning`), or speed and memory (`compute`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from peerd_protocol.profile import PowerClass

FILE_BYTES_MAX = 256
"""Longer than any number or word in these files."""
ENTRIES_MAX = 64
"""Supplies or thermal zones looked at; servers have dozens of zones."""
TEMPERATURE_C_MIN = -40.0
TEMPERATURE_C_MAX = 150.0
"""Sensors that are not connected report numbers outside of this."""
ZONES_WITHOUT_SENSOR = frozenset({"PMIC-Die"})
"""By their type. A Jetson's power chip has none: its zone says 100 °C at all times, as NVIDIA documents."""
BATTERIES_OF_DEVICE = frozenset({"", "System"})
"""A mouse's battery has the scope "Device" and says nothing about this device."""


class PowerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`root` holds class/power_supply and class/thermal."""

    root: str = "/sys"
    battery_floor_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 30
    """On battery below this, the device does nothing for others."""
    hot_c: Annotated[float, msgspec.Meta(ge=0.0, le=150.0)] = 85.0
    watts: Annotated[float, msgspec.Meta(gt=0.0)] = 15.0
    """The estimate of what a busy device draws where no meter exists."""


@dataclass(frozen=True, slots=True)
class Power:
    """How the device is fed and how warm it is. None: not known."""

    power: PowerClass
    battery_percent: int | None
    temperature_c: float | None
    hot: bool


def read_power(settings: PowerSettings) -> Power:
    """Never fails, and takes a few reads of small files."""
    supplies = _entries(Path(settings.root) / "class" / "power_supply")
    percent = _battery_percent(supplies)
    temperature = _temperature(_entries(Path(settings.root) / "class" / "thermal"))
    return Power(
        power=_power_class(supplies, percent, settings.battery_floor_percent),
        battery_percent=percent,
        temperature_c=temperature,
        hot=temperature is not None and temperature >= settings.hot_c,
    )


def _power_class(supplies: list[Path], percent: int | None, floor_percent: int) -> PowerClass:
    if any(_text(supply / "online") in {"1", "2"} for supply in supplies if _text(supply / "type") != "Battery"):
        return PowerClass.MAINS
    batteries = _batteries(supplies)
    # A phone's charger may show only in what the battery says of itself.
    states = {_text(battery / "status") for battery in batteries}
    if not batteries or (percent is None and "Discharging" not in states):
        return PowerClass.MAINS
    if "Discharging" not in states and states & {"Charging", "Full", "Not charging"}:
        return PowerClass.MAINS
    return PowerClass.LOW if percent is not None and percent < floor_percent else PowerClass.BATTERY


def _batteries(supplies: list[Path]) -> list[Path]:
    return [
        supply
        for supply in supplies
        if _text(supply / "type") == "Battery"
        and _text(supply / "scope") in BATTERIES_OF_DEVICE
        and _text(supply / "present") != "0"
    ]


def _battery_percent(supplies: list[Path]) -> int | None:
    """All batteries together, weighed by what each holds when full; by count where one does not say."""
    shares: list[tuple[float, float]] = []
    for battery in _batteries(supplies):
        full = _number(battery / "energy_full") or _number(battery / "charge_full")
        now = _number(battery / "energy_now")
        now = _number(battery / "charge_now") if now is None else now
        percent = _number(battery / "capacity")
        if percent is None and full and now is not None:
            percent = 100 * now / full
        if percent is not None and 0 <= percent <= 110:
            shares.append((min(percent, 100.0), full if full and full > 0 else 0.0))
    if not shares:
        return None
    if any(full == 0.0 for _, full in shares):
        return round(sum(percent for percent, _ in shares) / len(shares))
    return round(sum(percent * full for percent, full in shares) / sum(full for _, full in shares))


def _temperature(zones: list[Path]) -> float | None:
    """The hottest zone that measures, and makes sense."""
    found = [
        milli / 1000
        for zone in zones
        if zone.name.startswith("thermal_zone") and (milli := _number(zone / "temp")) is not None
        if TEMPERATURE_C_MIN <= milli / 1000 <= TEMPERATURE_C_MAX and _text(zone / "type") not in ZONES_WITHOUT_SENSOR
    ]
    return max(found, default=None)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:ENTRIES_MAX]
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> float | None:
    text = _text(path)
    try:
        return float(int(text))
    except ValueError:
        return None
