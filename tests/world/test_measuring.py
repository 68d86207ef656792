"""Measuring: plans follow what the engines did, and a device without an engine still gets its picture. Real model.

Never here: batteries, heat and declined offers (`test_negotiation.py`).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from peerd.demo.cluster import Cluster
from peerd_protocol.notices import LocalStep, PlanMade, SharedStep
from tests.world.asking import PICTURE_S, ask, ask_together, end, member_at, restart, until, wait_for_agreement

FRUITS = ("apple on table", "lemon on table")
HALF, QUARTER = {"PEERD_ENGINE_SLOWDOWN": "2"}, {"PEERD_ENGINE_SLOWDOWN": "4"}
EACH = {"bob": HALF, "cleo": {"PEERD_ENGINE": "none"}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """ada, bob whose engine is half as fast, and cleo who has none."""
    with Cluster(tmp_path_factory.mktemp("measuring"), ["ada", "bob", "cleo"], each=EACH) as three:
        three.start()
        three.pair_all()
        three.wait_for_leader()
        yield three


def speeds_of(cluster: Cluster, name: str) -> list[float]:
    """As each node knows it, itself among them."""
    members = [member_at(seer, name) for seer in cluster.nodes]
    return [member.steps_per_second if member else 0.0 for member in members]


def executor_of_a_picture_for_two(cluster: Cluster, group: str) -> str:
    """Who ran the shared steps, by the plan and by whose steps were seen."""
    ada, bob, _ = cluster.nodes
    names = {view.id: view.name for view in cluster.views()}
    together = ask_together([ada, bob], FRUITS, group, steps=8, shared=4, seed=7)
    for one in together:
        one.finished()
        assert one.first(PlanMade).executor == one.first(SharedStep).executor
    return names[together[0].first(PlanMade).executor]


def ada_is_known_to_be_slower(cluster: Cluster) -> None:
    until(
        lambda: max(speeds_of(cluster, "ada")) < min(speeds_of(cluster, "bob")),
        "everybody knows that ada is the slower one now",
    )


def paint_by_turns(cluster: Cluster) -> None:
    """Pictures of their own, one after the other, so that neither is in the other's way and both know their pace."""
    for node in (cluster["ada"], cluster["bob"]) * 2:
        ask(node, FRUITS[0], steps=8, shared=0, seed=7).finished()


def test_a_device_slowed_to_a_quarter_is_known_after_one_request(cluster: Cluster) -> None:
    ada = cluster["ada"]
    until(
        lambda: all(speeds_of(cluster, "ada") + speeds_of(cluster, "bob")), "both have measured themselves", PICTURE_S
    )
    # Real pictures correct what a crowded start measured wrong.
    assert executor_of_a_picture_for_two(cluster, "as they are") == "ada"
    paint_by_turns(cluster)
    end(ada)
    ada.environment = {**ada.environment, **QUARTER}
    restart(ada)
    cluster.wait_for_leader()
    promised = min(speeds_of(cluster, "ada"))
    assert promised > max(speeds_of(cluster, "bob")), "what it measured before outlives the restart"
    assert executor_of_a_picture_for_two(cluster, "ada is believed still") == "ada"
    ada_is_known_to_be_slower(cluster)
    paint_by_turns(cluster)
    ada_is_known_to_be_slower(cluster)  # what bob measured beside ada was on its way still
    assert executor_of_a_picture_for_two(cluster, "ada is known now") == "bob"


def test_a_device_without_an_engine_asks_and_a_member_makes_its_whole_picture(cluster: Cluster, tmp_path: Path) -> None:
    ada, bob, cleo = cluster.nodes
    wait_for_agreement(*cluster.nodes)
    before = cluster.denoiser_calls()
    out = tmp_path / "apple.png"
    asked = ask(cleo, FRUITS[0], steps=4, seed=7, out=str(out))
    done = asked.finished()
    runner = {view.id: view.name for view in cluster.views()}[asked.first(LocalStep).runner]
    assert asked.first(PlanMade).runner == asked.first(LocalStep).runner
    assert runner in (ada.name, bob.name), "whichever of them a busy machine lets look faster"
    assert cluster.denoiser_calls() == {**before, runner: before[runner] + 4}
    assert out.read_bytes().startswith(b"\x89PNG")
    same = ask(bob, FRUITS[0], steps=4, seed=7, shared=0)
    assert same.finished().pixels_sha256 == done.pixels_sha256


def test_a_device_without_an_engine_can_not_keep_its_prompt_to_itself(cluster: Cluster) -> None:
    asked = ask(cluster["cleo"], FRUITS[0], steps=4, share="nothing")
    assert "no engine" in str(getattr(asked.ended(), "reason", "")), "it fails at once, and says why"
