"""One daemon for a whole device: who has none of their own is served by it, and gets the picture where they stand.

The real command line, the real API on a socket for a group; only the desk behind it is scripted.
"""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerd import config
from peerd.api.address import socket_path
from peerd_protocol.errors import LocalError
from tests.peerd.api.conftest import run_api
from tests.peerd.api.scripted import PNG, ScriptedDesk
from tests.peerd.saying import Said, saying

Device = tuple[ScriptedDesk, Said]


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Device]:
    """What a device's daemon is asked, and somebody's shell in an empty folder there."""
    path, folder = tmp_path / "run" / "api.sock", tmp_path / "desk"
    folder.mkdir()
    monkeypatch.delenv(config.HOME_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PEERD_API_SOCKET", str(path))
    monkeypatch.chdir(folder)
    for desk in run_api(ScriptedDesk, path, os.getegid()):
        yield desk, saying(monkeypatch, capsys)


def test_a_picture_comes_to_whoever_asked(device: Device) -> None:
    desk, say = device
    told = json.loads(say("generate", "Apple on table!", "--json").stdout)
    assert told["path"] == str(Path.cwd() / "apple-on-table.png")
    assert Path(told["path"]).read_bytes() == PNG
    ((request, wish),) = desk.wishes.items()
    assert wish.out is None, "the daemon writes for nobody"
    assert desk.discarded == [request], "and what it wrote for itself is gone once it was fetched"


def test_a_copy_that_the_daemon_keeps_is_told_and_takes_no_picture_from_anybody(device: Device) -> None:
    desk, say = device
    desk.discards = False
    done = say("generate", "apple on table", "--json")
    assert done.returncode == 0 and Path(json.loads(done.stdout)["path"]).read_bytes() == PNG
    assert done.stderr.startswith("The daemon still has its copy of the picture: ")


def test_a_named_file_is_written_over_and_one_that_nobody_named_is_kept(device: Device) -> None:
    _, say = device
    for name in ("mine.png", "apple-on-table.png"):
        Path(name).write_text("older")
    say("generate", "apple on table", "--out", "mine.png")
    assert Path("mine.png").read_bytes() == PNG
    say("generate", "apple on table")
    assert Path("apple-on-table.png").read_text() == "older"
    assert Path("apple-on-table-2.png").read_bytes() == PNG


def test_a_place_that_can_not_be_written_to_is_told_before_anybody_draws(device: Device) -> None:
    desk, say = device
    for place in ("nowhere/apple.png", "."):
        done = say("generate", "apple on table", "--out", place)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert not desk.wishes


def test_a_name_that_no_file_can_have_is_told_before_anybody_draws(device: Device) -> None:
    desk, say = device
    done = say("generate", "apple on table", "--out", "a" * 300 + ".png")
    assert done.returncode == 1 and not desk.wishes
    assert "name another file" in done.stderr


def test_all_else_is_asked_there_too(device: Device) -> None:
    _, say = device
    assert json.loads(say("status", "--json").stdout)["name"] == "ada"
    assert json.loads(say("plan", "apple on table", "--json").stdout)["denoiser_calls"] == 29


def test_what_is_the_owners_is_refused_in_a_sentence_that_says_who_may(device: Device) -> None:
    desk, say = device
    for words in (("invite", "--yes"), ("cache",), ("cache", "clear"), ("revoke", "bob", "--yes"), ("leave", "--yes")):
        done = say(*words)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), words
        assert "ask as the daemon's own user" in done.stderr
    assert desk.kept and not desk.left


def test_a_home_that_was_named_is_meant(device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, say = device
    monkeypatch.setenv(config.HOME_VARIABLE, str(tmp_path / "mine"))
    done = say("status")
    assert done.returncode == 1 and f"No daemon runs on this home ({tmp_path / 'mine'})" in done.stderr


def test_a_socket_that_a_power_cut_left_hides_nobody(device: Device) -> None:
    _, say = device
    own = socket_path(config.home())
    own.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(own))
    assert json.loads(say("status", "--json").stdout)["name"] == "ada"


def test_where_nobody_listens_the_device_s_socket_is_named(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, say = device
    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(left))
    monkeypatch.setenv("PEERD_API_SOCKET", str(left))
    done = say("status")
    assert done.returncode == 1 and f"nobody listens at {left}; have its owner start it" in done.stderr


def test_a_shell_whose_folder_was_removed_gets_one_sentence(device: Device) -> None:
    desk, say = device
    Path.cwd().rmdir()
    done = say("generate", "apple on table")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "go to another one" in done.stderr
    assert not desk.wishes


def test_a_home_that_is_nobodys_is_one_sentence(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    _, say = device
    monkeypatch.setenv(config.HOME_VARIABLE, "~nobody-of-this-name/peerd")
    done = say("status")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "write the whole path" in done.stderr


def test_a_group_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(LocalError, match=r"no group 'no-such-group'.*groupadd no-such-group"):
        config.group_number("no-such-group")
