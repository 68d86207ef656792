"""What a service manager hears, on a real datagram socket with a file and on an abstract one."""

import os
import socket
import sys
from pathlib import Path

import pytest

from peerd import sd_notify


@pytest.fixture(params=["file", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "socket.socket":
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("abstract sockets are Linux's")
    address = str(tmp_path / "notify") if request.param == "file" else f"@peerd-test-{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind("\0" + address[1:] if address.startswith("@") else address)
    listener.settimeout(5)
    request.addfinalizer(listener.close)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    return listener


def test_ready_alive_and_stopping_are_said_in_systemds_words(heard: "socket.socket") -> None:
    assert sd_notify.ready("leads term 3")
    assert heard.recv(4096).decode().splitlines() == ["READY=1", f"MAINPID={os.getpid()}", "STATUS=leads term 3"]
    assert sd_notify.alive()
    assert heard.recv(4096) == b"WATCHDOG=1"
    assert sd_notify.stopping()
    assert heard.recv(4096) == b"STOPPING=1"


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not sd_notify.ready()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not sd_notify.alive(), "a manager that went away is no reason to fail"
    monkeypatch.setenv("NOTIFY_SOCKET", "relative/path")
    assert not sd_notify.alive()


@pytest.mark.parametrize(
    ("allowed_us", "pid", "interval_s"),
    [("30000000", "", 15.0), ("30000000", "me", 15.0), ("30000000", "1", None), ("", "", None), ("soon", "", None)],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_asks(
    monkeypatch: pytest.MonkeyPatch, allowed_us: str, pid: str, interval_s: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", allowed_us)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "me" else pid)
    assert sd_notify.watchdog_interval_s() == interval_s
