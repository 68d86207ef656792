"""Speed as it is learnt from real steps, kept over restarts, and told in a profile."""

from pathlib import Path

import pytest

from peerd.device.compute import KEPT_MAX, SpeedKey, Speeds
from peerd.device.energy import WattMeter
from peerd.device.power import PowerSettings
from peerd.device.profiler import Profiler
from peerd.store import Store
from peerd_protocol.plan import Call
from peerd_protocol.profile import PowerClass


def call(model: str = "m", side: int = 128, scheduler: str = "ddim") -> Call:
    return Call(model=model, prompt="p", steps=11, seed=1, guidance=3.0, scheduler=scheduler, width=side, height=side)


def test_what_was_never_measured_is_zero() -> None:
    assert Speeds().of("m") == 0.0


def test_the_first_step_carries_its_preparation_and_is_outdone_by_the_second() -> None:
    speeds = Speeds()
    speeds.learn(call(), 3.0)
    speeds.learn(call(), 0.1)
    assert speeds.of("m") == pytest.approx(10.0)


def test_one_picture_is_enough_to_know_a_device_that_slowed_to_a_quarter() -> None:
    speeds = Speeds()
    for _ in range(11):
        speeds.learn(call(), 0.1)
    for _ in range(11):
        speeds.learn(call(), 0.4)
    assert speeds.of("m") == pytest.approx(2.5, rel=0.1)


def test_one_step_that_hung_does_not_make_a_device_slow() -> None:
    speeds = Speeds()
    for seconds in [*[0.1] * 11, 300.0]:
        speeds.learn(call(), seconds)
    assert speeds.of("m") > 6.0


def test_schedulers_share_a_speed_and_sizes_do_not() -> None:
    speeds = Speeds()
    speeds.learn(call(scheduler="ddim"), 0.1)
    speeds.learn(call(side=256), 0.4)
    assert speeds.of("m", 128, 128) == pytest.approx(10.0)
    assert speeds.of("m", 256, 256) == pytest.approx(2.5)
    assert speeds.of("m", 512, 512) == 0.0
    assert speeds.of("m") == pytest.approx(2.5), "without a size the last one counts"


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_impossible_times_teach_nothing(seconds: float) -> None:
    speeds = Speeds()
    speeds.learn(call(), seconds)
    assert speeds.of("m") == 0.0


def test_an_engines_own_measurement_holds_until_real_steps_come() -> None:
    speeds = Speeds()
    speeds.measured(call(), 5.0)
    speeds.learn(call(), 0.1)
    assert 5.0 < speeds.of("m") < 10.0
    before = speeds.of("m")
    speeds.measured(call(), 1.0)
    assert speeds.of("m") == before


def test_speeds_outlive_the_daemon(tmp_path: Path) -> None:
    store = Store(tmp_path)
    speeds = Speeds(store)
    speeds.learn(call(), 0.1)
    speeds.learn(call(side=256), 0.5)
    speeds.save()
    store.close()
    again = Store(tmp_path)
    assert Speeds(again).of("m", 128, 128) == pytest.approx(10.0)
    assert Speeds(again).of("m") == pytest.approx(2.0)
    again.close()


def test_old_models_are_forgotten() -> None:
    class Shelf:
        def speeds(self) -> dict[SpeedKey, float]:
            return {}

        def save_speeds(self, speeds: dict[SpeedKey, float]) -> None:
            assert len(speeds) <= KEPT_MAX

    speeds = Speeds(Shelf(), clock_s=lambda: 0.0)
    for number in range(KEPT_MAX + 5):
        speeds.learn(call(model=str(number)), 0.1)
    speeds.save()
    assert speeds.of("0") == 0.0
    assert speeds.of(str(KEPT_MAX)) > 0.0


def profiler(root: Path, memory_mib: int) -> Profiler:
    settings = PowerSettings(root=str(root))
    speeds = Speeds()
    speeds.learn(call(), 0.1)
    return Profiler(
        power=settings,
        speeds=speeds,
        meter=WattMeter(settings),
        engine_allowed=True,
        offers=True,
        memory_engine_mib=700,
        memory_mib=lambda: memory_mib,
    )


def test_a_profile_tells_what_was_measured(tmp_path: Path) -> None:
    found = profiler(tmp_path, 4_000).profile("m", width=128, height=128, queued_steps=7)
    assert (found.engine, found.steps_per_second, found.power) == (True, 10.0, PowerClass.MAINS)
    assert (found.queued_steps, found.memory_free_mib, found.joules_per_step) == (7, 4_000, 1.5)


def test_too_little_memory_means_no_engine_unless_it_runs_already(tmp_path: Path) -> None:
    assert not profiler(tmp_path, 300).profile("m").engine
    assert profiler(tmp_path, 300).profile("m", warm=True).engine
    assert profiler(tmp_path, 0).profile("m").engine, "a system that hides its memory does not forbid an engine"
