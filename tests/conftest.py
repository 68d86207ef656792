"""How all tests are run: side by side where they may be, and without a stopwatch.

Stories with real daemons stay in one worker, one after another, as they share a host's mDNS and a cluster of real
engines; the engine's tests stay together for the models they loaded. Every other file may go to whoever is free.
"""

from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
TOGETHER = ("world", "engine")
"""Rooms that take longest go first, so that the rest fills the gaps."""
QUIET = ("test_measuring.py", "test_negotiation.py")
"""Stories of who is faster are told last, when the other worker is through with its part."""

settings.register_profile("patient", deadline=None)  # a busy machine is no bug
settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)  # before the plugin that runs two at a time reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def room(item: pytest.Item) -> str:
        return item.path.relative_to(HERE).parts[0]

    for item in items:
        item.add_marker(pytest.mark.xdist_group(room(item) if room(item) in TOGETHER else str(item.path)))
    items.sort(
        key=lambda item: (
            TOGETHER.index(room(item)) if room(item) in TOGETHER else len(TOGETHER),
            item.path.name in QUIET,
        )
    )
