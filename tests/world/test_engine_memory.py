"""A real engine that the system gives no more memory: its request ends in a sentence, and its next picture is drawn.

The kernel gives it no page more than it has (RLIMIT_AS, set from outside), as on a device that is full. Never here:
engines that die (`test_engine_trouble.py`).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from peerd.demo.nodes import NodeProcess
from peerd_protocol.notices import Failed
from tests.world.asking import ask, restart, wait_for_engine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets one process limit another")

LARGE = 1024
"""Pixels a side of a picture whose features take hundreds of megabytes."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A lone daemon with the real model, which has drawn once."""
    lone = NodeProcess("lone", tmp_path / "lone", {"PEERD_ENGINE": "process", "PEERD_NETWORK_MDNS": "false"})
    try:
        restart(lone)
        ask(lone, "apple on table", steps=2, shared=0).finished()
        yield lone
    finally:
        lone.kill()


@contextmanager
def no_more_memory(engine: psutil.Process) -> Iterator[None]:
    before = engine.rlimit(psutil.RLIMIT_AS)
    engine.rlimit(psutil.RLIMIT_AS, (engine.memory_info().vms, before[1]))
    try:
        yield
    finally:
        if engine.is_running():
            engine.rlimit(psutil.RLIMIT_AS, before)


def test_an_engine_without_memory_says_so_and_draws_once_there_is_some(node: NodeProcess) -> None:
    with no_more_memory(wait_for_engine(node)):
        ending = ask(node, "apple on table", steps=2, shared=0, width=LARGE, height=LARGE).ended()
    assert isinstance(ending, Failed), ending
    assert "memory" in ending.reason
    assert ask(node, "apple on table", steps=2, shared=0).finished().exact
