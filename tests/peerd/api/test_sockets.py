"""Where the daemon listens: places that can not be are one sentence, and nothing but a dead socket makes room."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from peerd.api.client import Client
from peerd.api.server import serve, serve_tcp
from peerd_protocol.errors import LocalError
from tests.peerd.api.scripted import ScriptedDesk


@pytest.mark.parametrize(
    "place", ["a-file/api.sock", "a-folder", "/proc/nope/api.sock", "a\0b/api.sock", "long" * 30 + "/api.sock", "", "/"]
)
async def test_a_place_where_no_socket_can_be_is_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").write_text("mine")
    (tmp_path / "a-folder").mkdir()
    for group in (None, os.getegid()):
        with pytest.raises(LocalError, match=r"^The API can't listen at [^.]*.*\.$"):
            await serve(ScriptedDesk(), tmp_path / place, group)


async def test_a_file_that_was_named_by_mistake_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(LocalError, match="it is no socket; move it away, or name another place"):
        await serve(ScriptedDesk(), tmp_path / "letter.txt", os.getegid())
    assert (tmp_path / "letter.txt").read_text() == "mine"


async def test_a_folder_that_is_made_for_a_group_can_be_reached_by_it_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "run" / "deeper" / "api.sock"
    before = os.umask(0o077)  # that of the system unit
    try:
        served = await serve(ScriptedDesk(), path, os.getegid())
    finally:
        os.umask(before)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, tmp_path / "run")] == [0o755, 0o755]
    assert (await asyncio.to_thread(Client(tmp_path, path).view)).name == "ada"
    await served.close()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "192.0.2.1"])
async def test_an_address_that_is_not_ours_is_one_sentence(host: str) -> None:
    with pytest.raises(LocalError, match=r"can't listen at .*; see \[api\] in config\.toml"):
        await serve_tcp(ScriptedDesk(), host, 0, "t" * 43)
