"""One model at a time: what a switch leaves behind, and what is said of it."""

import asyncio
import contextlib
import gc
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from peerd.engine import dialogue
from peerd.engine.port import Order
from peerd.engine.process import EngineConfig, ProcessEngine
from peerd.engine.worker import Worker
from peerd_protocol.errors import EngineError
from tests.engine.stories import PATIENCE_S, Model, picture_of


def never() -> bool:
    return False


@pytest.fixture(autouse=True)
def thaw() -> Iterator[None]:
    """This process runs other tests too, which shall find their garbage collectable."""
    yield
    gc.unfreeze()


@pytest.fixture
def other(small_model: Model, tmp_path: Path) -> Model:
    return Model(shutil.copytree(small_model.folder, tmp_path / "other"), small_model.size)


def test_a_switch_leaves_nothing_of_the_old_model(small_model: Model, other: Model) -> None:
    said: list[dialogue.Answer] = []
    worker = Worker(said.append, threads=1)
    first = small_model.run(small_model.call(steps=1))
    worker.obey(first, never)
    pipe = worker.load(first).pipe
    parts = [weakref.ref(part) for part in (pipe, pipe.unet, pipe.vae, pipe.text_encoder)]
    del pipe
    worker.obey(other.run(other.call(steps=1)), never)
    assert isinstance(said[-1], dialogue.Picture), said[-1]
    assert [part for part in parts if part() is not None] == []


def heard_by(worker: Worker, said: list[dialogue.Answer], command: dialogue.Order) -> list[dialogue.Answer]:
    said.clear()
    worker.obey(command, never)
    return list(said)


def test_a_folder_that_was_changed_in_place_is_read_again(other: Model) -> None:
    """Its pictures must be those of the files whose digest they bear."""
    said: list[dialogue.Answer] = []
    worker = Worker(said.append, threads=1)
    before = picture_of(heard_by(worker, said, other.run(other.call(steps=2))))
    weights = other.folder / "unet" / "diffusion_pytorch_model.safetensors"
    changed = {name: tensor * 1.05 for name, tensor in load_file(weights).items()}
    save_file(changed, weights.with_suffix(".new"), metadata={"format": "pt"})
    weights.with_suffix(".new").replace(weights)
    answers = heard_by(worker, said, other.run(other.call(steps=2, model="n" * 64)))
    assert [type(answer) for answer in answers[:2]] == [dialogue.Unloaded, dialogue.Loaded]
    assert picture_of(answers).rgb != before.rgb
    again = heard_by(worker, said, other.run(other.call(steps=2, model="n" * 64)))
    assert [type(answer) for answer in again] == [dialogue.Step, dialogue.Step, dialogue.Picture], "loaded once"


async def test_what_is_loaded_is_told_rightly_after_a_switch_that_came_to_nothing(small_model: Model) -> None:
    model, broken, refused = small_model.call().model, "n" * 64, small_model.call(model="o" * 64, scheduler="foo")

    def folder_of(digest: str) -> Path:
        return small_model.folder / "nowhere" if digest == broken else small_model.folder

    engine = ProcessEngine(EngineConfig(folder_of=folder_of, model=model))
    async with contextlib.AsyncExitStack() as at_the_end, asyncio.timeout(PATIENCE_S):
        at_the_end.push_async_callback(engine.close)
        await engine.prepare(model)
        assert engine.loaded == model
        # Refused before anything was loaded: the old model is still there, and found to be so.
        with pytest.raises(EngineError, match="There is no scheduler"):
            _ = [event async for event in engine.run(Order(refused))]
        await engine.measure(small_model.call(steps=2))
        assert engine.loaded == model
        # The old model had gone when the new one could not be loaded.
        with pytest.raises(EngineError, match="is not a model"):
            await engine.prepare(broken)
        assert (engine.loaded, engine.warm) == ("", False)
        await engine.prepare(model)
        assert engine.loaded == model
        # Given up as soon as it was told: nobody knows yet what the child has.
        switch = asyncio.create_task(engine.prepare(refused.model))
        while engine.loaded == model:  # noqa: ASYNC110
            await asyncio.sleep(0)
        switch.cancel()
        await asyncio.wait([switch])
        assert (engine.loaded, engine.warm) == ("", False)
        await engine.measure(small_model.call(steps=2))
        assert engine.loaded == model
