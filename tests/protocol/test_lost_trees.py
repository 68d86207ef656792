"""Trees whose leader is lost: the next one never knew them, and their branches begin where they would have.

Never here: trees that keep their leader (`test_trees`), or groups without branches (`test_resuming`).
"""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from peerd_protocol.actions import MakePlan
from peerd_protocol.coordination.leases import RESUME_S
from peerd_protocol.coordination.rescues import GATHER_S, Rescues
from peerd_protocol.coordination.share import WORK as SHARED
from peerd_protocol.events import Cancelled, Draft, Received
from peerd_protocol.ids import Attempt, NodeId, RequestId
from peerd_protocol.messages import BranchBereft, HandoffBegin, StandsBy
from tests.protocol.little_world import TICK_S, LittleWorld, draft, picture_request
from tests.protocol.samples import ADA, BRANCH, OFFER, TERM

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


# ---- what is not waited for, and not run again ---------------------------------------------------------------


def seconds_to_the_last_picture(world: LittleWorld) -> float:
    began_s = world.now_s
    living = [place for place in world.places.values() if place.alive]
    world.run_until(lambda: not any(place.node._origin._open for place in living), 60.0)
    return world.now_s - began_s


def test_a_beginning_that_what_goes_on_is_past_of_is_not_waited_for_again_and_again() -> None:
    """It was still under way when max died, and kim holds a spare from beyond it: that branch begins with noise."""
    world = world_of(
        lambda order: (
            draft(order, {"apple": 6}, "max", "kim"),
            draft(order, {"lemon": 8, "orange": 7}, "eve", "bob", parent=0, start=3),
            draft(order, {"fig": 9, "pear": 9}, "ann", "eve", parent=0, start=5),
        )
    )
    world.step_s = 6.0
    world.loses = lambda sender, to, message: (
        sender == LEADER and isinstance(message, HandoffBegin) and (message.what, message.step) == ("branch", 3)
    )
    world.run_until(lambda: root_step(world) == 4)
    world.run(TICK_S)
    world.kill(LEADER)
    assert seconds_to_the_last_picture(world) < 3 * RESUME_S
    assert pictures_of(world)["lemon"] == b"lemon@8->lemon#41"


@pytest.mark.parametrize("lemons", ["eve", "max"])
def test_what_nobody_can_bring_is_not_waited_for_twice(lemons: str) -> None:
    """Nobody stands by for the root, so its branches begin with noise once their patience is over."""
    world = world_of(
        lambda order: (
            draft(order, {"apple": 6}, "max"),
            draft(order, {"lemon": 9, "orange": 8}, lemons, "bob", parent=0, start=5),
            draft(order, {"fig": 9, "pear": 9}, "ann", "eve", parent=0, start=4),
        )
    )
    world.run_until(lambda: root_step(world) == 2)
    world.kill(LEADER)
    assert seconds_to_the_last_picture(world) < RESUME_S + 6.0


def test_a_group_that_runs_for_branches_alone_outlives_its_leader_too() -> None:
    """All its own members died with its first executor."""
    world = world_of(
        lambda order: (
            draft(order, {"apple": 6}, "ann", "max", "kim"),
            draft(order, {"lemon": 9, "orange": 8, "fig": 9, "pear": 9}, "eve", "bob", parent=0, start=5),
        )
    )
    world.run_until(lambda: root_step(world) == 2)
    world.kill("ann")
    world.run_until(lambda: any(step == 2 for _, step in world[LEADER].works.values()))
    world.kill(LEADER)
    assert seconds_to_the_last_picture(world) < RESUME_S
    assert world["bob"].pictures[RequestId("lemon")] == [b"apple@5+lemon@9->lemon#41"]


def test_nobody_runs_on_with_a_tree_that_everyone_left() -> None:
    world = world_of(tree("kim", "eve", "ann"))
    world["kim"].step_ticks = 10
    world.run_until(lambda: root_step(world) == 1)
    for request, name in ASKED.items():
        world.tell(name, Cancelled(RequestId(request)))
    world.run(15.0)
    assert shared_calls(world) == 1
    assert not world[LEADER].node._leader._offers._groups


def test_a_branch_that_was_taken_back_refuses_its_beginning_at_once() -> None:
    world = world_of(tree("kim", "eve", "ann"))
    world["kim"].step_ticks = 3
    world.run_until(lambda: root_step(world) == 2)
    for request in ("lemon", "orange"):
        world.tell(ASKED[request], Cancelled(RequestId(request)))
    world.run_until(lambda: root_step(world) == 0)
    world.run(1.0)
    assert not world["kim"].node._executor._shares


def test_a_liar_that_waits_for_ever_has_nothing_run_again() -> None:
    world = world_of(tree("max", "eve", "ann"))
    world.run_until(lambda: root_step(world) == 1)
    (share,) = world["eve"].node._executor._shares.values()
    cry = Received(NodeId("eve"), BranchBereft(group=share.offer.group, attempt=share.offer.attempt))
    world.kill(LEADER)
    pictures_of(world)
    before = shared_calls(world)
    for _ in range(60):
        for name in ("ann", "bob", "kim"):
            world.tell(name, cry)
        world.run(1.0)
    assert shared_calls(world) == before


def test_of_two_that_stand_by_the_one_of_the_later_attempt_is_asked() -> None:
    """Whoever took over once still says that it stands by for the attempt before."""
    rescues, later = Rescues(), replace(OFFER, standby=NodeId("bob"), attempt=Attempt(TERM, 9))
    rescues.stands_by(NodeId("bob"), StandsBy(offer=later))
    rescues.stands_by(NodeId("kim"), StandsBy(offer=replace(OFFER, standby=NodeId("kim"))))
    rescues.branch_bereft(ADA, BranchBereft(group=BRANCH, attempt=later.attempt), 0.0)
    (group,) = rescues.due(lambda: Attempt(TERM, 10), set, GATHER_S)
    assert group.candidates == ["bob"]
