"""Branches of a group on devices of their own: offered first, begun with their parent's checkpoint, never waited for
in vain.
"""

import dataclasses

import pytest

from peerd_protocol.actions import MakePlan
from peerd_protocol.coordination.share import WORK as SHARED
from peerd_protocol.events import Draft
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.messages import Answer, AnyMessage, HandoffBegin, Offer, Progress
from peerd_protocol.notices import PlanMade, SharedStep
from tests.protocol.little_world import TICK_S, LittleWorld, Place, draft, picture_request

NAMES = ("ann", "bob", "eve", "kim", "max")
FRUITS = ("apple", "lemon", "orange", "fig", "pear")
ASKED = {RequestId(fruit): NodeId(name) for fruit, name in zip(FRUITS, NAMES, strict=True)}


def three_branches(order: MakePlan) -> tuple[Draft, ...]:
    """The apple runs for all; lemon and orange leave together, fig and pear too, and each pair goes on a while."""
    return (
        draft(order, {"apple": 4}, "ann", "max"),
        draft(order, {"lemon": 7, "orange": 6}, "bob", "max", parent=0, start=3),
        draft(order, {"fig": 8, "pear": 8}, "kim", "max", parent=0, start=2),
    )


def deep_tree(order: MakePlan) -> tuple[Draft, ...]:
    return (
        draft(order, {"apple": 4}, "ann", "eve"),
        draft(order, {"lemon": 6, "orange": 6}, "bob", "eve", parent=0, start=2),
        draft(order, {"fig": 9, "pear": 8}, "kim", "eve", parent=1, start=5),
    )


THE_TREE = {
    "apple": b"apple@4->apple#41",
    "lemon": b"apple@3+lemon@7->lemon#41",
    "orange": b"apple@3+lemon@6->orange#41",
    "fig": b"apple@2+fig@8->fig#41",
    "pear": b"apple@2+fig@8->pear#41",
}


def world_of(*names: str) -> LittleWorld:
    world = LittleWorld(*(names or NAMES))
    world.drafts = three_branches
    world.elect()
    for request, name in ASKED.items():
        world.ask(name, picture_request(request, name, group_name="fruit", group_size=5, wait_ms=10_000))
    return world


def all_pictures(world: LittleWorld, seconds_max: float = 60.0) -> dict[str, bytes]:
    """Run until nothing is open; each asker has exactly one picture."""
    world.run(0.2)
    world.run_until_nothing_is_open(seconds_max)
    for place in world.places.values():
        assert not place.alive or not place.node._leader._offers._groups
    found: dict[str, bytes] = {}
    for request, name in ASKED.items():
        if world[name].alive:
            (found[request],) = world[name].pictures[request]
    return found


def is_sharing(place: Place) -> bool:
    return any(work.startswith(SHARED) for work in place.works)


def calls(world: LittleWorld) -> int:
    """Denoiser calls of all shared runs."""
    orders = [order for place in world.places.values() for order in place.denoised if order.stop is not None]
    return sum((order.stop or 0) - int((order.start or b"@0").rsplit(b"@")[-1]) for order in orders)


def test_three_branches_on_three_devices_begin_where_the_first_leaves_them() -> None:
    world = world_of()
    assert all_pictures(world) == THE_TREE
    assert calls(world) == 4 + (7 - 3) + (8 - 2)
    (plan,) = [n for n in world["eve"].notices[RequestId("orange")] if isinstance(n, PlanMade)]
    assert (plan.executor, plan.shared_steps, len(plan.shared_with)) == ("bob", 6, 4)
    steps = [n.step for n in world["max"].notices[RequestId("pear")] if isinstance(n, SharedStep)]
    assert steps[:2] == [1, 2] and steps[-1] == 8, "a branch's members hear how far its parent is"


def test_a_branch_of_a_branch() -> None:
    world = world_of()
    world.drafts = deep_tree
    assert all_pictures(world) == {
        "apple": b"apple@4->apple#41",
        "lemon": b"apple@2+lemon@6->lemon#41",
        "orange": b"apple@2+lemon@6->orange#41",
        "fig": b"apple@2+lemon@5+fig@9->fig#41",
        "pear": b"apple@2+lemon@5+fig@8->pear#41",
    }


