"""Which processes a program of ours has left behind. Every one it starts inherits a mark in its environment.

Never here: starting daemons; `peerd.demo.cluster` does that for demo, examples and tests alike.
"""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
MARK = "PEERD_TEST_MARK"
GONE_S_MAX = 10.0
RUN_S_MAX = 240.0


class Marked:
    """A family of processes, known by its mark."""

    def __init__(self, **environment: str) -> None:
        self._mark = uuid.uuid4().hex
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "protocol"), os.environ.get("PYTHONPATH", "")]),
            "PEERD_ENGINE": "toy",
            **environment,
            MARK: self._mark,
        }

    def start(self, *words: str, folder: Path | None = None) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *words],
            env=self.environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        process = self.start(*words, folder=folder)
        try:
            stdout, stderr = process.communicate(timeout=RUN_S_MAX)
        finally:
            process.kill()
        return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)

    def living(self) -> list[psutil.Process]:
        """All that still run, this test excepted."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def daemons(self) -> dict[str, psutil.Process]:
        """Those that run `peerd up`, by the name they were given."""
        found = {}
        for process in self.living():
            words = process.cmdline()
            if "up" in words and "--name" in words:
                found[words[words.index("--name") + 1]] = process
        return found

    def wait_until_gone(self) -> None:
        deadline_s = time.monotonic() + GONE_S_MAX
        while left := self.living():
            assert time.monotonic() < deadline_s, f"left behind: {[process.cmdline() for process in left]}"
            psutil.wait_procs(left, timeout=0.2)


@contextmanager
def marked(**environment: str) -> Iterator[Marked]:
    """A family that is certainly gone after the block, whatever the test found."""
    family = Marked(**environment)
    try:
        yield family
    finally:
        for process in family.living():
            try:
                process.kill()
            except psutil.Error:
                continue
