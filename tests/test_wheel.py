"""The wheel holds all that a daemon needs: the model, the noun table, both packages, and the notices.

Never here: installing it, which would need the network.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MIB = 1 << 20
WEIGHTS_MIB_MAX, NOUNS_MIB_MAX = 40, 1.5


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_model_ships_whole_and_small(wheel: zipfile.ZipFile) -> None:
    inside = "peerd/engine/embedded/"
    names = {name.removeprefix(inside) for name in wheel.namelist() if name.startswith(inside)}
    assert {"model_index.json", "calibration.json"} <= names
    weights = [wheel.getinfo(inside + name) for name in names if name.endswith(".safetensors")]
    assert len(weights) == 3, "text encoder, denoiser, decoder"
    assert sum(file.file_size for file in weights) <= WEIGHTS_MIB_MAX * MIB
    assert any(name.startswith("LICENSE") for name in names) and any(name.startswith("NOTICE") for name in names)


def test_nouns_packages_and_notices_ship(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"peerd/cli.py", "peerd/py.typed", "peerd_protocol/node.py", "peerd_protocol/py.typed"} <= names
    assert "peerd/planning/nouns.LICENSE" in names
    assert wheel.getinfo("peerd/planning/nouns.bin").file_size <= NOUNS_MIB_MAX * MIB
    assert not [name for name in names if name.startswith(("tests/", "examples/", ".work/"))]
