"""Announcements that lie or flood: two members meet all the same, and what is kept of strangers has a bound.

Never here: what an announcement reveals (`tests/peerd/network/test_discovery.py`).
"""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from zeroconf.asyncio import AsyncServiceInfo

from peerd.network.discovery import SEEN_MAX, Discovery
from peerd.network.peer import ADDRESSES_MAX
from peerd_protocol.beacon import SERVICE_TYPE
from tests.attacks.flood import GROUP, PORT, packets, socket_on_loopback
from tests.peerd.network.station import Station

SERVICES = 10_000
RECORDS_MAX = 10_000
"""As zeroconf itself bounds them."""
GAP_S_MAX = 0.25
"""Far below half a heartbeat's interval."""


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERD_MDNS_INTERFACES", "127.0.0.1")


@contextlib.asynccontextmanager
async def two_members(tmp_path: Path) -> AsyncIterator[tuple[Station, Station]]:
    ada, bob = Station(tmp_path, "ada"), Station(tmp_path, "bob")
    ada.lets_in(bob)
    await asyncio.gather(ada.start(), bob.start())
    try:
        yield ada, bob
    finally:
        await asyncio.gather(ada.transport.close(), bob.transport.close())


async def test_whoever_names_addresses_without_end_keeps_no_two_members_apart(tmp_path: Path) -> None:
    """A hint every ten milliseconds, each for a port where nobody answers."""
    async with two_members(tmp_path) as (ada, bob):
        port = bob.port
        await bob.transport.close()
        ada.transport.dial("127.0.0.1", port, bob.node)
        deaf = [socket.create_server(("0.0.0.0", 0), backlog=128) for _ in range(4)]
        ports = itertools.cycle([listening.getsockname()[1] for listening in deaf])

        async def flood() -> None:
            for last in itertools.cycle(range(1, 255)):
                ada.transport.dial(f"127.0.0.{last}", next(ports), bob.node)
                await asyncio.sleep(0.01)

        flooding = asyncio.create_task(flood())
        await asyncio.sleep(0.5)
        await bob.restart(port)
        bob.dial(ada)  # its Hello is better than any hint
        await ada.is_told("connected", bob.node, 8.0)
        await bob.transport.close()
        ada.told.clear()
        await asyncio.sleep(1.0)  # a hundred hints push out all that may be pushed out
        await bob.restart(port)  # and this time it does not dial, so that only the address that was true helps
        await ada.is_told("connected", bob.node, 10.0)
        assert len(ada.transport._peers[bob.node]._addresses) <= ADDRESSES_MAX
        flooding.cancel()
        await asyncio.wait([flooding])
        for listening in deaf:
            listening.close()


async def test_ten_thousand_services_cost_neither_memory_nor_heartbeats(tmp_path: Path) -> None:
    async with two_members(tmp_path) as (ada, bob):
        found: asyncio.Queue[tuple[str, str, int]] = asyncio.Queue()
        listening = Discovery(ada.node, ada.roster, lambda *what: found.put_nowait(what))
        announced = Discovery(bob.node, bob.roster, lambda *what: None)
        assert await listening.start(7_001)
        flood = list(packets(SERVICES))

        async def pace() -> float:
            longest_s, loop = 0.0, asyncio.get_running_loop()
            while True:
                before_s = loop.time()
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    return longest_s
                longest_s = max(longest_s, loop.time() - before_s)

        pacing = asyncio.create_task(pace())
        with socket_on_loopback() as sender:
            for number, packet in enumerate(flood):
                sender.sendto(packet, (GROUP, PORT))
                if number % 2 == 0:
                    await asyncio.sleep(0)
        assert await announced.start(7_002)  # in the middle of it, as its packets are still being read
        async with asyncio.timeout(10):
            assert await found.get() == (bob.node, "127.0.0.1", 7_002)
        pacing.cancel()
        assert await pacing < GAP_S_MAX
        while not found.empty():  # once more, say, as his record is renewed; nobody else
            assert found.get_nowait() == (bob.node, "127.0.0.1", 7_002)
        assert len(listening._seen) <= SEEN_MAX
        assert listening._zeroconf is not None
        cache = listening._zeroconf.zeroconf.cache
        assert 100 < sum(map(len, cache.cache.values())) <= RECORDS_MAX
        await asyncio.gather(listening.close(), announced.close())


async def test_a_copied_announcement_leads_nowhere_else(tmp_path: Path) -> None:
    """Of a member's own record, under another name, with another address and port: nobody dials there."""
    async with two_members(tmp_path) as (ada, bob):
        found: asyncio.Queue[tuple[str, str, int]] = asyncio.Queue()
        listening = Discovery(ada.node, ada.roster, lambda *what: found.put_nowait(what))
        announced = Discovery(bob.node, bob.roster, lambda *what: None)
        assert await listening.start(7_001) and await announced.start(7_002)
        async with asyncio.timeout(10):
            assert await found.get() == (bob.node, "127.0.0.1", 7_002)
        info = announced._info
        assert isinstance(info, AsyncServiceInfo) and info.name.endswith(SERVICE_TYPE)
        copied = {key.decode(): (value or b"").decode() for key, value in info.properties.items()}
        with socket_on_loopback() as sender:
            for packet in packets(20, copied, host="127.6.6.6", port=666):
                sender.sendto(packet, (GROUP, PORT))
            for packet in packets(1, copied, host="127.6.6.6", port=7_002):  # what it always said
                sender.sendto(packet, (GROUP, PORT))
        async with asyncio.timeout(10):
            assert await found.get() == (bob.node, "127.0.0.1", 7_002)
        assert found.empty()
        await asyncio.gather(listening.close(), announced.close())
