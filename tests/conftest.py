"""How all tests are run: side by side where they may be, and without a stopwatch.

Every file goes as a whole to whoever is free, but for rooms: files that share what is dear stay with one worker.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
ENGINE = "tests/engine/"
CLUSTER = ("test_engine_trouble.py", "test_privacy.py", "test_sharing.py")
QUIET = ("test_measuring.py", "test_negotiation.py")
"""Rooms: models in one process's memory, the warm engines of one cluster, and who is faster."""
FIRST = (ENGINE, "test_demo.py", CLUSTER[0], "test_simulation.py", "tests/world/")
"""What takes longest goes first, so that the rest fills the gaps; what needs quiet goes last, when the other workers
are through with their part."""

settings.register_profile("patient", deadline=None)  # a busy machine is no bug
settings.load_profile("patient")


def room_of(test: str) -> str:
    """Where the tests of a file stay together. The file is given as a path from the project's root."""
    if test.startswith(ENGINE):
        return ENGINE
    return next((room[0] for room in (CLUSTER, QUIET) if test.endswith(room)), test)


class Rooms(LoadScopeScheduling):
    """Deals out whole rooms where tests share what is dear, and whole files elsewhere."""

    def _split_scope(self, nodeid: str) -> str:
        return room_of(nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Rooms:
    return Rooms(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        room = room_of(item.path.relative_to(ROOT).as_posix())
        if room in QUIET:
            return len(FIRST) + 1
        return next((place for place, first in enumerate(FIRST) if first in room), len(FIRST))

    items.sort(key=place)
