"""Engines that die in the middle of real steps: every request still ends, in the right picture.

ada's engine is the faster one and runs the shared steps; both are slowed so that there is a middle to break things in.
Never here: whole daemons that die (`test_vanishing.py`).
"""

from collections.abc import Iterator

import psutil
import pytest

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd_protocol.notices import HandedOff, LocalStep, PlanMade, SharedStep
from tests.world.asking import Asked, ask, ask_together, wait_for_engine, wait_until_gone

APPLE, LEMON = "apple on table", "lemon on table"
TOTAL, SHARED = 6, 3
EACH = {"ada": {"PEERD_ENGINE_SLOWDOWN": "2"}, "bob": {"PEERD_ENGINE_SLOWDOWN": "3"}}
Alone = dict[str, str]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("trouble"), ["ada", "bob"], each=EACH) as pair:
        pair.start()
        pair.pair_all()
        pair.wait_for_leader()
        yield pair


@pytest.fixture(scope="module")
def alone(cluster: Cluster) -> Alone:
    """Each prompt's own picture; both engines are warm and measured after it."""
    asked = [
        ask(node, prompt, steps=TOTAL, shared=0, seed=7)
        for node, prompt in zip(cluster.nodes, (APPLE, LEMON), strict=True)
    ]
    return {one.tale.prompt: one.finished().pixels_sha256 for one in asked}


def draw(cluster: Cluster, group: str) -> tuple[Asked, Asked]:
    """The apple at ada and the lemon at bob; the apple leads."""
    apple, lemon = ask_together(cluster.nodes, (APPLE, LEMON), group, steps=TOTAL, shared=SHARED, seed=7)
    assert apple.first(PlanMade).executor == cluster["ada"].client.view().id
    return apple, lemon


def kill_engine(node: NodeProcess) -> psutil.Process:
    engine = wait_for_engine(node)
    engine.kill()
    wait_until_gone(engine)
    return engine


def lead_of(*asked: Asked) -> Asked:
    (lead,) = [one for one in asked if one.tale.plan and one.tale.plan.leads]
    return lead


def test_an_engine_that_dies_in_the_shared_steps(cluster: Cluster, alone: Alone) -> None:
    apple, lemon = draw(cluster, "dies early")
    lemon.first(SharedStep)
    dead = kill_engine(cluster["ada"])
    pictures = {one.tale.prompt: one.finished().pixels_sha256 for one in (apple, lemon)}
    lead = lead_of(apple, lemon)
    assert pictures[lead.tale.prompt] == alone[lead.tale.prompt]
    assert wait_for_engine(cluster["ada"]).pid != dead.pid, "it was started again"


def test_an_engine_that_dies_in_the_local_steps(cluster: Cluster, alone: Alone) -> None:
    apple, lemon = draw(cluster, "dies late")
    lemon.first(LocalStep)
    kill_engine(cluster["bob"])
    for one in (apple, lemon):
        done = one.finished()
        assert done.exact
        assert (done.pixels_sha256 == alone[one.tale.prompt]) == one.first(PlanMade).leads
    assert lemon.first(HandedOff).step == SHARED, "it went on from the same checkpoint"
