"""`peerd demo` from outside: real daemons, real discovery, real channels.

The engine is the toy one but in the last story, which is the whole demo with the model that ships.
"""

import hashlib
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.world.processes import Marked, marked

DEMO = ("-m", "peerd", "demo")
KEYS = {
    *("nodes", "leader", "term", "executor", "total_steps", "shared_steps", "groups", "denoiser_calls"),
    *("denoiser_calls_alone", "handoff_bytes", "images", "seconds", "seconds_predicted"),
}


def play(*words: str, **environment: str) -> dict[str, Any]:
    with marked(**environment) as family:
        done = family.run(*DEMO, *words, "--json")
        assert done.returncode == 0, done.stderr
        assert family.living() == [], "a demo that has ended leaves nothing behind"
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def pixels_sha256(path: str) -> str:
    with Image.open(path) as opened:
        return hashlib.sha256(opened.convert("RGB").tobytes()).hexdigest()


@pytest.fixture(scope="module")
def fruits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return play("--out", str(tmp_path_factory.mktemp("fruits")))


def test_four_nodes_agree_on_one_leader_and_share_what_they_can(fruits: dict[str, Any]) -> None:
    assert fruits.keys() >= KEYS
    assert len(fruits["nodes"]) == 4
    assert fruits["leader"] in fruits["nodes"]
    assert fruits["executor"] in fruits["nodes"]
    (group,) = fruits["groups"]
    assert len(group["prompts"]) == 4
    assert (group["shared_steps"], fruits["shared_steps"], fruits["total_steps"]) == (5, 5, 11)


def test_twenty_nine_calls_and_not_forty_four(fruits: dict[str, Any]) -> None:
    calls = fruits["denoiser_calls"]
    assert calls.keys() == set(fruits["nodes"])
    assert sum(calls.values()) == 5 + 4 * 6
    assert calls[fruits["executor"]] == 11
    assert fruits["denoiser_calls_alone"] == 44
    assert fruits["handoff_bytes"] > 0


def test_every_picture_is_on_disk_as_it_was_told(fruits: dict[str, Any]) -> None:
    assert len(fruits["images"]) == 4
    for image in fruits["images"]:
        assert pixels_sha256(image["path"]) == image["pixels_sha256"]
        assert len(image["shared_with"]) == 3
        assert image["prompt"] not in image["shared_with"]
    with Image.open(fruits["sheet"]) as sheet:
        assert sheet.width > 4 * 256


def test_the_member_whose_prompt_ran_the_shared_steps_has_the_same_bits_as_alone(fruits: dict[str, Any]) -> None:
    same = [image["prompt"] for image in fruits["images"] if image["same_as_alone"]]
    assert len(same) == 1


def test_prompts_go_round_and_unlike_ones_do_not_share(tmp_path: Path) -> None:
    told = play("apple on table", "a car on the beach", "lemon on table", "--nodes", "2", "--out", str(tmp_path))
    assert [image["node"] for image in told["images"]] == [*told["nodes"], told["nodes"][0]]
    groups = sorted(sorted(group["prompts"]) for group in told["groups"])
    assert groups == [["a car on the beach"], ["apple on table", "lemon on table"]]


def _begun(family: Marked, out: Path, until: str) -> "subprocess.Popen[str]":
    """A demo that has come to the line that holds `until`."""
    process = family.start(*DEMO, "--nodes", "2", "--out", str(out), "--json")
    assert process.stderr is not None
    for line in process.stderr:
        if until in line:
            return process
    raise AssertionError(f"the demo ended before {until!r}")


@pytest.mark.parametrize("until", ["Starting", "Pairing", "Finding", "Waking", "Drawing", "Each alone"])
def test_ctrl_c_at_any_point_leaves_no_process_behind(tmp_path: Path, until: str) -> None:
    with marked() as family:
        process = _begun(family, tmp_path, until)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 130
        family.wait_until_gone()


def test_not_even_a_killed_demo_leaves_a_daemon_behind(tmp_path: Path) -> None:
    with marked() as family:
        process = _begun(family, tmp_path, "Waking")
        assert len(family.daemons()) == 2
        process.kill()
        process.communicate(timeout=20)
        family.wait_until_gone()


def test_a_daemon_that_dies_is_one_sentence_and_everything_is_cleaned_up(tmp_path: Path) -> None:
    with marked() as family:
        process = _begun(family, tmp_path, "Pairing")
        family.daemons()["bob"].kill()
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "bob" in json.loads(stdout)["error"]
        assert "Traceback" not in stderr
        family.wait_until_gone()


def test_whoever_runs_the_shared_steps_is_killed_and_the_pictures_stay_the_same(tmp_path: Path) -> None:
    stale = tmp_path / "apple-on-table-again.png"
    stale.write_bytes(b"of an earlier demo")
    told = play("--kill", "--nodes", "3", "--out", str(tmp_path), PEERD_ENGINE_SLOWDOWN="6")
    assert stale.read_bytes().startswith(b"\x89PNG")
    cut = told["power_cut"]
    assert 1 <= cut["after_step"] < 5
    assert cut["successor"] in set(told["nodes"]) - {cut["killed"]}
    assert cut["same_pictures"] and len(cut["survivors"]) >= 2
    own = [image for image in told["images"] if image["node"] == cut["killed"]]
    for image in own:
        again = Path(image["path"]).with_name(Path(image["path"]).stem + "-again.png")
        assert again.exists(), "the killed device came back and finished its own request"


def test_the_whole_demo_with_the_model_that_ships(tmp_path: Path) -> None:
    told = play("--nodes", "2", "--out", str(tmp_path), PEERD_ENGINE="process")
    assert told.keys() >= KEYS
    total, shared, images = told["total_steps"], told["shared_steps"], told["images"]
    assert (total, shared, len(images)) == (11, 5, 4)
    assert told["denoiser_calls"].keys() == set(told["nodes"])
    assert sum(told["denoiser_calls"].values()) == shared + len(images) * (total - shared)
    assert told["denoiser_calls_alone"] == len(images) * total
    assert told["seconds"] > 0
    assert told["seconds_predicted"] > 0
    for image in images:
        assert image.keys() >= {"prompt", "node", "path", "pixels_sha256", "shared_with"}
        assert pixels_sha256(image["path"]) == image["pixels_sha256"]
        with Image.open(image["path"]) as opened:
            prompt, settings = str(opened.info["parameters"]).splitlines()
            assert prompt == image["prompt"]
            assert settings.startswith("Steps: 11, ")
            assert "Seed: 41, " in settings
            made = json.loads(str(opened.info["peerd"]))
        assert (made["shared_steps"], made["shared_with"]) == (shared, 3)
    assert len({image["pixels_sha256"] for image in images}) == 4
    assert sum(image["same_as_alone"] for image in images) == 1, "whose prompt ran the shared steps has its own picture"
