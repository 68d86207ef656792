"""What lies in a model folder decides whether it is loaded, and what is said of its pictures."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from peerd.engine import dialogue, pipelines
from peerd.engine.worker import Worker
from peerd_protocol.errors import EngineError
from tests.engine.stories import Model


def copied(model: Model, folder: Path) -> Model:
    return Model(shutil.copytree(model.folder, folder / "copy"), model.size)


def rewritten(file: Path, change: Callable[[torch.Tensor], torch.Tensor], to: Path | None = None) -> None:
    """Whatever maps this file keeps the old one."""
    tensors = {name: change(tensor).contiguous() for name, tensor in load_file(file).items()}
    file.unlink()
    save_file(tensors, to or file, metadata={"format": "pt"})


def answers_of(model: Model, **order: Any) -> list[dialogue.Answer]:
    said: list[dialogue.Answer] = []
    Worker(said.append, threads=1).obey(model.run(model.call(steps=2), **order), lambda: False)
    return said


def test_numbers_that_are_not_finite_are_no_picture_and_no_checkpoint(small_model: Model, tmp_path: Path) -> None:
    spoilt = copied(small_model, tmp_path)
    rewritten(spoilt.folder / "unet" / "diffusion_pytorch_model.safetensors", lambda tensor: tensor * float("nan"))
    for stop in (None, 1):
        loaded, refused = answers_of(spoilt, stop=stop)
        assert isinstance(loaded, dialogue.Loaded)
        assert isinstance(refused, dialogue.Refused)
        assert refused.text == "The latent is not finite after step 1 of 2; choose another scheduler or model."
        assert not refused.checkpoint


def test_a_picture_that_the_safety_checker_blacks_out_is_none(small_model: Model) -> None:
    """The tiny model has no checker, so one that objects to everything is put in."""
    said: list[dialogue.Answer] = []
    worker = Worker(said.append, threads=1)
    order = small_model.run(small_model.call(steps=1))
    pipe = worker.load(order).pipe

    class Features(dict[str, torch.Tensor]):
        pixel_values = torch.zeros(1)

        def to(self, _: Any) -> "Features":
            return self

    pipe.register_modules(feature_extractor=None, safety_checker=None)
    pipe.feature_extractor = lambda pictures, return_tensors: Features()
    pipe.safety_checker = lambda images, clip_input: (torch.zeros_like(torch.as_tensor(images)), [True])
    worker.obey(order, lambda: False)
    assert isinstance(said[-1], dialogue.Refused)
    assert said[-1].text == (
        f"The safety checker in {small_model.folder} blacked this picture out; change the prompt or the seed."
    )


@pytest.mark.parametrize("parts", [("unet",), ("unet", "vae", "text_encoder")])
def test_a_folder_with_half_precision_only_is_loaded(
    small_model: Model, tmp_path: Path, parts: tuple[str, ...]
) -> None:
    half = copied(small_model, tmp_path)
    for part in parts:
        (file,) = (half.folder / part).glob("*.safetensors")
        rewritten(file, lambda tensor: tensor.half() if tensor.is_floating_point() else tensor, _fp16(file))
    assert isinstance(answers_of(half)[-1], dialogue.Picture)


def test_plain_weights_are_loaded_where_both_are_there(small_model: Model, tmp_path: Path) -> None:
    both = copied(small_model, tmp_path)
    plain = both.folder / "unet" / "diffusion_pytorch_model.safetensors"
    shutil.copy(plain, plain.with_name("kept"))
    rewritten(plain, lambda tensor: tensor * float("nan"), _fp16(plain))
    plain.with_name("kept").rename(plain)
    assert isinstance(answers_of(both)[-1], dialogue.Picture)


def _fp16(file: Path) -> Path:
    return file.with_suffix(".fp16.safetensors")


@pytest.mark.parametrize(
    "kind", ["StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline", "StableDiffusionXLImg2ImgPipeline"]
)
def test_a_model_that_draws_from_pictures_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    with pytest.raises(EngineError, match=r"draws from a picture, not from words alone; choose another\.$"):
        pipelines.load(tmp_path)


def test_a_model_that_may_be_given_a_picture_is_not(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "Flux2Pipeline"}))
    with pytest.raises(EngineError, match="could not be loaded"):
        pipelines.load(tmp_path)
