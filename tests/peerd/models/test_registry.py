"""Model names to folders and digests, and one clear sentence for a folder that is no model."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from peerd.models.registry import FOLDERS_MAX, Registry
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


@pytest.mark.parametrize(
    "name", ["", "nothing", "../etc", ".", "/nowhere", "a\0b", "~nobody-here/model", "/" + "x" * 300]
)
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


class Board:
    """A shelf in memory."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def folders(self) -> list[str]:
        return self.names

    def save_folders(self, names: Sequence[str]) -> None:
        self.names = list(names)


def other(folder: Path, weights: str) -> Path:
    """A model of its own by these weights."""
    (a_model(folder) / "unet/diffusion_pytorch_model.safetensors").write_bytes(weights.encode())
    return folder


def test_what_was_asked_for_is_known_by_its_digest_in_the_next_life_too(tmp_path: Path) -> None:
    board, embedded = Board(), a_model(tmp_path / "embedded")
    registry = Registry(tmp_path / "home", shelf=board, embedded=embedded)
    usual = registry.find("embedded").digest
    one, two = (registry.find(str(other(tmp_path / name, name))).digest for name in ("one", "two"))
    assert registry.digests() == [two, one, usual]
    registry.find(str(tmp_path / "one"))
    assert registry.digests() == [one, two, usual], "the last one asked for first"

    later = Registry(tmp_path / "home", shelf=board, embedded=embedded)
    assert later.folder_of(one) == tmp_path / "one", "asked for before anybody looked"
    later.recall()
    assert later.digests() == [one, two, usual]
    assert later.folder_known(two) == tmp_path / "two"


def test_a_model_is_known_for_as_long_as_its_folder_is_there_and_holds_it(tmp_path: Path) -> None:
    board = Board()
    registry = Registry(tmp_path / "home", shelf=board, embedded=tmp_path / "none")
    digest = registry.find(str(other(tmp_path / "one", "one"))).digest
    (tmp_path / "one").rename(tmp_path / "away")
    registry.look_around()
    assert registry.digests() == []
    with pytest.raises(LocalError, match="no model with the digest"):
        registry.folder_of(digest)
    (tmp_path / "away").rename(tmp_path / "one")
    registry.look_around()
    assert registry.digests() == [digest], "a drive that was unplugged comes back"
    other(tmp_path / "one", "changed")
    with pytest.raises(LocalError, match="no model with the digest"):
        registry.folder_of(digest)
    assert digest not in registry.digests()

    shutil.rmtree(tmp_path / "one")
    later = Registry(tmp_path / "home", shelf=board, embedded=tmp_path / "none")
    later.recall()
    assert later.digests() == []


def make_unreadable(file: Path) -> None:
    """The system answers a look at it with another error than that it is missing, as a stale share does; root too."""
    file.unlink()
    file.symlink_to("x" * 300)


def test_a_folder_that_can_not_be_looked_at_any_more_is_away_and_hides_no_other(tmp_path: Path) -> None:
    board = Board()
    registry = Registry(tmp_path / "home", shelf=board, embedded=a_model(tmp_path / "embedded"))
    usual = registry.find("embedded").digest
    one = registry.find(str(other(tmp_path / "one", "one"))).digest
    make_unreadable(tmp_path / "one" / "model_index.json")
    registry.look_around()
    assert registry.digests() == [usual]
    with pytest.raises(LocalError, match="no model with the digest"):
        registry.folder_of(one)
    with pytest.raises(LocalError, match="not a model folder"):
        registry.find(str(tmp_path / "one"))
    later = Registry(tmp_path / "home", shelf=board, embedded=tmp_path / "embedded")
    later.recall()
    assert later.digests() == [usual]


def test_a_part_of_a_model_that_can_not_be_looked_at_is_one_sentence(tmp_path: Path) -> None:
    folder = a_model(tmp_path / "one")
    make_unreadable(folder / "unet" / "config.json")
    with pytest.raises(LocalError, match="can not be read"):
        Registry(tmp_path / "home").find(str(folder))


def test_one_entry_that_can_not_be_looked_at_hides_no_other_name(tmp_path: Path) -> None:
    a_model(tmp_path / "models" / "mine")
    (tmp_path / "models" / "stale").symlink_to("x" * 300)
    assert Registry(tmp_path).names() == ["embedded", "mine"]


def test_a_copy_stands_in_for_a_folder_that_is_gone(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", embedded=tmp_path / "none")
    digests = {registry.find(str(a_model(tmp_path / name))).digest for name in ("one", "two")}
    assert set(registry.digests()) == digests
    shutil.rmtree(tmp_path / "one")
    assert registry.folder_of(*digests) == tmp_path / "two"


def test_a_node_that_stops_reads_no_folder_to_its_end(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", embedded=tmp_path / "none")
    registry.stop()
    with pytest.raises(LocalError, match="peerd is stopping"):
        registry.find(str(a_model(tmp_path / "one")))


def test_only_so_many_folders_are_remembered(tmp_path: Path) -> None:
    board = Board()
    registry = Registry(tmp_path / "home", usual=str(other(tmp_path / "usual", "u")), shelf=board)
    registry.find(registry.usual)
    found = [registry.find(str(other(tmp_path / f"{number}", f"{number}"))).digest for number in range(FOLDERS_MAX + 2)]
    assert board.names == [str(tmp_path / f"{number}") for number in range(2, FOLDERS_MAX + 2)]
    assert registry.digests() == [*reversed(found[2:]), registry.find(registry.usual).digest]