def test_one_device_may_run_the_whole_tree() -> None:
    world = world_of()
    world.drafts = lambda order: tuple(
        draft(order, dict(each.leaves), "eve", parent=each.parent, start=each.start) for each in three_branches(order)
    )
    assert all_pictures(world) == THE_TREE


def test_who_declines_a_branch_is_passed_over() -> None:
    world = world_of()
    world["bob"].declines = "hot"
    assert all_pictures(world) == THE_TREE
    assert any(order.work.startswith(SHARED) for order in world["max"].denoised)


def test_a_branch_that_everyone_declines_ends_in_its_parent() -> None:
    world = world_of()
    world["bob"].declines = world["max"].declines = "hot"
    assert all_pictures(world) == THE_TREE | {
        "lemon": b"apple@3->lemon#41",
        "orange": b"apple@3->orange#41",
    }


def test_a_branch_in_the_middle_that_everyone_declines_hands_its_own_branch_up() -> None:
    world = world_of()
    world.drafts = deep_tree
    world["bob"].declines = world["eve"].declines = "hot"
    assert all_pictures(world) == {
        "apple": b"apple@4->apple#41",
        "lemon": b"apple@2->lemon#41",
        "orange": b"apple@2->orange#41",
        "fig": b"apple@2+fig@9->fig#41",
        "pear": b"apple@2+fig@8->pear#41",
    }


def test_a_root_that_everyone_declines_leaves_its_branches_groups_of_their_own() -> None:
    world = world_of()
    world["ann"].declines = world["max"].declines = "hot"
    assert all_pictures(world) == {
        "apple": b"noise->apple#41",
        "lemon": b"lemon@7->lemon#41",
        "orange": b"lemon@6->orange#41",
        "fig": b"fig@8->fig#41",
        "pear": b"fig@8->pear#41",
    }


def test_an_engine_that_breaks_in_a_branch_is_replaced_and_the_branch_begins_where_it_began() -> None:
    world = world_of()
    world["bob"].breaks_at_step = 5
    assert all_pictures(world) == THE_TREE


def test_a_branch_that_nobody_stands_by_for_becomes_a_group_of_its_own_when_its_engine_breaks() -> None:
    world = world_of()
    world.drafts = lambda order: tuple(
        dataclasses.replace(each, candidates=each.candidates[:1]) for each in three_branches(order)
    )
    world["bob"].breaks_at_step = 5
    pictures = all_pictures(world)
    assert pictures["lemon"] == b"lemon@7->lemon#41"
    assert pictures["pear"] == THE_TREE["pear"]


def branch_step(world: LittleWorld, name: str) -> int:
    """How far a branch is at whoever runs it, and 0 before it has begun."""
    return max((step for order, step in world[name].works.values() if order.leaves and order.start), default=0)


