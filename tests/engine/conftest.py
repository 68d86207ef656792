"""Model folders and fresh processes for the engine's tests."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports torch: threads that spin make eleven small steps forty times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from tests.engine import zygote
from tests.engine.stories import Model


def _size(folder: Path) -> int:
    unet = json.loads((folder / "unet" / "config.json").read_text())
    vae = json.loads((folder / "vae" / "config.json").read_text())
    side: int = unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1)
    return side


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Stable Diffusion 1.x with tiny random weights, for stories that need no picture."""
    from tests.engine import models

    folder = tmp_path_factory.mktemp("sd")
    models.tiny_sd(folder)
    return Model(folder, 32)


@pytest.fixture(scope="session")
def picture_model(small_model: Model) -> Model:
    """The embedded model, or a random one of its kind while it is not there."""
    from tests.engine import models

    folder = models.embedded_model()
    return small_model if folder is None else Model(folder, _size(folder))


@pytest.fixture(scope="session")
def xl_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Stable Diffusion XL with tiny random weights."""
    from tests.engine import models

    folder = tmp_path_factory.mktemp("sdxl")
    models.tiny_sdxl(folder)
    return Model(folder, 32)


@pytest.fixture(scope="session")
def flow_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Stable Diffusion 3, a flow-matching family, with tiny random weights."""
    from tests.engine import models

    folder = tmp_path_factory.mktemp("sd3")
    models.tiny_sd3(folder)
    return Model(folder, 32)


@pytest.fixture(scope="session")
def fresh(picture_model: Model, small_model: Model, xl_model: Model, flow_model: Model) -> Iterator[zygote.Zygote]:
    """Answers each question in a process that has seen nothing else."""
    with zygote.started() as started:
        for folder, model in {
            (model.folder, model.call().model) for model in (picture_model, small_model, xl_model, flow_model)
        }:
            started.load(folder, model)
        yield started
