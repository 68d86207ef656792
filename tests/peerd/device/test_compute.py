"""What a device tells of itself."""

from pathlib import Path

import msgspec

from peerd.device.energy import WattMeter
from peerd.device.pace import Paces
from peerd.device.power import PowerSettings
from peerd.device.profiler import Profiler
from peerd_protocol.plan import Call
from peerd_protocol.profile import MODELS_MAX, PowerClass

USUAL = Call(model="m", prompt="", steps=11, seed=0, guidance=3.0, scheduler="ddim", width=128, height=128)


def profiler(root: Path, memory_mib: int) -> Profiler:
    settings = PowerSettings(root=str(root))
    paces = Paces()
    paces.tried([(USUAL, 0.1)])
    return Profiler(
        power=settings,
        paces=paces,
        meter=WattMeter(settings),
        engine_allowed=True,
        offers=True,
        memory_engine_mib=700,
        memory_mib=lambda: memory_mib,
    )


def test_a_profile_tells_what_was_measured(tmp_path: Path) -> None:
    found = profiler(tmp_path, 4_000).profile(USUAL, queued_steps=7)
    assert (found.engine, found.steps_per_second, found.power) == (True, 10.0, PowerClass.MAINS)
    assert (found.queued_steps, found.memory_free_mib, found.joules_per_step) == (7, 4_000, 1.5)


def test_a_profile_tells_of_every_model_its_own_pace(tmp_path: Path) -> None:
    device = profiler(tmp_path, 4_000)
    device.paces.tried([(msgspec.structs.replace(USUAL, model="sd"), 4.0)])
    found = device.profile(USUAL, models=["new", "m", "sd"], loaded="sd")
    assert (found.model, found.steps_per_second, found.loaded) == ("m", 10.0, "sd")
    assert [other.model for other in found.more_models] == ["new", "sd"]
    assert [found.pace_of(model).timed for model in ("m", "new", "sd", "elsewhere")] == [True, False, True, False]
    assert [found.has(model) for model in ("m", "new", "sd", "elsewhere")] == [True, True, True, False]
    many = device.profile(USUAL, models=[str(number) for number in range(100)])
    assert [other.model for other in many.more_models] == [str(number) for number in range(MODELS_MAX - 1)]


def test_too_little_memory_means_no_engine_unless_it_runs_already(tmp_path: Path) -> None:
    assert not profiler(tmp_path, 300).profile(USUAL).engine
    assert profiler(tmp_path, 300).profile(USUAL, loaded="m").engine
    assert profiler(tmp_path, 0).profile(USUAL).engine, "a system that hides its memory does not forbid an engine"
