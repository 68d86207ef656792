"""Settings that can not be: `peerd up` says in one sentence which, and ends. Never here: damaged files of its own."""

import grp
import os
from pathlib import Path

import pytest

from tests.world.asking import TOY, peerd, the_sentence

OUR_GROUP = grp.getgrgid(os.getegid()).gr_name


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"PEERD_LOG": "loud"}, "PEERD_LOG is one of DEBUG, INFO"),
        ({"PEERD_NETWORK_PEERS": "192.0.2.1:here"}, "named by HOST:PORT"),
        ({"PEERD_API_GROUP": OUR_GROUP, "PEERD_API_SOCKET": "/proc/nope/api.sock"}, "see [api] in config.toml"),
        ({"PEERD_API_GROUP": OUR_GROUP, "PEERD_API_SOCKET": "/proc/self/status"}, "it is no socket"),
    ],
)
def test_each_is_one_sentence(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    done = peerd(tmp_path / "home", "up", "--no-mdns", **{**TOY, **settings})
    assert (done.returncode, done.stdout) == (1, "")
    assert said in the_sentence(done.stderr)
