"""A device that was let in and is no longer trusted: on live connections, in the middle of a handoff, and as a guest.

The daemons are real, with toy engines. Never here: the signatures of certificates and revocations.
"""

import asyncio
import time
from collections.abc import Iterator

import pytest
import zmq.asyncio

from peerd.demo.cluster import Cluster, pair
from peerd.network.sockets import Lane, new_context
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import HandoffId
from peerd_protocol.messages import Chunk, Heartbeat, Preclaim
from peerd_protocol.roles import GUEST
from tests.attacks.attacker import Attacker, keys_of
from tests.peerd.network.conftest import NewStation
from tests.peerd.network.station import Station, meet
from tests.protocol.samples import OFFER, SAMPLES

HEARTBEAT_S = 1.0
CHUNK = 64 * 1024


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environment = {"PEERD_ENGINE": "toy", "PEERD_MDNS_INTERFACES": "127.0.0.1"}
    with Cluster(tmp_path_factory.mktemp("revoked"), ["ada", "bob", "cleo", "dan"], environment=environment) as four:
        four.start()
        for joiner in four.nodes[1:3]:
            pair(four["ada"], joiner)
        yield four


def members(cluster: Cluster, name: str) -> set[str]:
    return {member.name for member in cluster[name].client.view().members}


def until_members(cluster: Cluster, name: str, wanted: set[str], within_s: float) -> float:
    began_s = time.monotonic()
    while members(cluster, name) != wanted:
        assert time.monotonic() - began_s < within_s, members(cluster, name)
        time.sleep(0.02)
    return time.monotonic() - began_s


def reached(cluster: Cluster, name: str) -> set[str]:
    return {member.name for member in cluster[name].client.view().members if member.path}


def test_who_is_revoked_is_a_stranger_to_every_node_within_a_heartbeat(cluster: Cluster) -> None:
    deadline_s = time.monotonic() + 15
    while not (reached(cluster, "bob") >= {"ada", "cleo"} and reached(cluster, "ada") >= {"bob", "cleo"}):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    with pytest.raises(LocalError, match="run the command on ada"):
        cluster["bob"].client.revoke("cleo")
    with pytest.raises(LocalError, match="No member is called 'zoe'"):
        cluster["ada"].client.revoke("zoe")
    began_s = time.monotonic()
    revoked = cluster["ada"].client.revoke("cleo")
    assert revoked.name == "cleo" and revoked.told == 1
    until_members(cluster, "bob", {"ada", "bob"}, HEARTBEAT_S)
    assert time.monotonic() - began_s < HEARTBEAT_S
    while reached(cluster, "cleo"):  # the others cut it off: their ports refuse its key
        assert time.monotonic() - began_s < 10, reached(cluster, "cleo")
        time.sleep(0.05)
    while reached(cluster, "bob") != {"ada"}:  # both cut all that came in, and dialled each other again
        assert time.monotonic() - began_s < 10, reached(cluster, "bob")
        time.sleep(0.05)


def test_who_leaves_is_alone_and_may_join_another_cluster(cluster: Cluster) -> None:
    with pytest.raises(LocalError, match="keeps the cluster's root key"):
        cluster["ada"].client.leave()
    with pytest.raises(LocalError, match="nothing to leave"):
        cluster["dan"].client.leave()
    cluster["bob"].client.leave()
    assert members(cluster, "bob") == {"bob"}
    pair(cluster["dan"], cluster["bob"])
    assert members(cluster, "bob") == {"bob", "dan"}


async def test_a_handoff_of_a_revoked_device_ends_in_the_middle(new_station: NewStation) -> None:
    ada, mal = new_station("ada"), new_station("mal")
    ada.lets_in(mal)
    await ada.start()
    context: zmq.asyncio.Context = new_context()
    attacker = Attacker(context, ada, keys_of(mal), Lane.BULK).connect(ada, Lane.BULK)
    await attacker.hello()
    for number in range(64):
        if number == 8:
            await ada.hears(_chunk(7))
            ada.roster.revoke(mal.node)  # the transport is told a moment later
        await attacker.say(_chunk(number))
    await ada.drops("not a member", 56)
    assert len(ada.heard) == 8
    ada.transport.roster_changed()
    await attacker.is_cut()
    attacker.close()
    context.destroy(0)


async def test_a_guest_claims_no_rank_and_sees_no_ones_words(new_station: NewStation) -> None:
    ada, bob, gus = new_station("ada"), new_station("bob"), new_station("gus")
    ada.lets_in(bob)
    them = gus.identity
    ada.roster.admit(them.device_key, them.curve_key, them.key_bind, "gus", GUEST)
    gus.roster.adopt(ada.roster.keys, ada.roster.certificates, ada.roster.revocations)
    await asyncio.gather(ada.start(), gus.start())
    await meet(ada, gus)
    beat = next(each for each in SAMPLES if isinstance(each, Heartbeat))
    assert beat.leading
    for lie in (Preclaim(counter=9), OFFER, beat):
        gus.transport._peers[ada.node].send(Lane.CONTROL, _frame(lie))
    await ada.drops("beyond its roles", 3)
    assert not ada.transport.send(gus.node, OFFER), "an offer shows the words of others"
    assert not gus.roster.is_admin
    assert [type(message).__name__ for _, message in ada.heard] == ["Hello"]


async def test_a_name_that_two_devices_share_revokes_neither(new_station: NewStation) -> None:
    ada, one = new_station("ada"), new_station("bob")
    other = Station(ada.folder.parent / "elsewhere", "bob")
    ada.lets_in(one, other)
    with pytest.raises(LocalError, match="2 members are called 'bob'"):
        ada.roster.find("bob")
    assert ada.roster.find(one.node[:20]) == one.node == ada.roster.find(one.node.lower())
    with pytest.raises(LocalError, match="give 13 of its letters or more: " + one.node):
        ada.roster.find(one.node[:7])
    await other.transport.close()


def _chunk(number: int) -> Chunk:
    return Chunk(handoff=HandoffId("h"), offset=number * CHUNK, data=bytes(CHUNK))


def _frame(message: object) -> bytes:
    import msgspec

    return msgspec.msgpack.encode(message)
