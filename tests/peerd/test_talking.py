"""A person ends the talk at a question, or has a terminal of another encoding: never a traceback.

The real program on a real terminal; only the desk is scripted.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerd.api.address import socket_path
from tests.peerd.api.conftest import run_api
from tests.peerd.api.scripted import ScriptedDesk
from tests.peerd.test_cli import environment

CTRL_D = b"\x04"
RUN_S_MAX = 30


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ScriptedDesk]:
    yield from run_api(ScriptedDesk, socket_path(tmp_path))


def peerd(home: Path, *words: str, **beside: str) -> "subprocess.CompletedProcess[bytes]":
    """The program at a terminal where somebody presses Ctrl-D and nothing else."""
    person, terminal = os.openpty()
    try:
        os.write(person, CTRL_D)
        return subprocess.run(
            [sys.executable, "-m", "peerd", *words],
            env={**environment(home), **beside},
            stdin=terminal,
            capture_output=True,
            timeout=RUN_S_MAX,
            check=False,
        )
    finally:
        os.close(person)
        os.close(terminal)


def test_ctrl_d_is_a_no(desk: ScriptedDesk, tmp_path: Path) -> None:
    for words, said in ((("leave",), b"This node stays"), (("revoke", "bob"), b"Nobody was shut out")):
        done = peerd(tmp_path, *words)
        assert done.returncode == 1 and said in done.stderr and b"Traceback" not in done.stderr
    assert not desk.left
    done = peerd(tmp_path, "invite")
    assert done.returncode == 1 and b"You said no." in done.stderr and b"Traceback" not in done.stderr
    assert desk.answers == [False]


def test_json_reaches_an_output_of_another_encoding(desk: ScriptedDesk, tmp_path: Path) -> None:
    done = peerd(tmp_path, "generate", "\u6797\u6a8e", "--json", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prompt"] == "\u6797\u6a8e"
