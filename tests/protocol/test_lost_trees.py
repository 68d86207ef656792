"""Trees whose leader is lost: the next one never knew them, and their branches begin where they would have.

Never here: trees that keep their leader (`test_trees`), or groups without branches (`test_resuming`).
"""

from collections.abc import Callable

import pytest

from peerd_protocol.actions import MakePlan
from peerd_protocol.coordination.share import WORK as SHARED
from peerd_protocol.events import Draft
from peerd_protocol.ids import RequestId
from tests.protocol.little_world import TICK_S, LittleWorld, draft, picture_request

NAMES = ("ann", "bob", "eve", "kim", "max")
LEADER = "max"
ASKED = dict(zip(("apple", "lemon", "orange", "fig", "pear"), NAMES, strict=True))
Tree = Callable[[MakePlan], tuple[Draft, ...]]


def tree(root: str, lemons: str, figs: str, apple: str = "apple", pear: str = "pear") -> Tree:
    """Who runs which part. Its first request leads the root, and `bob` or `kim` stand by for all."""
    return lambda order: (
        draft(order, {apple: 5}, root, "kim"),
        draft(order, {"lemon": 8, "orange": 7}, lemons, "kim", "bob", parent=0, start=4),
        draft(order, {"fig": 9, pear: 9}, figs, "bob", "eve", parent=0, start=3),
    )


TREES = {
    "who-runs-the-root": (tree("max", "eve", "ann"), 5 + 4 + 6),
    "who-runs-a-branch": (tree("ann", "eve", "max"), 5 + 4 + 6),
    "who-runs-the-root-and-a-branch": (tree("max", "eve", "max"), 5 + 4 + 6),
    "who-runs-it-all": (tree("max", "max", "max"), 5 + 4 + 6),
    "who-runs-the-root-and-asked-for-it": (tree("max", "eve", "ann", apple="pear", pear="apple"), 4 + 4 + 6),
    "who-runs-it-all-and-asked-for-it": (tree("max", "max", "max", apple="pear", pear="apple"), 4 + 4 + 6),
}


def world_of(drafts: Tree) -> LittleWorld:
    world = LittleWorld(*NAMES)
    world.drafts = drafts
    assert world.elect() == LEADER
    for request, name in ASKED.items():
        world.ask(name, picture_request(request, name, group_name="fruit", group_size=5, wait_ms=10_000))
    return world


def pictures_of(world: LittleWorld) -> dict[str, bytes]:
    world.run(0.2)
    world.run_until_nothing_is_open(60.0)
    found = {}
    for request, name in ASKED.items():
        if name != LEADER:
            (found[request],) = world[name].pictures[RequestId(request)]
    return found


def shared_calls(world: LittleWorld) -> int:
    """All shared steps that any engine made."""
    return sum(world[name].shared_steps_made for name in NAMES)


def root_step(world: LittleWorld) -> int:
    """How far the shared steps are that the branches wait for."""
    works = [each for place in world.places.values() for each in place.works.values()]
    return max((step for order, step in works if order.work.startswith(SHARED) and order.start is None), default=0)


@pytest.mark.parametrize("refuses", [True, False], ids=["its-process-dies", "it-falls-silent"])
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("who", TREES)
def test_branches_that_wait_when_their_leader_is_lost_begin_where_they_would_have(
    who: str, step: int, refuses: bool
) -> None:
    drafts, calls = TREES[who]
    undisturbed = pictures_of(world_of(drafts))
    world = world_of(drafts)
    world.run_until(lambda: root_step(world) == step)
    world.kill(LEADER, refuses=refuses)
    assert pictures_of(world) == undisturbed
    assert shared_calls(world) <= calls + step, "the lost steps are made again, and nothing else is"


def test_a_tree_with_spares_goes_on_from_them_when_its_leader_is_lost() -> None:
    drafts, calls = TREES["who-runs-it-all-and-asked-for-it"]
    world = world_of(drafts)
    world.step_s = 6.0
    undisturbed = pictures_of(world)
    world = world_of(drafts)
    world.step_s = 6.0
    world.run_until(lambda: root_step(world) == 2)
    world.run(TICK_S)
    world.kill(LEADER)
    assert pictures_of(world) == undisturbed
    assert shared_calls(world) <= calls + 1


@pytest.mark.parametrize("step", [2, 3, 4])
def test_a_branch_of_a_branch_waits_for_what_a_lost_leader_ran_in_the_middle(step: int) -> None:
    def drafts(order: MakePlan) -> tuple[Draft, ...]:
        return (
            draft(order, {"apple": 4}, "ann", "eve"),
            draft(order, {"pear": 6, "orange": 6}, "max", "eve", parent=0, start=2),
            draft(order, {"fig": 9, "lemon": 8}, "kim", "eve", parent=1, start=5),
        )

    undisturbed, world = pictures_of(world_of(drafts)), world_of(drafts)
    world.run_until(lambda: any(at == step for order, at in world[LEADER].works.values() if order.leaves))
    world.kill(LEADER)
    assert pictures_of(world) == undisturbed
