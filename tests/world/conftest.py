"""One cluster with the real model for all stories that need it: its engines take longer to start than most stories.

Never here: clusters of toy engines, which each file starts for itself.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerd.demo.cluster import Cluster
from peerd.runtime import BUG
from tests.world.asking import ask

_told: set[tuple[str, int]] = set()
"""Bugs that an earlier story failed for: the log's path and the line's number."""

RECORDER = Path(__file__).parent / "recorder"
SLOW = {"PEERD_ENGINE_SLOWDOWN": "3"}


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """ada, and bob and cleo who are three times as slow, so that whoever is asked, ada is the best executor.

    Each has its record of all that it sends beside its home."""
    folder = tmp_path_factory.mktemp("real")
    path = os.pathsep.join([str(RECORDER), os.environ.get("PYTHONPATH", "")])
    each = {
        name: {**speed, "PYTHONPATH": path, "RECORD_SENT_TO": str(folder / f"{name}.sent")}
        for name, speed in (("ada", {}), ("bob", SLOW), ("cleo", SLOW))
    }
    with Cluster(folder, list(each), each=each) as three:
        three.start()
        three.pair_all()
        three.wait_for_leader(within_s=30.0)
        for warming in [ask(node, "apple on table", steps=3, shared=0) for node in three.nodes]:
            warming.finished()
        yield three


@pytest.fixture(autouse=True)
def no_daemon_has_a_bug(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A daemon outlives a hand that fails as nobody foresaw. A story does not: it shows what the daemon logged."""
    yield
    for log in tmp_path_factory.getbasetemp().glob("*/*.log"):
        lines = log.read_text(errors="replace").splitlines()
        for number, line in enumerate(lines):
            if BUG in line and (str(log), number) not in _told:
                _told.add((str(log), number))
                pytest.fail(f"{log.stem} has a bug:\n" + "\n".join(lines[number : number + 60]))
