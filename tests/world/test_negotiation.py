"""Negotiation: who runs the shared steps, by what devices measure and by what their owners allow.

A fake sysfs tree stands in for batteries and sensors. Never here: that the steps are then counted (`test_sharing.py`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd_protocol.ids import NodeId
from peerd_protocol.notices import LocalStep, PlanMade, SharedStep
from tests.world.asking import TOY, Asked, ask, ask_together, member_at, promises_of, until

FRUITS = ("apple on table", "lemon on table", "orange on table")
SLOW = {**TOY, "PEERD_ENGINE_SLOWDOWN": "4"}
SLUGGISH = {**TOY, "PEERD_ENGINE_SLOWDOWN": "200"}
"""Four seconds a step."""


class Sysfs:
    """One device's battery and sensor as Linux would show them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {**TOY, "PEERD_POWER_ROOT": str(root)}
        self.battery(percent=80)
        self.heat(celsius=40)

    def battery(self, *, percent: int) -> None:
        self._put("power_supply/AC", type="Mains", online="0")
        self._put("power_supply/BAT0", type="Battery", status="Discharging", capacity=str(percent))

    def mains(self) -> None:
        self._put("power_supply/AC", type="Mains", online="1")

    def heat(self, *, celsius: int) -> None:
        self._put("thermal/thermal_zone0", type="cpu", temp=str(celsius * 1000))

    def _put(self, entry: str, **files: str) -> None:
        folder = self.root / "class" / entry
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text + "\n")


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sysfs]:
    return {name: Sysfs(tmp_path_factory.mktemp(f"sys-{name}")) for name in ("ada", "bob", "cleo")}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, devices: dict[str, Sysfs]) -> Iterator[Cluster]:
    """ada is slow, so that whoever looks at speed alone asks another."""
    each = {name: device.environment for name, device in devices.items()}
    each["ada"] = {**each["ada"], **SLOW}
    busy = {"PEERD_PLANNING_QUEUE_STEPS_MAX": "50"}
    with Cluster(tmp_path_factory.mktemp("negotiation"), list(each), environment=busy, each=each) as three:
        three.start()
        three.pair_all()
        three.wait_for_leader()
        for measuring in [ask(node, "apple on table", steps=12, shared=0) for node in three.nodes]:
            measuring.finished()
        yield three


def wait_until_all_know(cluster: Cluster, **expected: tuple[str, bool]) -> None:
    """Everybody has heard how these devices are fed, and whether they are hot."""

    def known() -> bool:
        views = [(name, member_at(node, name)) for node in cluster.nodes for name in expected]
        return all(member and (member.power, member.hot) == expected[name] for name, member in views)

    until(known, f"all know {expected}")


def draw(cluster: Cluster, group: str, nodes: Sequence[NodeProcess] = ()) -> list[Asked]:
    asked_at = nodes or cluster.nodes
    return ask_together(asked_at, FRUITS[: len(asked_at)], group, steps=6, shared=3, seed=7)


def executor_of(cluster: Cluster, together: Sequence[Asked]) -> str:
    """Who ran the shared steps for all of them: by the plan, and by whose steps were seen."""
    names = {view.id: view.name for view in cluster.views()}
    executors: set[NodeId] = set()
    for one in together:
        one.finished()
        assert one.first(PlanMade).shared_steps == 3
        executors |= {one.first(PlanMade).executor, one.first(SharedStep).executor}
    (executor,) = executors
    return names[executor]


def test_low_or_hot_devices_never_run_shared_steps_of_others(cluster: Cluster, devices: dict[str, Sysfs]) -> None:
    devices["ada"].mains()
    devices["bob"].battery(percent=20)
    devices["cleo"].mains()
    devices["cleo"].heat(celsius=95)
    wait_until_all_know(cluster, ada=("mains", False), bob=("low", False), cleo=("mains", True))
    assert executor_of(cluster, draw(cluster, "spared")) == "ada", "the slow one, since the others must not"
    bob, cleo = cluster["bob"], cluster["cleo"]
    assert executor_of(cluster, draw(cluster, "still spared", [bob, cleo])) == "ada", "not even for themselves"

    devices["cleo"].heat(celsius=50)
    wait_until_all_know(cluster, cleo=("mains", False))
    assert executor_of(cluster, draw(cluster, "cooled down")) == "cleo", "fast, and on mains again"
    devices["cleo"].battery(percent=29)
    devices["bob"].battery(percent=31)
    wait_until_all_know(cluster, bob=("battery", False), cleo=("low", False))
    assert executor_of(cluster, draw(cluster, "above the floor")) in ("ada", "bob")


def test_where_nobody_may_each_draws_alone_and_hears_why(cluster: Cluster, devices: dict[str, Sysfs]) -> None:
    for device in devices.values():
        device.battery(percent=10)
    wait_until_all_know(cluster, **dict.fromkeys(devices, ("low", False)))
    for one in draw(cluster, "all low"):
        assert one.finished().denoiser_calls == 6
        plan = one.first(PlanMade)
        assert (plan.shared_steps, plan.reason) == (0, "no device may run the shared steps now")


def test_declined_offers_go_on_to_the_next_and_at_last_to_nobody(cluster: Cluster, devices: dict[str, Sysfs]) -> None:
    """A device that is busy with its owner's own pictures says so; the leader learns of it from the answer alone."""
    for device in devices.values():
        device.mains()
        device.heat(celsius=40)
    wait_until_all_know(cluster, **dict.fromkeys(devices, ("mains", False)))
    busy = [ask(node, "a long walk", steps=900, shared=0) for node in cluster.nodes]
    for one in busy:
        one.first(LocalStep)
    together = draw(cluster, "all busy")
    for one in together:
        plan = one.first(PlanMade)
        assert plan.shared_steps == 0
        for view in cluster.views():
            assert f"{view.id}: the device is busy with" in plan.reason
    busy[0].node.client.cancel(busy[0].request)
    freed = draw(cluster, "one is free")
    assert freed[0].first(PlanMade).shared_steps == 3
    assert freed[0].first(PlanMade).executor == cluster["ada"].client.view().id
    for one in busy[1:]:
        one.node.client.cancel(one.request)
    for one in [*together, *freed]:
        one.finished()


def test_what_a_plan_promises_is_on_disk_before_the_first_step(tmp_path: Path) -> None:
    """Steps of this engine take so long that the first call is not over when the promise has been read."""
    with Cluster(tmp_path, ["ada"], environment=SLUGGISH) as cluster:
        cluster.start()
        cluster.wait_for_leader()
        (ada,) = cluster.nodes
        together = ask_together([ada, ada], FRUITS[:2], "promised", steps=6, shared=3, seed=7)
        plan = together[0].first(PlanMade)
        (promise,) = [promise for promise in promises_of(ada) if together[0].request in promise.requests]
        assert ada.client.view().denoiser_calls == 0
        assert not [notice for one in together for notice in one.notices if isinstance(notice, SharedStep | LocalStep)]
        assert promise.forecast == plan.forecast
        assert promise.forecast.seconds > 0
        assert promise.forecast.denoiser_calls == 3 + 2 * 3
        assert together[0].first(SharedStep).step == 1
        assert ada.client.view().denoiser_calls > 0, "and then it runs as promised"
