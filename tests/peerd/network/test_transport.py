"""Transports on real sockets: members talk, whatever order they start, stop and move in."""

import asyncio
import errno
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import zmq

from peerd.network import peer
from peerd.network.addresses import FILE_NAME
from peerd.network.knock import Knock, knock
from peerd.network.sockets import new_context
from peerd_protocol.bounds import CHUNK_BYTES_MAX
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import HandoffId
from peerd_protocol.messages import Chunk, Hello
from tests.peerd.network.conftest import NewStation
from tests.peerd.network.station import Station, meet, word

ROOT = Path(__file__).parents[3]


async def two_members(new_station: NewStation) -> tuple[Station, Station]:
    ada, bob = new_station("ada"), new_station("bob")
    ada.lets_in(bob)
    await asyncio.gather(ada.start(), bob.start())
    return ada, bob


async def test_two_members_talk_both_ways_though_only_one_dialled(new_station: NewStation) -> None:
    ada, bob = await two_members(new_station)
    await meet(ada, bob)
    assert ada.transport.send(bob.node, word(1))
    assert bob.transport.send(ada.node, word(2))
    assert await bob.hears(word(1)) == ada.node
    assert await ada.hears(word(2)) == bob.node
    assert isinstance(ada.heard[0][1], Hello) and isinstance(bob.heard[0][1], Hello)


async def test_chunks_take_the_bulk_lane_in_order_and_wait_for_its_handshake(new_station: NewStation) -> None:
    ada, bob = await two_members(new_station)
    await meet(ada, bob)
    chunks = [
        Chunk(handoff=HandoffId("h"), offset=place * CHUNK_BYTES_MAX, data=bytes([place]) * CHUNK_BYTES_MAX)
        for place in range(8)
    ]
    sent = [ada.transport.send(bob.node, chunk) for chunk in chunks]
    assert all(sent)
    await bob.hears(chunks[-1])
    assert [message for _, message in bob.heard if isinstance(message, Chunk)] == chunks


async def test_a_message_to_somebody_who_is_not_connected_is_refused_and_never_waits(new_station: NewStation) -> None:
    ada, bob = await two_members(new_station)
    assert not ada.transport.send(bob.node, word(1))


async def test_a_killed_peer_is_known_to_be_gone_within_a_second(new_station: NewStation) -> None:
    ada, bob = await two_members(new_station)
    await meet(ada, bob)
    started = time.monotonic()
    await bob.transport.close()
    await ada.is_told("refused", bob.node)
    assert time.monotonic() - started < 1.5  # bob's own closing included
    assert ada.told == [("connected", bob.node), ("closed", bob.node), ("refused", bob.node)]


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.peerd.network.station import Station

async def live():
    station = Station(Path(sys.argv[1]), "bob")
    await station.start()
    station.transport.dial("127.0.0.1", int(sys.argv[2]), None)
    await asyncio.Event().wait()

asyncio.run(live())
"""


async def test_a_process_that_is_killed_is_known_to_be_gone_within_a_second(new_station: NewStation) -> None:
    ada, bob = new_station("ada"), new_station("bob")
    ada.lets_in(bob)
    await ada.start()
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("", "protocol"))
    words = (sys.executable, "-c", CHILD, str(bob.folder.parent), str(ada.port))
    child = await asyncio.create_subprocess_exec(*words, env={**os.environ, "PYTHONPATH": paths}, cwd=ROOT)
    await ada.is_told("connected", bob.node, seconds=30)  # a cold Python on a busy device
    started = time.monotonic()
    child.kill()
    await ada.is_told("refused", bob.node)
    assert time.monotonic() - started < 1.5
    await child.wait()


async def test_a_peer_that_restarts_on_its_port_is_met_again_by_itself(new_station: NewStation) -> None:
    ada, bob = await two_members(new_station)
    await meet(ada, bob)
    port = bob.port
    ada.told.clear()
    await bob.restart(port)
    await asyncio.gather(ada.is_told("connected", bob.node), bob.is_told("connected", ada.node))
    assert bob.transport.send(ada.node, word(3))
    assert await ada.hears(word(3)) == bob.node


async def test_a_peer_that_restarts_on_another_port_says_so_itself(new_station: NewStation) -> None:
    ada, bob = await two_members(new_station)
    await meet(ada, bob)
    ada.told.clear()
    await bob.restart()  # its address book leads it back to ada, and its Hello leads ada to it
    await asyncio.gather(ada.is_told("connected", bob.node), bob.is_told("connected", ada.node))
    assert ada.transport.send(bob.node, word(4))
    assert await bob.hears(word(4)) == ada.node


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 without being asked")
async def test_a_peer_that_says_hello_from_a_new_address_is_sought_there_once_the_old_one_is_silent(
    new_station: NewStation,
) -> None:
    """Its old connection looks well for some seconds more, and its Hello comes but once."""
    ada, bob = await two_members(new_station)
    await meet(ada, bob)
    port = bob.port
    ada.transport._heard(bob.node, "127.0.0.2", bob._hello(port, bob.transport.bulk_port))
    assert ada.transport.connected[bob.node] == ("127.0.0.1", port), "what works is left alone"
    await bob.transport.close()
    (bob.folder / FILE_NAME).unlink()  # else it would dial, and say so again
    ada.told.clear()
    bob.transport = bob._new_transport()
    await bob.transport.start("127.0.0.2", port)
    await ada.is_told("connected", bob.node)
    assert ada.transport.connected[bob.node] == ("127.0.0.2", port)


async def test_a_device_without_a_free_descriptor_seeks_on_until_it_has_one(
    new_station: NewStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control and bulk alike: a hello that comes meanwhile is heard, and a chunk opens its lane later."""
    ada, bob = await two_members(new_station)
    left, made = [1, 2, 3], peer.Channel

    def scarce(*arguments: Any) -> peer.Channel:
        if left:
            left.pop()
            raise zmq.ZMQError(errno.EMFILE)
        return made(*arguments)

    monkeypatch.setattr(peer, "Channel", scarce)
    monkeypatch.setattr(peer, "ATTEMPT_S_MAX", 0.05)
    await meet(ada, bob)
    assert not left
    chunk = Chunk(handoff=HandoffId("h"), offset=0, data=b"c")
    await bob.until(lambda: any(isinstance(message, Hello) for _, message in bob.heard))
    assert ada.transport.send(bob.node, chunk)
    await bob.hears(chunk)


