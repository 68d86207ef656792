"""A model's digest: equal for equal files, another for any change, and read only once."""

import os
from pathlib import Path

import pytest

from peerd.engine.model_folder import model_digest
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
