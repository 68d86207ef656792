"""Meeting: real daemons find each other by mDNS, or by address, and follow one leader through deaths and goodbyes.

Only the engine is the toy one. Never here: what they draw together (`test_sharing.py`).
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess, stop_all
from tests.world.asking import (
    TOY,
    agreement_of,
    end,
    leader_and_followers,
    restart,
    status_at,
    until,
    wait_for_agreement,
)

MEETING_GOAL_S = 4.0
MEETING_S_MAX = 12.0
"""Asserted; the goal is only printed, since these two cores may be crowded."""
SILENCE_S = 2.5
"""The soonest that silence alone can count as death: 3.5 heartbeats, the last of which came up to one before."""
WATCH_S = 2.5
"""More heartbeats than a meeting by mDNS takes."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("meeting"), ["ada", "bob", "cleo"], environment=TOY) as three:
        three.start()
        three.pair_all()
        yield three


@pytest.fixture(autouse=True)
def all_run(cluster: Cluster) -> None:
    """Each story begins with three that run and agree."""
    restart(*(node for node in cluster.nodes if node.process is None))
    cluster.wait_for_leader(within_s=MEETING_S_MAX * 2)


def stop(*nodes: NodeProcess) -> None:
    stop_all(list(nodes))


def forget_addresses(*nodes: NodeProcess) -> None:
    """As if nobody had ever been reached; keys and roster stay."""
    for node in nodes:
        book: Path = node.home / "addresses"
        assert book.exists(), f"{node.name} never noted an address; the file has moved?"
        book.unlink()


def wait_for_status(seer: NodeProcess, seen: str, status: str) -> None:
    until(lambda: status_at(seer, seen) == status, f"{seer.name} sees that {seen} is {status}")


def wait_until_it_leads(node: NodeProcess) -> None:
    until(lambda: node.client.view().role == "lead", f"{node.name} leads")


def ports_of(*nodes: NodeProcess) -> set[str]:
    return {node.client.view().endpoints[0] for node in nodes}


def test_whoever_one_member_let_in_is_known_to_all_by_name(cluster: Cluster) -> None:
    ids = {view.name: view.id for view in cluster.views()}
    for view in cluster.views():
        assert {member.name: member.id for member in view.members} == ids
        assert {member.status for member in view.members} == {"alive"}
        assert len({view.term for view in cluster.views()}) == 1


def test_a_leader_that_is_killed_is_missed_at_once_and_replaced(cluster: Cluster) -> None:
    leader, others = leader_and_followers(cluster)
    before = wait_for_agreement(*cluster.nodes)
    killed_s = time.monotonic()
    end(leader, signal.SIGKILL)
    for other in others:
        wait_for_status(other, leader.name, "dead")
    missed_s = time.monotonic() - killed_s
    after = wait_for_agreement(*others)
    print(f"missed after {missed_s:.2f} s (refused re-dial), replaced after {time.monotonic() - killed_s:.2f} s")
    assert missed_s < SILENCE_S, "its closed ports should tell sooner than its silence"
    assert after.term > before.term
    assert after.leader != before.leader


def test_sigterm_says_goodbye(cluster: Cluster) -> None:
    leaving, others = leader_and_followers(cluster)
    end(leaving, signal.SIGTERM)
    for other in others:
        wait_for_status(other, leaving.name, "left")
    wait_for_agreement(*others)


def test_mdns_alone_brings_them_together_on_new_ports(cluster: Cluster) -> None:
    old = ports_of(*cluster.nodes)
    stop(*cluster.nodes)
    forget_addresses(*cluster.nodes)
    cluster.start()
    assert ports_of(*cluster.nodes) != old
    cluster.wait_for_leader(within_s=MEETING_S_MAX)


def test_from_the_second_up_to_a_common_leader(cluster: Cluster) -> None:
    """Found by mDNS alone, and once more with the addresses that they remember."""
    ada, bob, cleo = cluster.nodes
    stop(cleo, bob)
    for known in ("by mDNS alone", "with remembered addresses"):
        if known == "by mDNS alone":
            forget_addresses(ada, bob)
        wait_until_it_leads(ada)
        began_s = time.monotonic()
        bob.start("--port", "0")
        bob.wait_until_up()
        up_s = time.monotonic() - began_s
        wait_for_agreement(ada, bob)
        took_s = time.monotonic() - began_s
        print(f"{known}: up after {up_s:.2f} s, common leader after {took_s:.2f} s (goal {MEETING_GOAL_S:g} s)")
        assert took_s < MEETING_S_MAX
        stop(bob)


def test_without_mdns_and_addresses_they_do_not_meet_until_one_names_the_other(cluster: Cluster) -> None:
    ada, bob, cleo = cluster.nodes
    stop(cleo, bob, ada)
    forget_addresses(ada, bob)
    restart(ada, bob, options=("--no-mdns",))
    for node in (ada, bob):
        wait_until_it_leads(node)
    deadline_s = time.monotonic() + WATCH_S
    while time.monotonic() < deadline_s:
        assert agreement_of(ada, bob) is None, "nothing but mDNS or an address may bring them together"
        assert status_at(ada, "bob") == status_at(bob, "ada") == "unknown"
        time.sleep(0.1)

    address = ada.client.view().endpoints[0].removeprefix("tcp://")
    stop(bob)
    restart(bob, options=("--no-mdns", "--peer", address))
    wait_for_agreement(ada, bob)
    stop(ada, bob)  # the next story begins with mDNS again
