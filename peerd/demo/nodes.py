"""One real daemon as a process with a home of its own: started, watched, stopped.

Never here: what several of them do together (`cluster.py`).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from peerd.api.client import Client
from peerd.config import HOME_VARIABLE
from peerd_protocol.errors import PeerdError

START_S_MAX = 20.0
STOP_S_MAX = 6.0
POLL_S = 0.05
LOG_LINE_CHARS_MAX = 300

_FRUGAL = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PEERD_ENGINE_THREADS": "1"}
"""Several daemons share this machine: engines that spin on all cores would stand in each other's way."""


class DemoFailed(PeerdError):
    """The demo can't go on; the sentence says which daemon, and why."""


@dataclass(slots=True)
class NodeProcess:
    """A daemon of ours. `environment` is added to this program's own. `within` are the words of a program that turns
    into the daemon, as `ip netns exec` does, so that the process is still the daemon's."""

    name: str
    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    within: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Client:
        return Client(self.home)

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".log")

    def start(self, *options: str) -> None:
        """Start `peerd up`; `wait_until_up` says when it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        child = (sys.executable, "-m", "peerd.demo.child", str(os.getpid()))
        command = [*self.within, *child, "up", "--name", self.name, *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **_FRUGAL, **self.environment, HOME_VARIABLE: str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C is for the demo, which then stops its daemons in order
            )

    def wait_until_up(self) -> None:
        deadline_s = time.monotonic() + START_S_MAX
        while True:
            self.check()
            try:
                self.client.view(timeout_s=2.0)
                return
            except PeerdError:
                if time.monotonic() > deadline_s:
                    raise DemoFailed(
                        f"{self.name} did not start within {START_S_MAX:g} s; {self._last_words()}"
                    ) from None
            time.sleep(POLL_S)

    def check(self) -> None:
        """Raise DemoFailed if the daemon has ended."""
        if self.process is None or _has_ended(self.process.pid):
            raise DemoFailed(f"The daemon {self.name} has ended; {self._last_words()}")

    def ask_to_stop(self) -> None:
        if self.process is not None and not _has_ended(self.process.pid):
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """As a power cut would end it, its engine too."""
        if self.process is not None:
            self._kill_session(self.process)

    def finish(self, deadline_s: float) -> None:
        """Wait until it has ended, at most to `deadline_s`; then kill it and whatever it left in its session."""
        process, self.process = self.process, None
        if process is None:
            return
        while not _has_ended(process.pid) and time.monotonic() < deadline_s:
            time.sleep(POLL_S)
        self._kill_session(process)

    def _kill_session(self, process: "subprocess.Popen[bytes]") -> None:
        """The daemon isn't reaped before this, so its number can't belong to anybody else yet."""
        if process.returncode is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # nothing is left of it
            process.wait()

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return f"its last words: {lines[-1][:LOG_LINE_CHARS_MAX]}" if lines else "it said nothing."


def stop_all(nodes: "list[NodeProcess]") -> None:
    """Ask all at once, so that they say goodbye side by side; no Ctrl-C interrupts this."""
    heard = _ignore_interrupts()
    try:
        for node in nodes:
            node.ask_to_stop()
        deadline_s = time.monotonic() + STOP_S_MAX
        for node in nodes:
            node.finish(deadline_s)
    finally:
        if heard is not None:
            signal.signal(signal.SIGINT, heard)


def _ignore_interrupts() -> "signal._HANDLER":
    try:
        return signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # only the main thread may, and only it is interrupted
        return None


def _has_ended(pid: int) -> bool:
    """Whether the child has ended, without reaping it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True
