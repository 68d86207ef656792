"""Mains, battery and heat, told from trees of files that look like Linux's sysfs."""

from pathlib import Path

import pytest

from peerd.device.energy import WattMeter
from peerd.device.power import Power, PowerSettings, read_power
from peerd_protocol.profile import PowerClass


def put(root: Path, path: str, text: str) -> None:
    file = root / "class" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")


def read(root: Path) -> Power:
    return read_power(PowerSettings(root=str(root)))


def battery(root: Path, percent: str, status: str = "Discharging", name: str = "BAT0") -> None:
    put(root, f"power_supply/{name}/type", "Battery")
    put(root, f"power_supply/{name}/capacity", percent)
    put(root, f"power_supply/{name}/status", status)


def test_a_desktop_without_any_supply_is_on_mains_and_cool(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == Power(PowerClass.MAINS, None, None, hot=False)


def test_a_laptop_off_its_charger_is_on_battery(tmp_path: Path) -> None:
    battery(tmp_path, "83")
    put(tmp_path, "power_supply/AC/type", "Mains")
    put(tmp_path, "power_supply/AC/online", "0")
    assert read(tmp_path) == Power(PowerClass.BATTERY, 83, None, hot=False)


def test_below_its_floor_a_battery_is_low_until_the_charger_comes(tmp_path: Path) -> None:
    battery(tmp_path, "29")
    assert read(tmp_path).power is PowerClass.LOW
    battery(tmp_path, "30")
    assert read(tmp_path).power is PowerClass.BATTERY
    battery(tmp_path, "5")
    put(tmp_path, "power_supply/AC/type", "Mains")
    put(tmp_path, "power_supply/AC/online", "1")
    assert read(tmp_path).power is PowerClass.MAINS


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging"])
def test_a_phone_whose_charger_has_no_entry_says_so_itself(tmp_path: Path, status: str) -> None:
    battery(tmp_path, "12", status)
    assert read(tmp_path).power is PowerClass.MAINS


def test_the_battery_of_a_mouse_says_nothing_about_the_device(tmp_path: Path) -> None:
    battery(tmp_path, "4", name="hidpp_battery_0")
    put(tmp_path, "power_supply/hidpp_battery_0/scope", "Device")
    assert read(tmp_path) == Power(PowerClass.MAINS, None, None, hot=False)


def test_two_batteries_count_by_what_they_hold(tmp_path: Path) -> None:
    battery(tmp_path, "100", name="BAT0")
    battery(tmp_path, "0", name="BAT1")
    put(tmp_path, "power_supply/BAT0/energy_full", "10000000")
    put(tmp_path, "power_supply/BAT1/energy_full", "30000000")
    assert read(tmp_path).battery_percent == 25


def test_a_battery_that_tells_only_its_energy_is_reckoned(tmp_path: Path) -> None:
    put(tmp_path, "power_supply/BAT0/type", "Battery")
    put(tmp_path, "power_supply/BAT0/energy_now", "12000000")
    put(tmp_path, "power_supply/BAT0/energy_full", "48000000")
    assert read(tmp_path) == Power(PowerClass.LOW, 25, None, hot=False)


def test_the_hottest_zone_that_makes_sense_counts(tmp_path: Path) -> None:
    for zone, milli in enumerate(["41000", "86500", "-274000", "999000", "rubbish", ""]):
        put(tmp_path, f"thermal/thermal_zone{zone}/temp", milli)
    put(tmp_path, "thermal/cooling_device0/temp", "120000")
    assert read(tmp_path) == Power(PowerClass.MAINS, None, 86.5, hot=True)


def test_a_jetson_whose_power_chip_has_no_sensor_is_as_warm_as_its_other_zones(tmp_path: Path) -> None:
    told = [("CPU-therm", "33500"), ("GPU-therm", "32500"), ("PMIC-Die", "100000"), ("thermal-fan-est", "33000")]
    for zone, (kind, milli) in enumerate(told):
        put(tmp_path, f"thermal/thermal_zone{zone}/type", kind)
        put(tmp_path, f"thermal/thermal_zone{zone}/temp", milli)
    assert read(tmp_path) == Power(PowerClass.MAINS, None, 33.5, hot=False)


def test_rubbish_is_not_known_and_never_raises(tmp_path: Path) -> None:
    battery(tmp_path, "a lot", "\x00\xff")
    (tmp_path / "class/power_supply/BAT1").mkdir()
    (tmp_path / "class/power_supply/BAT1/type").mkdir()
    (tmp_path / "class/power_supply/loop").symlink_to("loop")
    (tmp_path / "class/power_supply/BAT0/capacity").write_bytes(b"\xff" * 10_000)
    (tmp_path / "class/thermal").write_text("not a folder")
    assert read(tmp_path) == Power(PowerClass.MAINS, None, None, hot=False)


def test_joules_are_estimated_from_time_where_there_is_no_meter(tmp_path: Path) -> None:
    meter = WattMeter(PowerSettings(root=str(tmp_path), watts=20.0))
    assert meter.joules_per_step(10.0) == 2.0
    assert not meter.metered


def test_the_processors_meter_is_believed_while_the_engine_works(tmp_path: Path) -> None:
    now_s = 0.0
    put(tmp_path, "powercap/intel-rapl:0/energy_uj", "1000000")
    meter = WattMeter(PowerSettings(root=str(tmp_path)), clock_s=lambda: now_s)
    now_s = 2.0
    put(tmp_path, "powercap/intel-rapl:0/energy_uj", "61000000")
    meter.busy()
    assert meter.metered
    assert meter.joules_per_step(10.0) == pytest.approx(3.0)
    # The counter wraps round: that look teaches nothing.
    now_s = 4.0
    put(tmp_path, "powercap/intel-rapl:0/energy_uj", "0")
    meter.busy()
    assert meter.joules_per_step(10.0) == pytest.approx(3.0)
