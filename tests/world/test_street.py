"""Daemons with a network each, which parts, falls silent one way, and gives a device another address.

Network namespaces that a bridge joins (`tests/soak/namespaces.py`), where root may make them. Toy engines. Never here:
faults that loopback knows too (`test_vanishing.py`), or faults that seeds draw (`make soak`).
"""

from collections.abc import Iterator

import pytest

from peerd.demo.nodes import NodeProcess
from tests.soak import firewall
from tests.soak.firewall import Rule
from tests.soak.house import House, house
from tests.soak.namespaces import NETWORK, why_not
from tests.soak.play import trio
from tests.world.asking import agreement_of, ask, leader_and_followers, member_at, until, wait_for_agreement

REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("street"), trio, on_street=True) as three:
        yield three


@pytest.fixture(autouse=True)
def nothing_is_broken(street: House) -> Iterator[None]:
    yield
    assert street.checker.hear(street.lines()) == []


def path_to(seen: NodeProcess, seer: NodeProcess) -> str:
    member = member_at(seer, seen.name)
    return member.path if member else ""


def wait_for_another(lost: NodeProcess, others: list[NodeProcess]) -> None:
    def replaced() -> bool:
        agreement = agreement_of(*others)
        return agreement is not None and agreement.leader_name != lost.name

    until(replaced, f"another leader than {lost.name}")


def cut(street: House, rules: list[Rule], leader: NodeProcess, others: list[NodeProcess]) -> None:
    assert street.firewall is not None
    with street.firewall.drops(rules):
        wait_for_another(leader, others)
        for node in street.cluster.nodes:  # whoever is alone draws all the same
            ask(node, "apple on table", steps=2, seed=7).finished()
    wait_for_agreement(*street.cluster.nodes)


def test_both_sides_of_a_parted_network_draw_and_are_one_cluster_again(street: House) -> None:
    leader, others = leader_and_followers(street.cluster)
    cut(street, firewall.parted([leader.name], [other.name for other in others]), leader, others)


def test_a_leader_that_nobody_hears_is_replaced_though_it_hears_the_others(street: House) -> None:
    leader, others = leader_and_followers(street.cluster)
    cut(street, firewall.one_way(leader.name, [other.name for other in others]), leader, others)


@pytest.mark.parametrize("rules", [[], [firewall.NO_MDNS]], ids=["with mDNS", "without mDNS"])
def test_a_device_with_a_new_address_is_found_there(street: House, rules: list[Rule]) -> None:
    """Whoever moved dials the others, who learn from that where it is; no announcement is needed."""
    assert street.street is not None
    assert street.firewall is not None
    mover = street.cluster.nodes[0]
    with street.firewall.drops(rules):
        before, now = street.street.address(mover.name), street.street.move(mover.name)
        assert before != now
        assert now.startswith(NETWORK)
        for other in street.cluster.nodes[1:]:
            until(lambda other=other: now in path_to(mover, other), f"{other.name} reaches it at {now}")  # type: ignore[misc]
        wait_for_agreement(*street.cluster.nodes)
