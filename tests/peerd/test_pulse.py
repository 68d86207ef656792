"""The daemon's pulse: the service manager hears that the loop turns, whatever a look at the device comes upon."""

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerd.daemon import _pulse
from peerd_protocol.events import Profiled
from peerd_protocol.profile import Profile
from tests.protocol.samples import PROFILE


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager that wants to hear of us every 20 ms."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


async def test_a_look_that_fails_is_told_once_and_stops_no_pulse(
    manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    looks = iter([PermissionError("closed"), PermissionError("closed"), ValueError("odd"), PROFILE])
    seen: asyncio.Queue[Profiled] = asyncio.Queue()

    def look() -> Profile:
        match next(looks, PROFILE):
            case Exception() as error:
                raise error
            case found:
                return found

    async with asyncio.timeout(10):
        pulse = asyncio.create_task(_pulse(seen.put_nowait, look))
        with caplog.at_level(logging.ERROR):
            assert await seen.get() == Profiled(PROFILE)
        pulse.cancel()
        for _ in range(4):
            assert await asyncio.get_running_loop().sock_recv(manager, 100) == b"WATCHDOG=1"
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [PermissionError, ValueError]
