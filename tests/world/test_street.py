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
from tests.soak.namespaces import NETWORK, PREFIX, run, street, why_not
from tests.soak.play import trio
from tests.world.asking import agreement_of, ask, leader_and_followers, member_at, until, wait_for_agreement
from tests.world.processes import ROOT, marked

REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("street"), trio, on_street=True) as three:
        yield three


@pytest.fixture(autouse=True)
def nothing_is_broken(home: House) -> Iterator[None]:
    yield
    assert home.checker.hear(home.lines()) == []


def path_to(seen: NodeProcess, seer: NodeProcess) -> str:
    member = member_at(seer, seen.name)
    return member.path if member else ""


def wait_for_another(lost: NodeProcess, others: list[NodeProcess]) -> None:
    def replaced() -> bool:
        agreement = agreement_of(*others)
        return agreement is not None and agreement.leader_name != lost.name

    until(replaced, f"another leader than {lost.name}")


def cut(home: House, rules: list[Rule], leader: NodeProcess, others: list[NodeProcess]) -> None:
    assert home.firewall is not None
    with home.firewall.drops(rules):
        wait_for_another(leader, others)
        for node in home.cluster.nodes:  # whoever is alone draws all the same
            ask(node, "apple on table", steps=2, seed=7).finished()
    wait_for_agreement(*home.cluster.nodes)


def test_both_sides_of_a_parted_network_draw_and_are_one_cluster_again(home: House) -> None:
    leader, others = leader_and_followers(home.cluster)
    cut(home, firewall.parted([leader.name], [other.name for other in others]), leader, others)


def test_a_leader_that_nobody_hears_is_replaced_though_it_hears_the_others(home: House) -> None:
    leader, others = leader_and_followers(home.cluster)
    cut(home, firewall.one_way(leader.name, [other.name for other in others]), leader, others)


@pytest.mark.parametrize("rules", [[], [firewall.NO_MDNS]], ids=["with mDNS", "without mDNS"])
def test_a_device_with_a_new_address_is_found_there(home: House, rules: list[Rule]) -> None:
    """Whoever moved dials the others, who learn from that where it is; no announcement is needed."""
    assert home.street is not None
    assert home.firewall is not None
    mover = home.cluster.nodes[0]
    with home.firewall.drops(rules):
        before, now = home.street.address(mover.name), home.street.move(mover.name)
        assert before != now
        assert now.startswith(NETWORK)
        for other in home.cluster.nodes[1:]:
            until(lambda other=other: now in path_to(mover, other), f"{other.name} reaches it at {now}")  # type: ignore[misc]
        wait_for_agreement(*home.cluster.nodes)


def test_a_street_whose_builder_was_killed_is_taken_down_by_the_next() -> None:
    code = (
        "import time; from tests.soak.namespaces import street\n"
        "with street(['ada']): print(1, flush=True), time.sleep(60)"
    )
    with marked() as family:
        builder = family.start("-c", code, folder=ROOT)
        assert builder.stdout is not None
        assert builder.stdout.readline() == "1\n"
        left = f"{PREFIX}-{builder.pid}-"
        builder.kill()
        builder.communicate()
    assert left in run("ip", "netns", "list")
    with street(["bob"]):
        assert left not in run("ip", "netns", "list")
