"""Model names to folders and digests, and one clear sentence for a folder that is no model."""

import json
from pathlib import Path

import pytest

from peerd.models.registry import Registry
from peerd_protocol.errors import LocalError


def put(folder: Path, name: str, content: object) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def a_model(folder: Path, sample_size: object = 16, blocks: int = 4, scheduler: str = "EulerDiscreteScheduler") -> Path:
    """The settings of a model, with a few bytes for weights: enough for everything but running it."""
    put(folder, "model_index.json", {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet"]})
    put(folder, "unet/config.json", {"sample_size": sample_size})
    put(folder, "vae/config.json", {"block_out_channels": [16] * blocks})
    put(folder, "scheduler/scheduler_config.json", {"_class_name": scheduler, "use_karras_sigmas": False})
    (folder / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"weights")
    return folder


def test_the_embedded_model_is_a_name(tmp_path: Path) -> None:
    registry = Registry(tmp_path, embedded=a_model(tmp_path / "embedded"))
    model = registry.find("embedded")
    assert (model.width, model.height, model.steps, model.guidance, model.scheduler) == (128, 128, 20, 3.0, "euler")
    assert registry.folder_of(model.digest) == tmp_path / "embedded"
    assert registry.name_of(model.digest) == "embedded"


def test_a_folder_with_stable_diffusion_has_its_usual_settings(tmp_path: Path) -> None:
    folder = a_model(tmp_path / "sd", sample_size=64, scheduler="PNDMScheduler")
    registry = Registry(tmp_path / "home")
    model = registry.find(str(folder))
    assert (model.width, model.height, model.steps, model.guidance, model.scheduler) == (512, 512, 30, 7.5, "pndm")
    assert registry.name_of(model.digest) == "sd"
    assert registry.name_of("0" * 64) == "0" * 12


def test_a_model_in_the_home_has_a_name_and_is_found_by_its_digest(tmp_path: Path) -> None:
    folder = a_model(tmp_path / "models" / "mine", sample_size=[8, 16])
    (tmp_path / "models" / "broken").mkdir()
    digest = Registry(tmp_path).find("mine").digest
    fresh = Registry(tmp_path, embedded=tmp_path / "none")
    assert fresh.folder_of(digest) == folder
    assert (fresh.find("mine").width, fresh.find("mine").height) == (128, 64)
    assert fresh.names() == ["embedded", "broken", "mine"]


def test_equal_files_are_one_model_wherever_they_lie_and_other_weights_another(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home")
    one, two = a_model(tmp_path / "one"), a_model(tmp_path / "two")
    assert registry.find(str(one)).digest == registry.find(str(two)).digest
    (two / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"weightz")
    assert registry.find(str(one)).digest != registry.find(str(two)).digest


@pytest.mark.parametrize("name", ["", "nothing", "../etc", ".", "/nowhere", "a\0b", "~nobody-here/model"])
def test_what_is_no_model_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalError) as told:
        Registry(tmp_path).find(name)
    assert str(told.value).count("\n") == 0


def test_folders_that_are_no_models_say_why(tmp_path: Path) -> None:
    registry = Registry(tmp_path, embedded=tmp_path / "missing")
    with pytest.raises(LocalError, match="embedded model is missing"):
        registry.find("embedded")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LocalError, match=r"not a model folder: it has no model_index\.json"):
        registry.find(str(tmp_path / "empty"))
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/model_index.json").write_text("{")
    with pytest.raises(LocalError, match="damaged"):
        registry.find(str(tmp_path / "torn"))
    put(tmp_path / "text", "model_index.json", {"text_encoder": ["transformers", "CLIPTextModel"]})
    with pytest.raises(LocalError, match="names no unet or transformer"):
        registry.find(str(tmp_path / "text"))
    with pytest.raises(LocalError, match="no model with the digest 000000000000"):
        registry.folder_of("0" * 64)


def test_odd_settings_fall_back_to_the_usual_ones(tmp_path: Path) -> None:
    folder = a_model(tmp_path / "odd", sample_size="large", scheduler="SomethingNewScheduler")
    put(folder, "vae/config.json", {})
    model = Registry(tmp_path / "home").find(str(folder))
    assert (model.width, model.height, model.scheduler) == (512, 512, "ddim")
