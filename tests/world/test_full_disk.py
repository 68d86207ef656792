"""A full disk: whoever asks hears one sentence, the daemon lives, and nothing that was accepted is lost.

The kernel refuses the daemon every write (RLIMIT_FSIZE set from outside), and later allows them again: what a full
disk does, without filling one. Toy engines. Never here: other trouble of a daemon (`test_daemon_trouble.py`).
"""

import json
import sys
from collections.abc import Iterator

import pytest

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd_protocol.notices import Failed, Finished, LocalStep, PlanMade
from tests.world.asking import TOY, ask, ask_together, begin, full_disk, peerd, promises_of, the_sentence

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets one process limit another")

SLOW = {**TOY, "PEERD_ENGINE_SLOWDOWN": "10"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("full"), ["ada", "bob"], environment=SLOW) as pair:
        pair.start()
        pair.pair_all()
        pair.wait_for_leader()
        yield pair


def lives_on(node: NodeProcess) -> None:
    """It is the same process, and draws."""
    node.check()
    assert isinstance(ask(node, "apple on table", steps=2, shared=0).ended(), Finished)


def test_a_request_is_refused_in_one_sentence(cluster: Cluster) -> None:
    ada = cluster["ada"]
    with full_disk(ada):
        done = peerd(ada.home, "generate", "apple on table", "--steps", "2", "--json")
        assert done.returncode == 1
        assert "is full or failing" in the_sentence(done.stderr)
        assert json.loads(done.stdout)["error"] == the_sentence(done.stderr)
        cluster.check()
    lives_on(ada)


def test_a_picture_that_can_not_be_written_is_told_and_the_daemon_lives(cluster: Cluster) -> None:
    ada = cluster["ada"]
    asking = begin(ada.home, "generate", "apple on table", "--steps", "12", "--shared", "0")
    assert asking.stdout is not None
    assert any("step" in line for line in asking.stdout)
    with full_disk(ada):
        _, stderr = asking.communicate(timeout=60)
    assert asking.returncode == 1
    assert "full" in the_sentence(stderr) or "can not be written" in the_sentence(stderr)
    lives_on(ada)


def test_a_disk_that_fills_before_the_plan_ends_the_request_in_words(cluster: Cluster) -> None:
    ada = cluster["ada"]
    waiting = ask(ada, "apple on table", steps=2, group_name="nobody comes", group_size=2, wait_s=2.0)
    with full_disk(ada):
        failed = waiting.ended()
    assert isinstance(failed, Failed)
    assert "full" in failed.reason
    lives_on(ada)


def test_a_leader_whose_disk_is_full_costs_the_others_nothing(cluster: Cluster) -> None:
    """Without a promise on disk nobody starts by its plan; whoever asked has its picture all the same."""
    agreement = cluster.wait_for_leader(within_s=30.0)
    leader = cluster[agreement.leader_name]
    (other,) = [node for node in cluster.nodes if node is not leader]
    with full_disk(leader):
        asked = ask(other, "lemon on table", steps=2, seed=7)
        asked.finished()
    assert not [plan for plan in promises_of(leader) if asked.request in plan.requests]
    cluster.wait_for_leader(within_s=30.0)
    together = ask_together(cluster.nodes, ("apple on table", "lemon on table"), "again", steps=4, shared=2, seed=7)
    for one in together:
        one.finished()
        assert one.first(PlanMade).shared_steps == 2


def test_a_runner_that_can_not_note_what_it_is_bound_to_does_not_begin(cluster: Cluster) -> None:
    """Its own person hears why, and the other member loses nothing by it."""
    ada, bob = cluster.nodes
    asked = ask_together([ada, bob], ("apple on table", "lemon on table"), "half full", steps=20, shared=10, seed=7)
    for one in asked:
        one.first(PlanMade)
    with full_disk(bob):
        assert isinstance(asked[0].ended(), Finished)
        ending = asked[1].ended()
        assert isinstance(ending, Failed)
        assert "full" in ending.reason
    assert not [notice for notice in asked[1].notices if isinstance(notice, LocalStep)]
    for node in (ada, bob):
        lives_on(node)
