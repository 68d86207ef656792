"""How all tests are run: two at a time where they may be, and without a stopwatch.

Stories with real daemons stay in one worker, one after another, as they share a host's mDNS and a cluster of real
engines; the engine's tests stay together for the models they loaded. Every other file may go to whoever is free.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

HERE = Path(__file__).parent
TOGETHER = ("world", "engine")
"""Rooms that take longest go first, so that the rest fills the gaps."""
APART = ("test_street.py",)
"""Of those rooms, what has a network of its own and may go to whoever is free."""
QUIET = ("test_measuring.py", "test_negotiation.py")
"""Stories of who is faster are told last, when the other worker is through with its part."""

settings.register_profile("patient", deadline=None)  # a busy machine is no bug
settings.load_profile("patient")


def together(test: str) -> str:
    """The room whose tests a test file stays with, or ''. The file is given as a path from the project's root."""
    room, name = Path(test).parts[1], Path(test).name
    return room if room in TOGETHER and name not in APART else ""


class Rooms(LoadScopeScheduling):
    """Deals out whole rooms where tests share what is dear, and whole files elsewhere."""

    def _split_scope(self, nodeid: str) -> str:
        test = nodeid.partition("::")[0]
        return together(test) or test


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Rooms:
    return Rooms(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> tuple[int, bool]:
        room = together(str(item.path.relative_to(HERE.parent)))
        return TOGETHER.index(room) if room else len(TOGETHER), item.path.name in QUIET

    items.sort(key=place)
