"""A scripted desk served on a real socket, for tests in the same loop and for programs outside it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from peerd.api.address import socket_path
from peerd.api.server import serve
from tests.peerd.api.scripted import ScriptedDesk


@pytest.fixture
def desk() -> ScriptedDesk:
    return ScriptedDesk()


@pytest.fixture
async def home(desk: ScriptedDesk, tmp_path: Path) -> AsyncIterator[Path]:
    """A home with a daemon's API in this loop; calls to it go through `asyncio.to_thread`."""
    served = await serve(desk, socket_path(tmp_path))
    yield tmp_path
    await served.close()


def run_api(desk_made: Callable[[], ScriptedDesk], path: Path, group: int | None = None) -> Iterator[ScriptedDesk]:
    """The same in a loop of its own thread, so that the test may run programs against it."""
    up, made, loops, stop = threading.Event(), [], [], []

    async def live() -> None:
        desk = desk_made()
        served = await serve(desk, path, group)
        made.append(desk)
        loops.append(asyncio.get_running_loop())
        stop.append(asyncio.Event())
        up.set()
        await stop[0].wait()
        await served.close()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert up.wait(10)
    try:
        yield made[0]
    finally:
        loops[0].call_soon_threadsafe(stop[0].set)
        thread.join(10)
        assert not thread.is_alive()
