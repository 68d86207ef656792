"""One model at a time: what a switch leaves behind, and what is said of it."""

import gc
import shutil
import weakref
from pathlib import Path

from peerd.engine import dialogue
from peerd.engine.worker import Worker
from tests.engine.stories import Model


def never() -> bool:
    return False


def test_a_switch_leaves_nothing_of_the_old_model(small_model: Model, tmp_path: Path) -> None:
    other = Model(shutil.copytree(small_model.folder, tmp_path / "other"), small_model.size)
    said: list[dialogue.Answer] = []
    worker = Worker(said.append, threads=1)
    try:
        worker.obey(small_model.run(small_model.call(steps=1)), never)
        pipe = worker.load(2, str(small_model.folder)).pipe
        parts = [weakref.ref(part) for part in (pipe, pipe.unet, pipe.vae, pipe.text_encoder)]
        del pipe
        worker.obey(other.run(other.call(steps=1)), never)
        assert isinstance(said[-1], dialogue.Picture), said[-1]
        assert [part for part in parts if part() is not None] == []
    finally:
        # This process runs other tests too, which shall find their garbage collectable.
        gc.unfreeze()
