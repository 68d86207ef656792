"""`peerd models calibrate` with a real engine: any model is measured, and a second run goes on where one stopped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from peerd.commands.calibrate import Wanted, calibrate
from peerd.engine import dialogue, pipelines
from peerd.engine.model_folder import model_digest
from peerd.engine.trial import LOOKS, Trial
from peerd.engine.worker import Worker, seeded
from peerd.planning.calibration import parse
from peerd_protocol.errors import PeerdError
from peerd_protocol.schedulers import calls_per_run
from tests.engine.stories import Model, engine_of

# diffusers turns tensors into arrays in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def wanted(model: Model, **more: object) -> Wanted:
    usual: dict[str, object] = {
        "model": str(model.folder),
        "schedulers": ("ddim",),
        "steps": (4,),
        "qualities": (),
        "pairs": 2,
        "seed": 1,
        "minutes": None,
        "out": None,
    }
    return Wanted(**{**usual, **more})  # type: ignore[arg-type]


def test_a_model_is_measured_and_a_second_run_goes_on(
    small_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERD_HOME", str(tmp_path / "home"))
    digest = model_digest(small_model.folder)
    written = tmp_path / "home" / "calibration" / f"{digest}.json"
    notebook = written.with_suffix(".measured.jsonl")

    typed = ["models", "calibrate", "--scheduler", "ddim", "--steps", "4", "--pairs", "2", "--json", "--model"]
    ended = subprocess.run(
        [sys.executable, "-m", "peerd", *typed, str(small_model.folder)], capture_output=True, check=True, timeout=60
    )
    first = parse(written.read_bytes())
    assert json.loads(ended.stdout)["model"] == first.model == digest
    assert [(row.scheduler, row.total, row.quality) for row in first.rows] == [
        ("ddim", 4, "strict"), ("ddim", 4, "balanced"), ("ddim", 4, "fast"),
    ]  # fmt: skip

    # Cut off in the middle of its last line: that pair alone is measured again, and comes out the same.
    lines = notebook.read_bytes()
    notebook.write_bytes(lines[:-20])
    # Another scheduler joins what is there.
    assert calibrate(wanted(small_model, schedulers=("ddim", "dpmpp_2m")), as_json=True) == 0
    measured = [line for line in notebook.read_bytes().splitlines() if line]
    assert measured[len(lines.splitlines()) - 1] == lines.splitlines()[-1]
    both = parse(written.read_bytes())
    assert both.rows[:3] == first.rows
    assert {row.scheduler for row in both.rows[3:]} == {"dpmpp_2m"}


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"qualities": ("best",)}, "--quality is one of strict, balanced, fast"),
        ({"pairs": 0}, "--pairs is from 1"),
        ({"minutes": 0.0}, "--minutes is more than 0"),
        ({"schedulers": ("foo",)}, "no scheduler 'foo'"),
    ],
)
def test_what_makes_no_sense_is_said_before_any_work(
    small_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: dict[str, object], sentence: str
) -> None:
    monkeypatch.setenv("PEERD_HOME", str(tmp_path))
    with pytest.raises(PeerdError, match=sentence):
        calibrate(wanted(small_model, **wish), as_json=True)


@pytest.mark.parametrize("scheduler", ["ddim", "heun", "dpmpp_2m"])
def test_a_trial_says_how_long_each_side_may_share(small_model: Model, scheduler: str) -> None:
    loaded = pipelines.load(small_model.folder)
    loaded.set_scheduler(scheduler)
    call = small_model.call("an apple on the table", scheduler=scheduler)
    world = torch.default_generator.get_state()
    trial = Trial(loaded, call, "a red car on the beach", seeded, lambda: False, lambda: None)
    sides = trial.sides()
    looks = min(LOOKS, calls_per_run(scheduler, call.steps) - 2)
    assert all(-1 <= side.largest < 11 and len(side.differences) == looks for side in sides)
    assert all(difference > 0 for side in sides for difference in side.differences)
    assert trial.denoiser_calls > 0
    torch.default_generator.set_state(world)


async def test_a_device_too_slow_to_compare_in_one_silence_is_heard_at_every_step(small_model: Model) -> None:
    """On a slow device a pair takes hours, and an engine that says nothing for a quarter of one is stopped."""
    said: list[dialogue.Answer] = []
    call = small_model.call("an apple on the table", steps=4)
    command = dialogue.Compare(7, str(small_model.folder), call, "a red car on the beach")
    Worker(said.append, threads=1).obey(command, lambda: False)
    compared = said[-1]
    assert isinstance(compared, dialogue.Compared), compared
    signs = said.count(dialogue.AtWork(7))
    # The shared beginning up to its last step, and both prompts alone: what is made in every trial.
    assert signs >= 3 + 2 * 4
    assert signs > compared.denoiser_calls / 3, "no part of the work is done in silence"

    engine = engine_of(small_model)
    try:
        again = await engine.compare(call, "a red car on the beach")
    finally:
        await engine.close()
    assert (again.largest, again.differences) == (compared.largest, compared.differences), "signs are no answer"


def test_a_flow_model_says_that_it_can_not_be_measured_yet(flow_model: Model) -> None:
    said: list[dialogue.Answer] = []
    call = flow_model.call(scheduler="flow_euler")
    Worker(said.append, threads=1).obey(dialogue.Compare(1, str(flow_model.folder), call, "a car"), lambda: False)
    assert isinstance(said[-1], dialogue.Refused)
    assert "can not be calibrated yet" in said[-1].text