@pytest.mark.parametrize("step", range(2, 8))
@pytest.mark.parametrize("step_s", [TICK_S, 2.5], ids=["too-quick-for-spares", "with-spares"])
def test_whenever_a_branchs_executor_dies_the_branch_goes_on(step: int, step_s: float) -> None:
    """From its beginning, or from its newest spare; the pictures are those of the undisturbed run."""
    world = world_of()
    world.step_s = step_s
    world.run_until(lambda: branch_step(world, "kim") >= step)
    world.kill("kim")
    pictures = all_pictures(world)
    assert pictures == {fruit: picture for fruit, picture in THE_TREE.items() if fruit != "fig"}
    (again,) = [order for order in world["max"].denoised if order.leaves]
    begun = int((again.start or b"@0").rsplit(b"@")[-1])
    assert begun == (2 if step_s == TICK_S else max(2, step // 2 * 2))
    assert again.resumes == (begun > 2), "what the branch itself has run is gone on with, its beginning begun from"


def test_a_branch_whose_executor_dies_while_it_waits_begins_where_it_would_have() -> None:
    """Whoever stood by is handed the beginning as well, and by now runs the branch."""
    world = world_of()
    world.run_until(lambda: is_sharing(world["ann"]))
    world.kill("kim")
    pictures = all_pictures(world)
    assert pictures == {fruit: picture for fruit, picture in THE_TREE.items() if fruit != "fig"}


def test_branches_wait_for_whoever_goes_on_with_what_a_silent_device_ran_before_them() -> None:
    """A lease lapses before that device is known to be gone. It would run them next, so nobody else would."""
    world = world_of()
    world.drafts = lambda order: (
        three_branches(order)[0],
        draft(order, {"lemon": 7, "orange": 6}, "bob", "ann", parent=0, start=3),
        draft(order, {"fig": 8, "pear": 8}, "kim", "ann", parent=0, start=2),
    )
    world.run_until(lambda: is_sharing(world["ann"]))
    world.kill("ann", refuses=False)
    pictures = all_pictures(world)
    assert pictures == {fruit: picture for fruit, picture in THE_TREE.items() if fruit != "apple"}
    assert calls(world) == 4 + 3 + (7 - 3) + (8 - 2), "the first steps are run again, and nothing else is"


def test_so_it_does_when_the_branchs_executor_led_the_cluster() -> None:
    """The next leader knows of the branch what its members and its standby tell."""
    world = world_of()
    world.drafts = lambda order: (
        *three_branches(order)[:2],
        draft(order, {"fig": 8, "pear": 8}, "max", "bob", parent=0, start=2),
    )
    world.run_until(lambda: branch_step(world, "max") == 4)
    assert world["ann"].node.leader == "max"
    world.kill("max")
    pictures = all_pictures(world)
    assert pictures == {fruit: picture for fruit, picture in THE_TREE.items() if fruit != "pear"}


def test_whoever_waits_in_its_place_waits_as_long_as_the_steps_before_it_go_on() -> None:
    world = world_of()
    world.drafts = lambda order: (
        draft(order, {"apple": 9, "lemon": 9, "orange": 9}, "ann"),
        draft(order, {"fig": 10, "pear": 10}, "kim", "max", parent=0, start=8),
    )
    world.run_until(lambda: is_sharing(world["ann"]))
    world.kill("kim")
    for _ in range(6):
        world["ann"].hangs = True
        world.run(2.0)
        world["ann"].hangs = False
        world.run(TICK_S)
    assert all_pictures(world)["pear"] == b"apple@8+fig@10->pear#41"


def test_whoever_waits_for_a_beginning_that_went_by_does_not_wait_for_long() -> None:
    """It never got the beginning that it stood by for, and the steps that it would have come from go on without it."""
    world = world_of()
    world.drafts = lambda order: (
        draft(order, {"apple": 9, "lemon": 9, "orange": 9}, "ann"),
        draft(order, {"fig": 9, "pear": 9}, "kim", "max", parent=0, start=2),
    )
    world.loses = lambda sender, to, message: to == "max" and isinstance(message, HandoffBegin) and sender == "ann"
    world.run_until(lambda: branch_step(world, "kim") >= 4)
    world["ann"].hangs = True
    world.kill("kim")
    world.run(1.5)
    world["ann"].hangs = False
    assert all_pictures(world, seconds_max=20.0)["pear"] == b"fig@9->pear#41"


def test_a_branch_of_a_branch_waits_for_whoever_goes_on_with_that() -> None:
    world = world_of()
    world.drafts = deep_tree
    world.run_until(lambda: branch_step(world, "bob") == 3)
    world.kill("bob")
    pictures = all_pictures(world)
    assert pictures["pear"] == b"apple@2+lemon@5+fig@8->pear#41"
    assert pictures["orange"] == b"apple@2+lemon@6->orange#41"


def test_if_whoever_stands_by_for_a_branch_is_lost_too_its_members_go_alone() -> None:
    world = world_of()
    world.drafts = lambda order: tuple(
        dataclasses.replace(each, candidates=(*each.candidates, NodeId("ann"))) for each in three_branches(order)
    )
    world.run_until(lambda: branch_step(world, "bob") >= 4)
    world.kill("max")
    world.kill("bob")
    pictures = all_pictures(world)
    assert pictures["orange"] == b"noise->orange#41", "it goes alone"
    assert pictures["fig"] == THE_TREE["fig"]


def test_an_executor_of_a_branch_that_dies_before_the_root_is_asked_is_replaced() -> None:
    world = world_of()
    world.run_until(lambda: any(each.node._executor._shares for each in world.places.values()))
    world.kill("kim")
    pictures = all_pictures(world)
    assert pictures["pear"] in (THE_TREE["pear"], b"fig@8->pear#41")
    assert pictures["orange"] == THE_TREE["orange"]


def test_when_the_root_dies_another_device_runs_it_again_and_its_branches_wait_for_that() -> None:
    world = world_of()
    world.run_until(lambda: is_sharing(world["ann"]))
    world.kill("ann")
    pictures = all_pictures(world)
    assert {fruit: pictures[fruit] for fruit in ("lemon", "orange")} == {
        fruit: THE_TREE[fruit] for fruit in ("lemon", "orange")
    }


def test_when_the_roots_engine_breaks_the_next_candidate_runs_it_for_those_that_still_wait() -> None:
    world = world_of()
    world["ann"].breaks_at_step = 1
    pictures = all_pictures(world)
    assert pictures["apple"] == b"apple@4->apple#41"
    assert pictures["lemon"].endswith(b"lemon@7->lemon#41")
    assert pictures["fig"].endswith(b"fig@8->fig#41")


def test_a_parent_that_hangs_is_not_waited_for() -> None:
    world = world_of()
    world.loses = lambda sender, to, message: (
        sender == "ann" and to == "bob" and isinstance(message, Progress | HandoffBegin)
    )
    pictures = all_pictures(world, seconds_max=150.0)
    assert pictures["pear"] == THE_TREE["pear"]
    assert pictures["orange"] == THE_TREE["orange"], "whoever stood by for the branch was handed its beginning"


def test_a_silent_candidate_of_the_root_costs_its_patience_only() -> None:
    world = world_of()
    world.loses = lambda sender, to, message: sender == "ann" and isinstance(message, Answer)
    pictures = all_pictures(world)
    assert pictures["orange"].endswith(b"lemon@6->orange#41")


def test_a_branchs_executor_sees_its_leads_prompt_alone() -> None:
    world = world_of()
    overheard: list[AnyMessage] = []
    world.loses = lambda sender, to, message: bool(overheard.append(message))
    all_pictures(world)
    offers = [message for message in overheard if isinstance(message, Offer)]
    assert offers
    for offer in offers:
        assert offer.call.prompt in ("apple", "lemon", "fig")
        assert all(receiver.prompt == "" for receiver in offer.receivers)


def test_thirty_two_requests_in_one_tree() -> None:
    world = LittleWorld(*NAMES)
    world.elect()
    names = [f"r{number:02d}" for number in range(32)]

    def eight_branches(order: MakePlan) -> tuple[Draft, ...]:
        root = draft(order, {"r00": 3}, "ann", seed=7)
        rest = [names[1 + 4 * branch : 5 + 4 * branch] for branch in range(8)]
        branches = [
            draft(order, dict.fromkeys(each, 5), NAMES[number % 5], parent=0, start=2)
            for number, each in enumerate(rest)
        ]
        return (root, *branches)

    world.drafts = eight_branches
    for number, name in enumerate(names):
        node = NAMES[number % 5]
        world.ask(node, picture_request(name, node, group_name="set", group_size=32, wait_ms=10_000))
    world.run(0.2)
    world.run_until_nothing_is_open(100.0)
    for number, name in enumerate(names):
        (picture,) = world[NAMES[number % 5]].pictures[RequestId(name)]
        assert picture.startswith(b"r00@") and picture.endswith(f"->{name}#7".encode())
    assert calls(world) == 3 + 8 * 3
