"""`peerd concepts` as a person meets it: the real program, without any daemon."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec

from peerd.engine.model_folder import CALIBRATION_FILE, EMBEDDED_FOLDER
from peerd.models import calibrations
from peerd.planning.calibration import Band, dump, parse

ROOT = Path(__file__).parents[2]


def concepts(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    path = f"{ROOT}:{ROOT / 'protocol'}"
    return subprocess.run(
        [sys.executable, "-m", "peerd", "concepts", *words],
        env={"PYTHONPATH": path, "PEERD_HOME": str(folder), "COLUMNS": "100", "PYTHONUTF8": "1"},
        cwd=folder, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_it_says_why_two_prompts_are_near(tmp_path: Path) -> None:
    done = concepts(tmp_path, "apple on table", "lemon on table", "--svg", "why.svg")
    assert done.returncode == 0, done.stderr
    assert "apple: edible fruit" in done.stdout
    assert "In common: edible fruit on table." in done.stdout
    assert "on the embedded model they may share 7 of 20 steps" in done.stdout
    assert (tmp_path / "why.svg").read_text().startswith("<svg")


def test_it_says_why_two_prompts_are_far_and_what_others_would_see(tmp_path: Path) -> None:
    told = json.loads(concepts(tmp_path, "a mouse in the grass", "my mouse beside a keyboard", "--json").stdout)
    assert [one["concepts"] for one in told["prompts"]] == ["mammal in grass", "electronic device near keyboard"]
    assert told["similarities"][0]["similarity"] < 0.45
    assert told["in_common"] == ""
    text = concepts(tmp_path, "яблоко на столе").stdout
    assert "not known" in text and "nothing" in text


def test_a_picture_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = concepts(tmp_path, "apple on table", "--svg", str(tmp_path / "nowhere" / "why.svg"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "name another file" in done.stderr


def test_too_many_prompts_and_those_that_say_nothing_are_refused(tmp_path: Path) -> None:
    assert concepts(tmp_path, *(["apple on table"] * 33)).returncode == 2
    for prompt in (" ", "a" * 2_001, "apple\udcff"):
        done = concepts(tmp_path, prompt, "apple on table")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_a_long_prompt_is_told_shortly(tmp_path: Path) -> None:
    nouns = "apple and lemon and pear and dog and cat and car and house and tree and road and boat and bird and horse"
    prompts = [f"{nouns} and king and chair and ship", "apple on table " * 100]
    for prompt in prompts:
        lines = concepts(tmp_path, prompt).stdout.splitlines()
        assert len(lines) <= 14 and len(lines) == len(set(lines))


def test_the_picture_can_be_read_whatever_was_written(tmp_path: Path) -> None:
    prompts = ["app\x07le & <table>", "[/] 🍎 on 🪑\ufffe", "桌子上的苹果", "рыба на столе"]
    done = concepts(tmp_path, *prompts, "--svg", "why.svg")
    assert done.returncode == 0, done.stderr
    assert "[/] 🍎 on 🪑" in done.stdout
    assert ElementTree.parse(tmp_path / "why.svg").getroot().tag.endswith("svg")


def test_what_was_measured_on_this_device_counts(tmp_path: Path) -> None:
    shipped = parse((EMBEDDED_FOLDER / CALIBRATION_FILE).read_bytes())
    mine = calibrations.path_of(tmp_path, shipped.model)
    rows = tuple(msgspec.structs.replace(row, bands=(Band(0.5, 0.75),), stays=()) for row in shipped.rows)
    calibrations.write(mine, dump(msgspec.structs.replace(shipped, rows=rows)))
    assert "share 15 of 20 steps" in concepts(tmp_path, "apple on table", "lemon on table").stdout


def test_it_needs_no_heavy_import() -> None:
    look = (
        "import sys; from peerd.commands.concepts import concepts; concepts(['apple on table'], None, True);"
        "print(sorted({'torch', 'diffusers', 'transformers', 'scipy', 'numpy', 'zmq'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'protocol'}"},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