async def test_the_oldest_address_makes_room_for_a_new_one_and_never_the_one_in_use(new_station: NewStation) -> None:
    ada, bob = await two_members(new_station)
    seen = ada.transport._peer_for(bob.node)
    assert seen is not None
    await meet(ada, bob)
    in_use = seen.address
    assert in_use is not None
    for number in range(2 * peer.ADDRESSES_MAX):
        seen.dial((f"10.0.0.{number}", 1))
    assert len(seen._addresses) == peer.ADDRESSES_MAX
    assert in_use in seen._addresses
    assert seen._addresses[0] == (f"10.0.0.{2 * peer.ADDRESSES_MAX - 1}", 1)


async def test_a_named_address_is_enough_to_find_out_which_member_listens_there(new_station: NewStation) -> None:
    ada, bob, cyd = new_station("ada"), new_station("bob"), new_station("cyd")
    ada.lets_in(bob, cyd)
    await asyncio.gather(ada.start(), cyd.start())
    ada.transport.dial("127.0.0.1", cyd.port, None)
    await ada.is_told("connected", cyd.node)
    await cyd.is_told("connected", ada.node)


async def test_a_named_address_may_come_to_life_later(new_station: NewStation) -> None:
    ada, bob = new_station("ada"), new_station("bob")
    ada.lets_in(bob)
    await bob.start()
    port = bob.port
    await bob.transport.close()
    await ada.start()
    ada.transport.dial("127.0.0.1", port, None)
    await bob.restart(port)
    await asyncio.gather(ada.is_told("connected", bob.node), bob.is_told("connected", ada.node))


async def test_stale_addresses_do_not_hide_the_right_one(new_station: NewStation) -> None:
    ada, bob = await two_members(new_station)
    ada.dial(bob)
    for stale in (1, 2, 3):
        ada.transport.dial("127.0.0.1", stale, bob.node)
    await ada.is_told("connected", bob.node)


async def test_a_newcomer_becomes_known_through_the_roster(new_station: NewStation) -> None:
    """C was let in by A; B refuses it until A's roster reaches B, and then meets it without being asked again."""
    ada, bob, cyd = new_station("ada"), new_station("bob"), new_station("cyd")
    ada.lets_in(bob)
    await asyncio.gather(ada.start(), bob.start())
    ada.lets_in(cyd)
    await cyd.start()
    cyd.dial(bob)
    await knock_refused(cyd, bob)
    bob.roster.merge(ada.roster.certificates, ada.roster.revocations)
    bob.transport.roster_changed()
    await asyncio.gather(cyd.is_told("connected", bob.node), bob.is_told("connected", cyd.node))


async def knock_refused(stranger: Station, host: Station) -> None:
    """Until then the host has turned the stranger's own channel away, too: it is asked on the same socket."""
    context = new_context()
    keys = (stranger.identity.curve_key, stranger.identity.curve_secret)
    outcome = await knock(context, "127.0.0.1", host.port, host.identity.curve_key, keys)
    assert outcome is Knock.TURNED_AWAY
    context.term()


async def test_a_taken_port_is_named_in_one_sentence(new_station: NewStation) -> None:
    ada, bob = new_station("ada"), new_station("bob")
    await ada.start()
    with pytest.raises(LocalError, match=f"Port {ada.port} is in use; choose another"):
        await bob.start(ada.port)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def test_the_bulk_port_follows_the_control_port_where_it_is_free(new_station: NewStation) -> None:
    ada = new_station("ada")
    port = next(port for port in range(20_011, 30_000, 7) if is_free(port) and is_free(port + 1))
    await ada.start(port)
    assert (ada.port, ada.transport.bulk_port) == (port, port + 1)


async def test_the_bulk_port_is_any_other_where_it_is_not(new_station: NewStation) -> None:
    ada, bob = new_station("ada"), new_station("bob")
    port = next(port for port in range(20_013, 30_000, 7) if is_free(port) and is_free(port + 1))
    await bob.start(port + 1)
    await ada.start(port)
    assert ada.port == port
    assert ada.transport.bulk_port not in (port, port + 1)
