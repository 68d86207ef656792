"""`peerd concepts` as a person meets it: the real program, without any daemon."""

import json
import subprocess
import sys
from pathlib import Path

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
    assert "they may share 5 of 11 steps" in done.stdout
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


def test_too_many_prompts_are_refused(tmp_path: Path) -> None:
    assert concepts(tmp_path, *(["apple on table"] * 33)).returncode == 2


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
