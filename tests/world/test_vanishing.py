"""Daemons that vanish in the middle of a group: who is left finishes the same pictures, and nobody waits for the dead.

Toy engines, slow enough to have a middle; ada's is the faster one and runs the shared steps. Never here: engines that
die under a living daemon (`test_engine_trouble.py`).
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from peerd.demo.cluster import Cluster
from peerd.store import Store
from peerd_protocol.notices import LocalStep, PlanMade, SharedStep
from tests.world.asking import TOY, Asked, ask, ask_together, end, open_requests_of, pid_of, restart, until

APPLE, LEMON = "apple on table", "lemon on table"
TOTAL, SHARED = 8, 4
EACH = {"ada": {"PEERD_ENGINE_SLOWDOWN": "10"}, "bob": {"PEERD_ENGINE_SLOWDOWN": "20"}}
Alone = dict[str, str]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("vanishing"), ["ada", "bob"], environment=TOY, each=EACH) as pair:
        pair.start()
        pair.pair_all()
        pair.wait_for_leader()
        yield pair


@pytest.fixture(scope="module")
def alone(cluster: Cluster) -> Alone:
    """Each prompt's own picture; both devices are measured after it."""
    asked = [
        ask(node, prompt, steps=TOTAL, shared=0, seed=7)
        for node, prompt in zip(cluster.nodes, (APPLE, LEMON), strict=True)
    ]
    return {one.tale.prompt: one.finished().pixels_sha256 for one in asked}


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, alone: Alone) -> str:
    """The lemon as it becomes when it shares its beginning with the apple and nobody vanishes."""
    apple, lemon = draw(cluster, "undisturbed")
    apple.finished()
    return lemon.finished().pixels_sha256


@pytest.fixture(autouse=True)
def both_run(cluster: Cluster, alone: Alone) -> None:
    restart(*(node for node in cluster.nodes if node.process is None))
    cluster.wait_for_leader(within_s=30.0)
    for node in cluster.nodes:  # what an earlier story left open would come in between
        for request in open_requests_of(node):
            node.client.cancel(request)
        until(lambda node=node: not open_requests_of(node), f"{node.name} has nothing to do")  # type: ignore[misc]


def draw(cluster: Cluster, group: str) -> tuple[Asked, Asked]:
    """The apple at ada and the lemon at bob; the apple leads."""
    apple, lemon = ask_together(cluster.nodes, (APPLE, LEMON), group, steps=TOTAL, shared=SHARED, seed=7)
    assert apple.first(PlanMade).executor == cluster["ada"].client.view().id
    return apple, lemon


def test_an_executor_that_dies_in_the_middle_is_replaced_and_the_picture_stays_the_same(
    cluster: Cluster, undisturbed: str
) -> None:
    """Whoever led dies with it: the other is elected, and goes on with what was planned before."""
    ids = {view.name: view.id for view in cluster.views()}
    _, lemon = draw(cluster, "executor dies")
    lemon.first(SharedStep)
    end(cluster["ada"], signal.SIGKILL)
    assert lemon.finished().pixels_sha256 == undisturbed
    plans = [notice for notice in lemon.notices if isinstance(notice, PlanMade)]
    assert [plan.executor for plan in plans] == [ids["ada"], ids["bob"]]


def test_an_executor_that_vanishes_in_the_handoff(cluster: Cluster, undisturbed: str) -> None:
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
    assert lemon.finished().pixels_sha256 == undisturbed


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


def test_a_daemon_that_is_killed_in_the_middle_of_a_request_finishes_it_in_its_next_life(
    cluster: Cluster, alone: Alone, tmp_path: Path
) -> None:
    ada, bob = cluster.nodes
    wanted = {node.name: tmp_path / f"{node.name}.png" for node in cluster.nodes}
    killed = ask(ada, APPLE, steps=40, shared=0, seed=7, out=str(wanted["ada"]))
    waiting = ask(bob, LEMON, steps=TOTAL, seed=7, out=str(wanted["bob"]), group_name="late", group_size=2, wait_s=60.0)
    killed.first(LocalStep)
    for node in (ada, bob):
        end(node, signal.SIGKILL)
    assert not any(picture.exists() for picture in wanted.values())
    restart(ada, bob)
    company = ask(ada, APPLE, steps=TOTAL, seed=7, group_name="late", group_size=2, wait_s=60.0)
    assert company.first(PlanMade).shared_with == (waiting.request,)
    company.finished()
    for name, picture in wanted.items():
        until(picture.exists, f"{name}'s picture is made after all")
    for node, asked in ((ada, killed), (bob, waiting)):
        end(node)
        store = Store(node.home)
        result = store.result(asked.request)
        assert result is not None
        assert Path(result.path) == wanted[node.name]
        assert [key for key in store.recall() if asked.request in key] == [], "nothing is left open"
        store.close()
