"""Discovery on loopback, with real multicast: members recognise each other, nobody else learns anything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from peerd.network import discovery
from peerd.network.discovery import Discovery
from peerd_protocol.beacon import SERVICE_TYPE, beacon, recognise
from peerd_protocol.ids import NodeId
from tests.peerd.network.conftest import NewStation
from tests.peerd.network.station import WAIT_S_MAX, Station

Look = Callable[[Station, int], "asyncio.Future[Discovery]"]


class Finder:
    """A station's discovery, and whom it found."""

    def __init__(self, station: Station) -> None:
        self.found: list[tuple[NodeId, str, int]] = []
        self._news = asyncio.Event()
        self.discovery = Discovery(station.node, station.roster, self._on_found)

    def _on_found(self, node: NodeId, host: str, port: int) -> None:
        self.found.append((node, host, port))
        self._news.set()

    async def finds(self, node: NodeId, port: int) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            while (node, "127.0.0.1", port) not in self.found:
                self._news.clear()
                await self._news.wait()


NewFinder = Callable[[Station], Finder]


@pytest.fixture
async def new_finder(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NewFinder]:
    monkeypatch.setenv("PEERD_MDNS_INTERFACES", "127.0.0.1")
    async with AsyncExitStack() as finders:

        def make(station: Station) -> Finder:
            finder = Finder(station)
            finders.push_async_callback(finder.discovery.close)
            return finder

        yield make


async def test_two_members_find_each_other_and_ignore_a_stranger(
    new_station: NewStation, new_finder: NewFinder
) -> None:
    ada, bob, eve = new_station("ada"), new_station("bob"), new_station("eve")
    ada.lets_in(bob)
    finders = [new_finder(station) for station in (ada, bob, eve)]
    for finder, port in zip(finders, (7001, 7002, 7003), strict=True):
        assert await finder.discovery.start(port)
    await finders[0].finds(bob.node, 7002)
    await finders[1].finds(ada.node, 7001)
    assert finders[2].found == []
    assert eve.node not in {node for node, _, _ in finders[0].found + finders[1].found}


async def test_a_node_that_joins_is_found_without_a_restart(new_station: NewStation, new_finder: NewFinder) -> None:
    ada, cyd = new_station("ada"), new_station("cyd")
    one, other = new_finder(ada), new_finder(cyd)
    assert await one.discovery.start(7001) and await other.discovery.start(7002)
    ada.lets_in(cyd)
    one.discovery.roster_changed()
    other.discovery.roster_changed()
    await asyncio.gather(one.finds(cyd.node, 7002), other.finds(ada.node, 7001))


async def test_what_may_have_been_lost_is_announced_again_and_not_for_ever(
    new_station: NewStation, new_finder: NewFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = new_station("ada")
    monkeypatch.setattr(discovery, "INTERFACES_POLL_S", 0.01)
    monkeypatch.setattr(discovery, "AGAIN_S", (0.02, 0.04))
    announced, said = [], asyncio.Event()
    announce = Zeroconf.async_update_service

    def watched(self: Zeroconf, info: AsyncServiceInfo) -> Awaitable[None]:
        announced.append(info.port)
        said.set()
        return announce(self, info)

    monkeypatch.setattr(Zeroconf, "async_update_service", watched)
    assert await new_finder(ada).discovery.start(7021)
    async with asyncio.timeout(WAIT_S_MAX):
        while len(announced) < 2:
            said.clear()
            await said.wait()
    await asyncio.sleep(0.1)
    assert announced == [7021, 7021]


async def test_the_announcement_holds_nothing_that_identifies(new_station: NewStation, new_finder: NewFinder) -> None:
    ada = new_station("ada")
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def notice(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        info = AsyncServiceInfo(service_type, name)
        if info.load_from_cache(zeroconf) and info.port == 7011 and not heard.done():
            assert set(info.properties) == {b"v", b"n", b"a", b"c"}
            assert info.properties[b"a"] == b"127.0.0.1"
            heard.set_result(f"{name} {info.server} {info.properties}")

    async with AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only) as passer_by:
        browser = AsyncServiceBrowser(passer_by.zeroconf, SERVICE_TYPE, handlers=[notice])
        assert await new_finder(ada).discovery.start(7011)
        async with asyncio.timeout(WAIT_S_MAX):
            shown = await heard
        await browser.async_cancel()
    for secret in (ada.name, ada.node, ada.roster.cluster, ada.identity.device_key.hex(), ada.identity.curve_key.hex()):
        assert secret.lower() not in shown.lower()


@pytest.mark.parametrize(
    "txt",
    [
        {},
        {b"v": b"1"},
        {b"v": b"1", b"n": b"00", b"c": b"00", b"a": b"10.0.0.1"},
        {b"v": b"1", b"n": b"zz" * 16, b"c": b"00" * 16, b"a": b"10.0.0.1"},
        {b"v": b"1", b"n": b"00" * 16, b"c": b"00" * 16},
        {b"v": b"1", b"n": b"00" * 16, b"c": b"00" * 16, b"a": b"example.org"},
        {b"v": b"1", b"n": b"00" * 16, b"c": b"00" * 16, b"a": b",".join([b"10.0.0.1"] * 9)},
        {b"v": b"1", b"n": None, b"c": None, b"a": None},
        {b"v": b"2", b"n": b"00" * 16, b"c": b"00" * 16, b"a": b"10.0.0.1"},
    ],
)
def test_a_malformed_announcement_is_nobodys(txt: dict[bytes, bytes | None]) -> None:
    assert recognise(b"s" * 32, [NodeId("ada")], txt, 7_001) is None


def test_only_the_same_secret_recognises_and_only_the_same_node() -> None:
    txt = as_seen(beacon(b"s" * 32, b"n" * 16, NodeId("ada"), ["10.0.0.1", "10.0.0.2"], 7_001))
    found = (NodeId("ada"), ("10.0.0.1", "10.0.0.2"))
    assert recognise(b"s" * 32, [NodeId("bob"), NodeId("ada")], txt, 7_001) == found
    assert recognise(b"t" * 32, [NodeId("ada")], txt, 7_001) is None
    assert recognise(b"s" * 32, [NodeId("bob")], txt, 7_001) is None


def test_a_copied_announcement_that_names_another_place_is_nobodys() -> None:
    txt = as_seen(beacon(b"s" * 32, b"n" * 16, NodeId("ada"), ["10.0.0.1"], 7_001))
    assert recognise(b"s" * 32, [NodeId("ada")], txt, 7_002) is None
    assert recognise(b"s" * 32, [NodeId("ada")], {**txt, b"a": b"10.6.6.6"}, 7_001) is None


def as_seen(txt: dict[str, str]) -> dict[bytes, bytes | None]:
    return {key.encode(): value.encode() for key, value in txt.items()}
