"""A model's digest: equal for equal files, another for any change, and read only once."""

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from peerd.engine.model_folder import BLOCK_BYTES, UNREMEMBERED_BYTES_MAX, model_digest
from peerd_protocol.errors import LocalError


def a_model(folder: Path) -> Path:
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (folder / "unet" / "config.json").write_text("{}")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"weights")
    return folder


def test_equal_files_in_other_folders_are_one_model(tmp_path: Path) -> None:
    assert model_digest(a_model(tmp_path / "a")) == model_digest(a_model(tmp_path / "b"))


def test_notes_and_hidden_files_are_not_the_model(tmp_path: Path) -> None:
    folder = a_model(tmp_path / "a")
    before = model_digest(folder)
    (folder / "README.md").write_text("a card")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "download.json").write_text("{}")
    (folder / "calibration.json").write_text("{}")
    assert model_digest(folder) == before


@pytest.mark.parametrize("change", ["unet/config.json", "unet/diffusion_pytorch_model.safetensors", "unet/more.json"])
def test_any_change_makes_it_another_model(tmp_path: Path, change: str) -> None:
    folder = a_model(tmp_path / "a")
    before = model_digest(folder, tmp_path / "cache")
    (folder / change).write_text("something else")
    assert model_digest(folder, tmp_path / "cache") != before


def test_a_file_that_moves_makes_it_another_model(tmp_path: Path) -> None:
    folder = a_model(tmp_path / "a")
    before = model_digest(folder)
    (folder / "unet" / "config.json").rename(folder / "config.json")
    assert model_digest(folder) != before


def test_known_files_are_not_read_again(tmp_path: Path) -> None:
    folder, cache = a_model(tmp_path / "a"), tmp_path / "cache"
    before = model_digest(folder, cache)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    stat = weights.stat()
    weights.write_bytes(b"another")
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert model_digest(folder, cache) == before, "same size and time: remembered"
    assert model_digest(folder) != before


def kill_at(folder: Path, cache: Path, blocks: int) -> None:
    """A process that reads the model and is killed after so many blocks."""
    story = (
        "import itertools, os, pathlib, signal, sys; from peerd.engine.model_folder import model_digest;"
        "blocks = itertools.count();"
        "look = lambda: next(blocks) >= int(sys.argv[3]) and os.kill(os.getpid(), signal.SIGKILL);"
        "model_digest(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), look)"
    )
    ended = subprocess.run([sys.executable, "-c", story, str(folder), str(cache), str(blocks)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL


def remembered(cache: Path) -> set[str]:
    return {Path(name).name for name in json.loads((cache / "model-digests.json").read_bytes())}


def test_a_start_that_is_killed_while_it_reads_goes_on_with_the_file_it_was_at(tmp_path: Path) -> None:
    folder, cache = a_model(tmp_path / "a"), tmp_path / "cache"
    for name in ("one", "two"):
        with (folder / "unet" / f"{name}.safetensors").open("wb") as weights:
            weights.truncate(UNREMEMBERED_BYTES_MAX + 1)
    kill_at(folder, cache, 2 * UNREMEMBERED_BYTES_MAX // BLOCK_BYTES)
    assert "one.safetensors" in remembered(cache)
    assert "two.safetensors" not in remembered(cache)
    assert model_digest(folder, cache) == model_digest(folder)


def test_who_is_told_to_stop_stops_within_a_block_and_keeps_what_is_read(tmp_path: Path) -> None:
    folder, cache = a_model(tmp_path / "a"), tmp_path / "cache"
    with (folder / "unet" / "weights.safetensors").open("wb") as weights:
        weights.truncate(3 * BLOCK_BYTES)
    looks = itertools.count()
    with pytest.raises(LocalError, match="peerd is stopping"):
        model_digest(folder, cache, lambda: next(looks) >= 5)
    assert next(looks) == 6, "it went no further"
    assert remembered(cache) == {"model_index.json", "config.json", "diffusion_pytorch_model.safetensors"}


def test_models_that_are_read_at_the_same_time_are_all_remembered(tmp_path: Path) -> None:
    one, two, cache = a_model(tmp_path / "one"), a_model(tmp_path / "two"), tmp_path / "cache"
    looks = itertools.count()

    def look() -> bool:
        if next(looks) == 0:
            model_digest(two, cache)
        return False

    model_digest(one, cache, look)
    known = json.loads((cache / "model-digests.json").read_bytes())
    assert {Path(name).relative_to(tmp_path).parts[0] for name in known} == {"one", "two"}


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"a": 1}'])
def test_a_damaged_memory_is_forgotten(tmp_path: Path, rubbish: bytes) -> None:
    folder, cache = a_model(tmp_path / "a"), tmp_path / "cache"
    before = model_digest(folder, cache)
    (cache / "model-digests.json").write_bytes(rubbish)
    assert model_digest(folder, cache) == before


def test_a_memory_that_can_not_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert model_digest(a_model(tmp_path / "a"), tmp_path / "cache") == model_digest(tmp_path / "a")


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"is not a model: there is no model_index\.json in it"):
        model_digest(tmp_path)
