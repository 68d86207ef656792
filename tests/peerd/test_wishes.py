"""A wish becomes a request, and the node lives on while a model's folder is read for it."""

import asyncio
import os
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from peerd.api.desk import Wish
from peerd.models.registry import Model, Registry
from peerd.wishes import request_of
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import NodeId
from tests.peerd.models.test_registry import a_model

ME = NodeId("ME")


class LargeModel(Registry):
    """Its folder takes so long to read that nothing goes on until somebody else said so."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def find(self, name: str) -> Model:
        self.begun.set()
        assert self.go_on.wait(30.0), "the node stood still while the folder was read"
        return super().find(name)


async def test_the_node_lives_on_while_a_new_folder_is_read(tmp_path: Path) -> None:
    registry = LargeModel(tmp_path / "home")
    wish = Wish(prompt="apple on table", model=str(a_model(tmp_path / "sd")))
    asking = asyncio.create_task(request_of(wish, ME, registry))
    assert await asyncio.to_thread(registry.begun.wait, 30.0)
    registry.go_on.set()
    request = await asking
    assert request.call.model == registry.find(str(tmp_path / "sd")).digest


async def test_a_wish_that_names_no_model_is_for_the_usual_one_of_the_node(tmp_path: Path) -> None:
    own = str(a_model(tmp_path / "sd", sample_size=64))
    registry = Registry(tmp_path / "home", usual=own)
    usual = await request_of(Wish(prompt="apple on table"), ME, registry)
    assert (usual.call.model, usual.call.width) == (registry.find(own).digest, 512)
    named = await request_of(Wish(prompt="apple on table", model="embedded"), ME, registry)
    assert named.call.model == registry.find("embedded").digest != usual.call.model


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (Wish(prompt="a", out="/tmp/a\0.png"), "zero byte"),
        (Wish(prompt="a", out="/tmp/" + "a" * 300), "File name too long; name another file"),
        (Wish(prompt="a", out="/tmp/" + "a" * 300 + "/a.png"), "There is no folder"),
        (Wish(prompt="a", out="mine.png"), "There is no folder"),
        (Wish(prompt="a", out="/tmp"), "is a folder"),
        (Wish(prompt="a", out="/dev/null"), "is no ordinary file"),
        (Wish(prompt="a", group_name="g" * 65, group_size=2), "64 characters at most; 65 were given"),
    ],
)
async def test_what_could_not_be_kept_or_written_later_is_refused_at_once(
    tmp_path: Path, wish: Wish, sentence: str
) -> None:
    with pytest.raises(LocalError, match=sentence):
        await request_of(wish, ME, Registry(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_a_folder_that_may_not_be_looked_into_is_as_good_as_none() -> None:
    """The daemon of a whole device is asked for a file in somebody's closed folder."""
    script = (
        "import os, sys; from pathlib import Path; from peerd.paths import check_place\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: check_place(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as closed:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, closed + "/deeper/a.png", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    assert out.startswith(b"LocalError There is no folder")
