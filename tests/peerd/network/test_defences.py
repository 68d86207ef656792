"""Attacks on a transport, with plain ZeroMQ sockets in the attacker's hands. Each ends with nothing delivered.

That nothing came is shown by something that did: every story ends with a word from an honest member, which arrives
after the attack on the same sockets.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest
import zmq
import zmq.asyncio

from peerd.network.identity import new_curve_keys
from peerd.network.knock import Knock, knock, prove_door_is_shut
from peerd.network.sockets import ZAP_DOMAIN, Lane, new_context, receiving, sending, sending_patiently
from peerd.network.zap import Doorkeeper
from peerd_protocol import codec
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import HandoffId
from peerd_protocol.messages import AnyMessage, Chunk, Hello, Preclaim
from peerd_protocol.sequence import pack_header
from tests.peerd.network.conftest import NewStation
from tests.peerd.network.station import WAIT_S_MAX, Station, meet, word

CHANNEL = b"attackers channel"[:16]


@pytest.fixture
def context() -> Iterator[zmq.asyncio.Context]:
    made = new_context()
    yield made
    made.destroy(0)


class Attacker:
    """A bare socket that speaks the wire format, with whatever keys it was given."""

    def __init__(
        self, context: zmq.asyncio.Context, target: Station, keys: tuple[bytes, bytes], lane: Lane = Lane.CONTROL
    ) -> None:
        self.socket = sending_patiently(context, lane, keys, target.identity.curve_key)
        self.number = 0
        self._hello = codec.encode(target.transport._hello(1, 2))

    def connect(self, target: Station, lane: Lane = Lane.CONTROL) -> "Attacker":
        port = target.port if lane is Lane.CONTROL else target.transport.bulk_port
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        return self

    async def hello(self) -> None:
        await self.frame(self._hello)

    async def say(self, message: AnyMessage) -> None:
        await self.frame(codec.encode(message))

    async def frame(self, body: bytes, number: int | None = None) -> None:
        self.number += 1
        await self.parts(pack_header(CHANNEL, number if number is not None else self.number) + body)

    async def parts(self, *parts: bytes) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            await self.socket.send_multipart(parts)


def member_keys(station: Station) -> tuple[bytes, bytes]:
    return station.identity.curve_key, station.identity.curve_secret


async def honest_word(ada: Station, bob: Station, number: int) -> None:
    """A word from an honest member still arrives."""
    if bob.node not in {node for node, _ in ada.transport.connected.items()}:
        await meet(ada, bob)
    assert bob.transport.send(ada.node, word(number))
    await ada.hears(word(number))


async def three(new_station: NewStation) -> tuple[Station, Station, Station]:
    """Ada, who is attacked, honest Bob, and Mal: a member whose keys the attacker has."""
    ada, bob, mal = new_station("ada"), new_station("bob"), new_station("mal")
    ada.lets_in(bob, mal)
    await asyncio.gather(ada.start(), bob.start())
    return ada, bob, mal


def said(station: Station) -> set[int]:
    return {message.counter for _, message in station.heard if isinstance(message, Preclaim)}


async def test_a_stranger_is_not_let_in_and_its_words_go_nowhere(
    new_station: NewStation, context: zmq.asyncio.Context
) -> None:
    ada, bob, _ = await three(new_station)
    for lane in Lane:
        stranger = Attacker(context, ada, new_curve_keys(), lane).connect(ada, lane)
        with pytest.raises(zmq.Again):
            await stranger.socket.send(b"anything", zmq.NOBLOCK)
        port = ada.port if lane is Lane.CONTROL else ada.transport.bulk_port
        outcome = await knock(context, "127.0.0.1", port, ada.identity.curve_key, new_curve_keys(), lane)
        assert outcome is Knock.TURNED_AWAY
        stranger.socket.close(0)
    await honest_word(ada, bob, 1)
    assert said(ada) == {1} and {sender for sender, _ in ada.heard} == {bob.node}


async def test_without_curve_nobody_is_let_in(new_station: NewStation, context: zmq.asyncio.Context) -> None:
    ada, bob, _ = await three(new_station)
    plain = context.socket(zmq.PUSH)
    plain.setsockopt(zmq.IMMEDIATE, 1)
    plain.connect(f"tcp://127.0.0.1:{ada.port}")
    monitor = plain.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    async with asyncio.timeout(WAIT_S_MAX):
        await monitor.recv_multipart()
    plain.disable_monitor()
    monitor.close(0)
    plain.close(0)
    await honest_word(ada, bob, 1)
    assert said(ada) == {1}


async def test_a_dead_doorkeeper_means_a_closed_door(new_station: NewStation, context: zmq.asyncio.Context) -> None:
    """libzmq lets everybody in when nobody answers for the domain, unless it is told to enforce it."""
    ada, bob, mal = await three(new_station)
    await meet(ada, bob)
    assert ada.transport._doorkeeper is not None
    await ada.transport._doorkeeper.close()
    for keys in (member_keys(mal), new_curve_keys()):
        assert await knock(context, "127.0.0.1", ada.port, ada.identity.curve_key, keys) is not Knock.LET_IN
    await honest_word(ada, bob, 1)  # who was in before stays in
    assert {sender for sender, _ in ada.heard} == {bob.node}


async def test_the_self_test_refuses_to_open_a_door_that_lets_strangers_in(context: zmq.asyncio.Context) -> None:
    keys = new_curve_keys()
    door = receiving(context, Lane.CONTROL, keys[1])
    port = door.bind_to_random_port("tcp://127.0.0.1")
    careless = Doorkeeper(context, ZAP_DOMAIN, lambda key: "anybody")
    with pytest.raises(LocalError, match="a stranger's key was let in"):
        await prove_door_is_shut(context, "127.0.0.1", port, keys[0], Lane.CONTROL)
    await careless.close()
    door.close(0)


async def test_a_revoked_member_is_silent_at_once_on_a_connection_that_stays_open(
    new_station: NewStation, context: zmq.asyncio.Context
) -> None:
    ada, bob, mal = await three(new_station)
    await meet(ada, bob)
    attacker = Attacker(context, ada, member_keys(mal)).connect(ada)
    await attacker.hello()
    await attacker.say(word(1))
    assert await ada.hears(word(1)) == mal.node
    ada.roster.revoke(mal.node)
    await attacker.say(word(2))  # libzmq can't end this connection, and the transport has not been told yet
    await ada.drops("not a member")
    await honest_word(ada, bob, 3)
    assert said(ada) == {1, 3}
    attacker.socket.close(0)


async def test_a_revocation_cuts_the_connections_of_the_revoked_and_the_others_come_back(
    new_station: NewStation, context: zmq.asyncio.Context
) -> None:
    ada, bob, mal = await three(new_station)
    await mal.start()
    await asyncio.gather(meet(ada, bob), meet(ada, mal))
    bob.told.clear()
    ada.roster.revoke(mal.node)
    ada.transport.roster_changed()
    await mal.is_told("closed", ada.node)
    assert mal.node not in ada.transport.connected and not ada.transport.send(mal.node, word(9))
    await bob.is_told("connected", ada.node)
    assert ("refused", ada.node) not in bob.told  # a socket that is bound again is not a death
    bob.transport.send(ada.node, word(1))
    await ada.hears(word(1))
    assert await knock(context, "127.0.0.1", ada.port, ada.identity.curve_key, member_keys(mal)) is Knock.TURNED_AWAY


async def test_a_member_can_not_speak_in_another_ones_name(
    new_station: NewStation, context: zmq.asyncio.Context
) -> None:
    """A routing id, a name in the Hello, anything in the frame: the sender is whose key encrypted it."""
    ada, bob, mal = await three(new_station)
    await meet(ada, bob)
    attacker = Attacker(context, ada, member_keys(mal))
    attacker.socket.setsockopt(zmq.ROUTING_ID, bob.node.encode())
    attacker.connect(ada)
    await attacker.say(Hello(version=1, name="bob", boot=bob._hello(1, 1).boot, control_port=bob.port, bulk_port=1))
    await attacker.say(word(1))
    assert await ada.hears(word(1)) == mal.node
    await honest_word(ada, bob, 2)
    attacker.socket.close(0)


async def test_no_routing_id_brings_the_process_down(new_station: NewStation, context: zmq.asyncio.Context) -> None:
    """A ROUTER aborts its process when a member takes the number that it would give next; a PULL has no numbers."""
    ada, bob, mal = await three(new_station)
    sockets = []
    for place in range(64):
        attacker = Attacker(context, ada, member_keys(mal))
        attacker.socket.setsockopt(zmq.ROUTING_ID, b"\0" + (2**32 * place // 64).to_bytes(4, "big"))
        attacker.connect(ada)
        await attacker.hello()
        sockets.append(attacker.socket)
    await honest_word(ada, bob, 1)
    for socket in sockets:
        socket.close(0)


async def test_oversized_frames_end_the_connection_and_reach_nobody(
    new_station: NewStation, context: zmq.asyncio.Context
) -> None:
    ada, bob, mal = await three(new_station)
    for lane, bytes_max in ((Lane.CONTROL, codec.CONTROL_BYTES_MAX), (Lane.BULK, codec.BULK_BYTES_MAX)):
        attacker = Attacker(context, ada, member_keys(mal), lane).connect(ada, lane)
        monitor = attacker.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        await attacker.frame(bytes(2 * bytes_max))
        async with asyncio.timeout(WAIT_S_MAX):
            await monitor.recv_multipart()
        attacker.socket.disable_monitor()
        monitor.close(0)
        attacker.socket.close(0)
    await honest_word(ada, bob, 1)
    assert said(ada) == {1}


async def test_frames_that_break_the_protocol_are_dropped_and_counted(
    new_station: NewStation, context: zmq.asyncio.Context
) -> None:
    ada, bob, mal = await three(new_station)
    attacker = Attacker(context, ada, member_keys(mal)).connect(ada)
    await attacker.hello()
    header = pack_header(CHANNEL, 50)
    await attacker.parts(header, codec.encode(word(2)))
    await attacker.parts(header + codec.encode(word(3)), b"")
    await attacker.parts(b"")
    await attacker.parts(b"short")
    await attacker.parts(header + b"\xc1")
    await attacker.frame(codec.encode(word(4)))
    await ada.hears(word(4))
    counts = ada.transport.counts
    assert counts["wrong number of parts"] == 2 and counts["malformed"] == 3
    assert said(ada) == {4}
    await honest_word(ada, bob, 5)
    attacker.socket.close(0)


async def test_echoes_late_frames_and_earlier_lives_are_dropped(
    new_station: NewStation, context: zmq.asyncio.Context
) -> None:
    ada, _, mal = await three(new_station)
    attacker = Attacker(context, ada, member_keys(mal)).connect(ada)
    await attacker.frame(codec.encode(word(1)))  # no Hello came before it
    await attacker.hello()
    await attacker.say(word(2))
    await attacker.frame(codec.encode(word(3)), number=attacker.number)  # an echo of the number before
    await attacker.frame(codec.encode(word(4)), number=1)  # late
    other = pack_header(b"Mal's other life", 1)
    await attacker.parts(other + attacker._hello)
    await attacker.frame(attacker._hello, number=90)  # back to the earlier life
    await attacker.frame(codec.encode(word(5)), number=91)
    await attacker.parts(pack_header(b"Mal's other life", 2) + codec.encode(word(6)))
    await ada.hears(word(6))
    assert said(ada) == {2, 6}
    assert ada.transport.counts["stale"] == 5
    attacker.socket.close(0)


async def test_a_word_on_the_bulk_lane_is_dropped(new_station: NewStation, context: zmq.asyncio.Context) -> None:
    ada, _, mal = await three(new_station)
    attacker = Attacker(context, ada, member_keys(mal), Lane.BULK).connect(ada, Lane.BULK)
    await attacker.hello()
    await attacker.say(word(1))
    last = Chunk(handoff=HandoffId("h"), offset=0, data=b"")
    await attacker.say(last)
    await ada.hears(last)
    assert said(ada) == set() and ada.transport.counts["wrong lane"] == 1
    attacker.socket.close(0)


async def test_a_flood_from_one_member_does_not_starve_another(
    new_station: NewStation, context: zmq.asyncio.Context
) -> None:
    ada, bob, mal = await three(new_station)
    await meet(ada, bob)
    stop = threading.Event()

    def flood() -> None:
        """From a thread of its own, as fast as libzmq takes it."""
        socket = sending(context, Lane.CONTROL, member_keys(mal), ada.identity.curve_key)
        socket.setsockopt(zmq.SNDTIMEO, 1_000)
        socket.connect(f"tcp://127.0.0.1:{ada.port}")
        while not stop.is_set():
            with contextlib.suppress(zmq.Again):
                socket.send(b"\xc1" * 64)
        socket.close(0)

    flooding = asyncio.create_task(asyncio.to_thread(flood))
    try:
        await ada.drops("malformed", 1_000)
        for number in range(1, 6):
            await honest_word(ada, bob, number)
    finally:
        stop.set()
        await flooding
