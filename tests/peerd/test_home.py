"""Who else may look into a node's folder: nobody, and where others could write, it does not start."""

import os
import stat
from pathlib import Path

import pytest

from peerd.config import make_home
from peerd_protocol.errors import LocalError


def test_a_home_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    assert stat.S_IMODE(make_home(tmp_path / "home").stat().st_mode) == 0o700


def test_one_that_others_could_only_look_into_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert stat.S_IMODE(make_home(tmp_path).stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_one_that_others_could_write_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(LocalError, match="can be written by others"):
        make_home(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_one_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65_534, 65_534)
    with pytest.raises(LocalError, match="belongs to another user"):
        make_home(tmp_path)
