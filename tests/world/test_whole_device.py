"""One daemon for a whole device: a real one, asked over the socket of a group.

Never here: who is let in there (`tests/attacks/test_local_api.py`), or the command line (`tests/peerd/test_whose.py`).
"""

import grp
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from peerd.api.client import Client
from peerd.api.desk import Wish
from peerd.demo.nodes import NodeProcess
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import RequestId
from peerd_protocol.notices import Finished
from tests.world.asking import TOY, restart

WISH = Wish(prompt="apple on table", steps=2, width=64, height=64)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """The socket for a group, of a daemon at `tmp_path / "device"`."""
    path = tmp_path / "run" / "deeper" / "api.sock"
    ours = grp.getgrgid(os.getegid()).gr_name
    settings = {"PEERD_NETWORK_MDNS": "false", "PEERD_API_GROUP": ours, "PEERD_API_SOCKET": str(path)}
    node = NodeProcess("device", tmp_path / "device", {**TOY, **settings})
    try:
        restart(node)
        yield path
    finally:
        node.kill()


def drawn(client: Client, wish: Wish) -> tuple[RequestId, Path]:
    request = client.submit(wish)
    (finished,) = [notice for notice in client.follow(request) if isinstance(notice, Finished)]
    return request, Path(finished.path)


def test_what_was_fetched_is_removed_and_no_other_file_ever_is(shared: Path, tmp_path: Path) -> None:
    home = tmp_path / "device"
    member, owner = Client(home, shared), Client(home)
    request, kept = drawn(member, WISH)
    assert kept.parent == home / "pictures" and member.picture(request) == kept.read_bytes()
    member.discard(request)
    assert not list(kept.parent.iterdir())
    member.discard(request)  # a second time is no trouble
    with pytest.raises(LocalError, match="can not be read"):
        member.picture(request)

    for named in (tmp_path / "mine.png", home / "pictures" / ".." / "mine.png"):
        request, _ = drawn(owner, msgspec.structs.replace(WISH, out=str(named)))
        with pytest.raises(LocalError, match="not in this node's own folder"):
            member.discard(request)
        assert named.exists()
    with pytest.raises(LocalError, match="no request"):
        member.discard(RequestId("another"))
