"""Engines that die in the middle of real steps: every request still ends, in the right picture.

Never here: whole daemons that die (`test_vanishing.py`).
"""

import psutil
import pytest

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd_protocol.notices import HandedOff, LocalStep, PlanMade, SharedStep
from tests.world.asking import Asked, ask, ask_together, wait_for_agreement, wait_for_engine, wait_until_gone

APPLE, LEMON = "apple on table", "lemon on table"
TOTAL, SHARED = 11, 8
Alone = dict[str, str]


@pytest.fixture
def pair(real_cluster: Cluster) -> list[NodeProcess]:
    wait_for_agreement(*real_cluster.nodes)  # the third may well be the leader
    return real_cluster.nodes[:2]


@pytest.fixture(scope="module")
def alone(real_cluster: Cluster) -> Alone:
    """Each prompt's own picture."""
    asked = [
        ask(node, prompt, steps=TOTAL, shared=0, seed=7)
        for node, prompt in zip(real_cluster.nodes[:2], (APPLE, LEMON), strict=True)
    ]
    return {one.tale.prompt: one.finished().pixels_sha256 for one in asked}


def draw(pair: list[NodeProcess], group: str) -> tuple[Asked, Asked]:
    """The apple at ada and the lemon at bob: first the one whose node runs the shared steps, then the other."""
    asked = ask_together(pair, (APPLE, LEMON), group, steps=TOTAL, shared=SHARED, seed=7)
    executor = asked[0].first(PlanMade).executor
    asked.sort(key=lambda one: one.node.client.view().id != executor)
    at_executor, elsewhere = asked
    return at_executor, elsewhere


def kill_engine(node: NodeProcess) -> psutil.Process:
    engine = wait_for_engine(node)
    engine.kill()
    wait_until_gone(engine)
    return engine


def all_end_well(alone: Alone, *asked: Asked) -> None:
    """Everybody has a picture, and whose prompt ran the shared steps has their own."""
    for one in asked:
        assert (one.finished().pixels_sha256 == alone[one.tale.prompt]) == (
            one.tale.shared_steps == 0 or one.first(PlanMade).leads
        )


def test_an_engine_that_dies_in_the_shared_steps(pair: list[NodeProcess], alone: Alone) -> None:
    at_executor, elsewhere = draw(pair, "dies early")
    elsewhere.first(SharedStep)
    dead = kill_engine(at_executor.node)
    all_end_well(alone, at_executor, elsewhere)
    assert wait_for_engine(at_executor.node).pid != dead.pid, "it was started again"


def test_an_engine_that_dies_in_the_local_steps(pair: list[NodeProcess], alone: Alone) -> None:
    at_executor, elsewhere = draw(pair, "dies late")
    elsewhere.first(LocalStep)
    kill_engine(elsewhere.node)
    all_end_well(alone, at_executor, elsewhere)
    assert elsewhere.finished().exact
    assert elsewhere.first(HandedOff).step == SHARED, "it went on from the same checkpoint"
