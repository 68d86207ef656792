"""Raw bytes at the ways in: other mechanisms, frames before any proof, a dead doorkeeper, connections by the hundred.

That nothing came is shown by something that did: every story ends with a word from an honest member. Never here: what a
member's keys allow (`test_hostile_member.py`).
"""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterator

import pytest
import zmq
import zmq.asyncio

from peerd.network import sockets
from peerd.network.identity import new_curve_keys
from peerd.network.sockets import HANDSHAKE_MS, Lane, new_context, sending
from tests.attacks.attacker import Attacker, keys_of
from tests.peerd.network.conftest import NewStation
from tests.peerd.network.station import Station, meet, word

CONNECTIONS = 500
DESCRIPTORS = 4_096


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Both ends of every connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, DESCRIPTORS)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def context() -> Iterator[zmq.asyncio.Context]:
    made = new_context()
    yield made
    made.destroy(0)


def greeting(mechanism: bytes, as_server: bool = False) -> bytes:
    return b"\xff" + bytes(8) + b"\x7f\x03\x01" + mechanism.ljust(20, b"\0") + bytes([as_server]) + bytes(31)


def command(name: bytes, body: bytes) -> bytes:
    whole = bytes([len(name)]) + name + body
    return b"\x06" + len(whole).to_bytes(8, "big") + whole


READY = command(b"READY", b"\x0bSocket-Type\0\0\0\4PUSH")
SPEECHES = {
    "NULL": greeting(b"NULL") + READY + b"\0\5hello",
    "PLAIN": greeting(b"PLAIN") + command(b"HELLO", b"\4user\4pass") + READY + b"\0\5hello",
    "a server itself": greeting(b"CURVE", as_server=True) + READY + b"\0\5hello",
    "CURVE without a proof": greeting(b"CURVE") + command(b"HELLO", bytes(194)) + b"\0\5hello",
    "CURVE that skips its handshake": greeting(b"CURVE") + command(b"INITIATE", bytes(300)) + READY + b"\0\5hello",
    "eight gibibytes": greeting(b"CURVE") + b"\x02" + (8 << 30).to_bytes(8, "big") + bytes(4_096),
    "an old version": b"\xff" + bytes(8) + b"\x7f\x01\0\5hello",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


async def honest_word(ada: Station, bob: Station, number: int) -> None:
    if ada.node not in bob.transport.connected or bob.node not in ada.transport.connected:
        await meet(ada, bob)
    assert bob.transport.send(ada.node, word(number))
    await ada.hears(word(number))


async def two(new_station: NewStation) -> tuple[Station, Station]:
    ada, bob = new_station("ada"), new_station("bob")
    ada.lets_in(bob)
    await asyncio.gather(ada.start(), bob.start())
    return ada, bob


@pytest.mark.parametrize("what", SPEECHES)
async def test_whatever_is_no_proof_is_cut_off_and_never_delivered(new_station: NewStation, what: str) -> None:
    ada, bob = await two(new_station)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for port in (ada.port, ada.transport.bulk_port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(SPEECHES[what])
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(3 * HANDSHAKE_MS / 1_000):
                while await reader.read(4_096):
                    pass
        writer.close()
    await honest_word(ada, bob, 1)
    assert {sender for sender, _ in ada.heard} == {bob.node}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


async def deliver_past_a_dead_doorkeeper(new_station: NewStation, context: zmq.asyncio.Context) -> Station:
    """A stranger and a member speak at a node whose doorkeeper is dead, as loudly as they can."""
    ada, bob = await two(new_station)
    await meet(ada, bob)
    assert ada.transport._doorkeeper is not None
    await ada.transport._doorkeeper.close()
    attackers = [Attacker(context, ada, keys).connect(ada) for keys in (new_curve_keys(), keys_of(bob))]
    for attacker in attackers:
        attacker.socket.setsockopt(zmq.SNDTIMEO, 500)
        with contextlib.suppress(zmq.Again):
            await attacker.hello()
            await attacker.say(word(666))
    await honest_word(ada, bob, 1)  # who was in before stays in
    for attacker in attackers:
        attacker.close()
    return ada


async def test_a_dead_doorkeeper_delivers_nothing(new_station: NewStation, context: zmq.asyncio.Context) -> None:
    ada = await deliver_past_a_dead_doorkeeper(new_station, context)
    assert word(666) not in [message for _, message in ada.heard]
    assert "not a member" not in ada.transport.counts, "it did not even come to the second check"


async def test_and_where_libzmq_lets_them_in_the_second_check_still_delivers_nothing(
    new_station: NewStation, context: zmq.asyncio.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defence is taken out, and libzmq 4.3.5 lets everybody in: what the story above would show without it."""
    harden = sockets._harden

    def careless(socket: "zmq.Socket[bytes]", lane: Lane) -> None:
        harden(socket, lane)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 0)

    monkeypatch.setattr(sockets, "_harden", careless)
    ada = await deliver_past_a_dead_doorkeeper(new_station, context)
    assert ada.transport.counts["not a member"] >= 2
    assert word(666) not in [message for _, message in ada.heard]


async def test_five_hundred_idle_connections_do_not_keep_a_member_out(new_station: NewStation) -> None:
    ada, bob = await two(new_station)
    with contextlib.ExitStack() as idle:
        for number in range(CONNECTIONS):
            port = ada.port if number % 2 else ada.transport.bulk_port
            idle.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5.0))
            await asyncio.sleep(0)
        await honest_word(ada, bob, 1)


async def test_five_hundred_handshakes_with_strangers_keys_do_not_keep_a_member_out(new_station: NewStation) -> None:
    ada, bob = await two(new_station)
    context = new_context()
    strangers = [sending(context, Lane.CONTROL, new_curve_keys(), ada.identity.curve_key) for _ in range(CONNECTIONS)]
    for stranger in strangers:
        stranger.connect(f"tcp://127.0.0.1:{ada.port}")
    await honest_word(ada, bob, 1)
    async with asyncio.timeout(10):
        while ada.transport.counts["refused"] < CONNECTIONS:  # noqa: ASYNC110 - refusals are counted, never announced
            await asyncio.sleep(0.05)
    for stranger in strangers:
        stranger.close(0)
    context.destroy(0)
    await honest_word(ada, bob, 2)
    assert {sender for sender, _ in ada.heard} == {bob.node}


async def test_every_socket_bounds_frames_handshakes_and_queues_and_only_the_control_lane_pings() -> None:
    """Pings cut large messages on slow links, so the bulk lane has none and its frames are small."""
    context = new_context()
    keys = new_curve_keys()
    for lane in Lane:
        receives, sends = sockets.receiving(context, lane, keys[1]), sending(context, lane, keys, keys[0])
        for made in (receives, sends):
            assert 0 < int(str(made.getsockopt(zmq.MAXMSGSIZE))) <= (1 << 20) + 64
            assert made.getsockopt(zmq.HANDSHAKE_IVL) == HANDSHAKE_MS
            assert made.getsockopt(zmq.ZAP_ENFORCE_DOMAIN) == 1 and made.getsockopt(zmq.ZAP_DOMAIN)
            assert 0 < int(str(made.getsockopt(zmq.RCVHWM))) <= 1_000
        assert (int(str(sends.getsockopt(zmq.HEARTBEAT_IVL))) > 0) == (lane is Lane.CONTROL)
        if lane is Lane.BULK:
            assert int(str(receives.getsockopt(zmq.MAXMSGSIZE))) <= 300 * 1024
        receives.close(0)
        sends.close(0)
    context.term()
