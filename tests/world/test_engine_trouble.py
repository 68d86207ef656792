"""Trouble with engines and executors, in the middle of real steps: every request still ends, in the right picture.

ada's engine is the faster one and runs the shared steps; both are slowed so that there is a middle to break things in.
Never here: trouble that a person is told about (`test_daemon_trouble.py`).
"""

import signal
from collections.abc import Iterator

import psutil
import pytest

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd_protocol.notices import HandedOff, LocalStep, PlanMade, SharedStep, WentAlone
from tests.world.asking import (
    Asked,
    ask,
    ask_together,
    end,
    pid_of,
    restart,
    until,
    wait_for_engine,
    wait_until_gone,
)

APPLE, LEMON = "apple on table", "lemon on table"
TOTAL, SHARED = 6, 3
EACH = {"ada": {"PEERD_ENGINE_SLOWDOWN": "3"}, "bob": {"PEERD_ENGINE_SLOWDOWN": "6"}}
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


@pytest.fixture(autouse=True)
def both_run(cluster: Cluster, alone: Alone) -> None:
    restart(*(node for node in cluster.nodes if node.process is None))
    cluster.wait_for_leader(within_s=30.0)


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


def test_an_executor_that_dies_in_the_middle_leaves_the_origin_to_finish_alone(cluster: Cluster, alone: Alone) -> None:
    _, lemon = draw(cluster, "executor dies")
    lemon.first(SharedStep)
    end(cluster["ada"], signal.SIGKILL)
    assert lemon.finished().pixels_sha256 == alone[LEMON]
    assert lemon.first(WentAlone).reason == "the executor is gone"


def test_an_executor_that_vanishes_in_the_handoff(cluster: Cluster, alone: Alone) -> None:
    """The receiver is stopped, so that the handoff has begun and can not end; then its giver dies."""
    ada, bob = cluster.nodes
    before = ada.client.view().denoiser_calls
    _, lemon = draw(cluster, "handoff breaks")
    lemon.first(SharedStep)
    receiver = psutil.Process(pid_of(bob))
    receiver.suspend()
    try:
        until(lambda: ada.client.view().denoiser_calls >= before + SHARED, "ada has run the shared steps")
        end(ada, signal.SIGKILL)
    finally:
        receiver.resume()
    assert lemon.finished().pixels_sha256 == alone[LEMON]


def test_a_receiver_that_vanishes_in_the_handoff_costs_the_others_nothing(cluster: Cluster, alone: Alone) -> None:
    ada, bob = cluster.nodes
    before = ada.client.view().denoiser_calls
    apple, lemon = draw(cluster, "receiver dies")
    lemon.first(SharedStep)
    psutil.Process(pid_of(bob)).suspend()
    until(lambda: ada.client.view().denoiser_calls >= before + SHARED, "ada has run the shared steps")
    end(bob, signal.SIGKILL)
    done = apple.finished()
    assert (done.pixels_sha256 == alone[APPLE]) == apple.first(PlanMade).leads
    assert ada.client.view().denoiser_calls == before + TOTAL
