"""Where calibrations are looked for: the node's own goes before what came with the model."""

from pathlib import Path

import pytest

from peerd.models import calibrations
from peerd_protocol.errors import LocalError

DIGEST = "a" * 64


def test_nobody_measured(tmp_path: Path) -> None:
    assert calibrations.read(tmp_path, DIGEST, tmp_path / "model") is None


def test_the_own_measurement_goes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_bytes(b"shipped")
    assert calibrations.read(tmp_path / "home", DIGEST, tmp_path) == b"shipped"
    calibrations.write(calibrations.path_of(tmp_path / "home", DIGEST), b"own")
    assert calibrations.read(tmp_path / "home", DIGEST, tmp_path) == b"own"
    assert [path.name for path in (tmp_path / "home" / "calibration").iterdir()] == [f"{DIGEST}.json"]


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "calibration.json").open("wb") as file:
        file.truncate(calibrations.BYTES_MAX + 1)
    with pytest.raises(LocalError, match="larger than any calibration; delete it"):
        calibrations.read(tmp_path, DIGEST, tmp_path)


def test_a_place_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "calibration").write_bytes(b"a file where the folder should be")
    with pytest.raises(LocalError, match="can not be written"):
        calibrations.write(calibrations.path_of(tmp_path, DIGEST), b"own")
