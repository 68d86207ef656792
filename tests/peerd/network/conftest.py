from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.peerd.network.station import Station

NewStation = Callable[[str], Station]


@pytest.fixture
async def new_station(tmp_path: Path) -> AsyncIterator[NewStation]:
    """Makes stations that are closed when the story ends."""
    async with AsyncExitStack() as stations:

        def make(name: str) -> Station:
            station = Station(tmp_path, name)
            stations.push_async_callback(lambda: station.transport.close())
            return station

        yield make
