"""A whole set of 32 prompts at three real daemons: one group by name, planned as trees whose branches run elsewhere.

Toy engines, and a calibration in each home that grades the steps by nearness. Never here: how trees come to be
(`tests/peerd/planning/test_planned_trees.py`), or what goes wrong in them (`tests/protocol/test_trees.py`).
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from peerd.demo.cluster import Cluster
from peerd.models import calibrations
from peerd.models.registry import EMBEDDED, Registry
from peerd.planning.calibration import dump
from peerd_protocol.ids import GroupId
from peerd_protocol.notices import Finished, HandedOff
from peerd_protocol.plan import GroupPlan
from tests.peerd.planning.people import GRADED, WHOLE_SET
from tests.world.asking import SOON_S, TOY, ask, promises_of

TOTAL = GRADED.rows[0].total


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("trees")
    with Cluster(folder, ["ada", "bob", "cleo"], environment=TOY) as three:
        for node in three.nodes:
            model = Registry(node.home).find(EMBEDDED).digest
            measured = msgspec.structs.replace(GRADED, model=model)
            calibrations.write(calibrations.path_of(node.home, model), dump(measured))
        three.start()
        three.pair_all()
        three.wait_for_leader()
        for measuring in [ask(node, "apple on table", steps=12, shared=0) for node in three.nodes]:
            measuring.finished()
        yield three


def planned(cluster: Cluster) -> dict[GroupId, GroupPlan]:
    """The last plan of each group, as its leader promised it: an offer that is declined goes on to the next device."""
    return {plan.group: plan for node in cluster.nodes for plan in promises_of(node)}


def test_a_set_of_thirty_two_branches_onto_other_devices_and_costs_what_was_promised(cluster: Cluster) -> None:
    before, earlier = sum(cluster.denoiser_calls().values()), planned(cluster)
    wishes = {"group_name": "set", "group_size": len(WHOLE_SET), "wait_s": SOON_S, "steps": TOTAL, "scheduler": "ddim"}
    asked = [ask(cluster.nodes[number % 3], prompt, seed=41, **wishes) for number, prompt in enumerate(WHOLE_SET)]
    finished = {one.request: one.finished() for one in asked}
    counted = sum(cluster.denoiser_calls().values()) - before
    plans = {group: plan for group, plan in planned(cluster).items() if group not in earlier}

    # Every group of a tree carries the promise of the whole, so that of the roots is all.
    roots = [plan for plan in plans.values() if not plan.parent]
    assert sorted(name for root in roots for name in root.requests) == sorted(finished)
    assert counted == sum(root.forecast.denoiser_calls for root in roots) < len(WHOLE_SET) * TOTAL

    branches = [plan for plan in plans.values() if plan.parent]
    elsewhere = [branch for branch in branches if branch.executor != plans[branch.parent].executor]
    assert elsewhere, f"{len(branches)} branches, none of them on another device than its parent"
    handed = {
        (handoff.sender, handoff.step) for one in asked for handoff in one.notices if isinstance(handoff, HandedOff)
    }
    assert any((branch.executor, branch.shared_steps) in handed for branch in elsewhere), "and it ran there"

    for one in asked:
        assert len([notice for notice in one.notices if isinstance(notice, Finished)]) == 1
    pictures = {path for node in cluster.nodes for path in (node.home / "pictures").glob("*.png")}
    assert {Path(ending.path) for ending in finished.values()} <= pictures
    assert len(pictures) == len(WHOLE_SET) + len(cluster.nodes), "no picture twice; each node measured itself by one"
