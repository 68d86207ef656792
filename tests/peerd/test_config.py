"""The owner's settings, and the home that only one daemon may live in."""

import subprocess
import sys
from pathlib import Path

import pytest

from peerd.config import FILE_NAME, Config, HomeLock, lock_home, make_home, read_config
from peerd_protocol.errors import LocalError


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    settings = read_config(tmp_path, {})
    assert settings == Config()
    assert settings.power.battery_floor_percent == settings.planning.battery_floor_percent == 30
    assert (settings.planning.patience_factor, settings.planning.patience_extra_s) == (1.25, 0.5)


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(
        '[node]\nname = "kitchen"\noffers = false\n[power]\nbattery_floor_percent = 50\n'
        '[network]\npeers = ["10.0.0.1:4000"]\n[engine]\nkind = "process"\n'
    )
    environment = {
        "PEERD_NODE_NAME": "attic", "PEERD_ENGINE": "toy", "PEERD_ENGINE_THREADS": "1", "PEERD_POWER_ROOT": "/fake",
        "PEERD_NETWORK_MDNS": "false", "PEERD_NETWORK_PEERS": "a:1, b:2", "PEERD_HOME": "/elsewhere",
        "PEERD_CACHE_BYTES_MAX": "0",
    }  # fmt: skip
    settings = read_config(tmp_path, environment)
    assert (settings.node.name, settings.node.offers) == ("attic", False)
    assert (settings.engine.kind, settings.engine.threads, settings.power.root) == ("toy", 1, "/fake")
    assert (settings.network.mdns, settings.network.peers) == (False, ("a:1", "b:2"))
    assert settings.cache.bytes_max == 0
    assert settings.planning.battery_floor_percent == 50, "a leader judges others by its own floor"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[engine", "not valid TOML"),
        ("\x00", "not valid TOML"),
        ("[engine]\nthreds = 2", "unknown field `threds`"),
        ("[engine]\nthreads = 'many'", "Expected `int`"),
        ("[power]\nbattery_floor_percent = 130", "<= 100"),
        ("[cache]\nbytes_max = -1", ">= 0"),
        ("engine = 3", "Expected `object`"),
        ("planning = 3", "Expected `object`"),
        ("# " + "x" * 70_000, "longer than"),
    ],
)
def test_a_slip_of_the_pen_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(LocalError, match=sentence) as told:
        read_config(tmp_path, {})
    assert FILE_NAME in str(told.value)
    assert "\n" not in str(told.value)


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="PEERD_ENGINE"):
        read_config(tmp_path, {"PEERD_ENGINE": "steam"})
    with pytest.raises(LocalError, match="PEERD_ENGINE_THREADS"):
        read_config(tmp_path, {"PEERD_ENGINE_THREADS": "two"})


def test_a_home_is_for_its_owners_eyes_alone(tmp_path: Path) -> None:
    assert make_home(tmp_path / "deep" / "home").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="PEERD_HOME"):
        make_home(tmp_path / "file")


def test_two_daemons_on_one_home_are_refused_until_the_first_ends(tmp_path: Path) -> None:
    story = (
        "import pathlib, sys; from peerd.config import lock_home; lock = lock_home(pathlib.Path(sys.argv[1]));"
        "print('held', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", story, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(LocalError, match=rf"Another peerd \(process {first.pid}\) already runs"):
            lock_home(tmp_path)
        first.kill()
    with lock_home(tmp_path), pytest.raises(LocalError, match="already runs"):
        HomeLock(tmp_path)
    lock_home(tmp_path).release()
