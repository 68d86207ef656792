"""A device that dies over its own steps goes on with them in its next life, from the checkpoint that it kept on disk.

Never here: an executor that dies over shared steps (`test_resuming`).
"""

from peerd_protocol.events import Cancelled
from peerd_protocol.ids import RequestId
from peerd_protocol.messages import HandoffBegin
from peerd_protocol.notices import Finished, PlanMade
from tests.protocol.little_world import LittleWorld, picture_request

PICTURE = RequestId("apple")
STEP_S = 2.5
"""So every second step leaves a checkpoint."""


def alone(**wishes: object) -> LittleWorld:
    world = LittleWorld("ann", "bob")
    world.step_s = STEP_S
    world.elect()
    world.ask("ann", picture_request(PICTURE, "ann", **{"shared": 0, **wishes}))
    return world


def step_at(world: LittleWorld, name: str) -> int:
    return max((step for _, step in world[name].works.values()), default=0)


def test_it_goes_on_from_its_last_checkpoint_and_asks_nobody() -> None:
    world = alone()
    world.run_until(lambda: step_at(world, "ann") == 7)
    world.kill("ann")
    world.boot("ann")
    world.run_until(lambda: PICTURE in world["ann"].pictures)
    assert world["ann"].pictures[PICTURE] == [b"noise->apple#41"]
    (order,) = world["ann"].denoised
    assert order.resumes and order.start == b"apple@6"
    assert isinstance(world["ann"].notices[PICTURE][-1], Finished)


def test_a_member_keeps_the_beginning_that_it_was_handed() -> None:
    world = LittleWorld("ann", "bob")
    world.step_s = STEP_S
    leader = world.elect()
    other = "ann" if leader == "bob" else "bob"
    for name in ("ann", "bob"):
        world.ask(name, picture_request(f"{name}'s", name, group_name="g", group_size=2, wait_ms=5_000))
    own = RequestId(f"{other}'s")
    world.run_until(lambda: any(order.stop is None and step >= 8 for order, step in world[other].works.values()))
    world.kill(other)
    world.boot(other)
    world.run_until(lambda: own in world[other].pictures)
    lead = min("ann's", "bob's")
    assert world[other].pictures[own] == [f"{lead}@5->{own}#41".encode()]


def test_nothing_of_it_is_left_once_the_picture_is_there() -> None:
    world = alone()
    world.run_until(lambda: PICTURE in world["ann"].pictures)
    world.run(1.0)
    assert not [key for key in world["ann"].disk if PICTURE in key]


def test_what_was_taken_back_does_not_come_again() -> None:
    world = alone()
    world.run_until(lambda: step_at(world, "ann") == 5)
    world.tell("ann", Cancelled(PICTURE))
    world.run(0.2)
    world.kill("ann")
    world.boot("ann")
    world.run(5.0)
    assert PICTURE not in world["ann"].pictures
    assert world["ann"].denoised == []


def test_progress_that_can_not_be_read_is_begun_anew() -> None:
    world = alone()
    world.run_until(lambda: step_at(world, "ann") == 7)
    world.kill("ann")
    world["ann"].disk["progress/apple"] = b"of another version"
    world.boot("ann")
    world.run_until(lambda: PICTURE in world["ann"].pictures)
    assert world["ann"].denoised[0].start is None
    assert world["ann"].pictures[PICTURE] == [b"noise->apple#41"]


def test_a_member_that_comes_back_is_planned_anew_and_does_not_wait_for_what_was_handed_over_long_ago() -> None:
    """Its checkpoint came before it died, and the executor, which still tries to reach another, has no other for it."""
    names = ("ann", "bob", "eve")
    world = LittleWorld(*names)
    world.loses = lambda sender, to, message: to == "eve" and isinstance(message, HandoffBegin)
    assert world.elect() == "eve"
    for name in names:
        world.ask(name, picture_request(f"{name}'s", name, group_name="g", group_size=3, wait_ms=2_000))
    own = RequestId("bob's")
    world.run_until(lambda: any(order.stop is None for order, _ in world["bob"].works.values()))
    world.kill("bob")
    world.run(0.5)
    world.boot("bob")
    world.run_until(lambda: own in world["bob"].pictures, 12.0)
    assert world["bob"].pictures[own] == [b"noise->bob's#41"]


def test_an_executor_that_comes_back_does_not_wait_for_its_group_once_more() -> None:
    """Its own request was planned with that group, which is over for it: who comes back goes on at once."""
    world = LittleWorld("ann", "bob", "eve")
    world.elect()
    for name in ("ann", "bob", "eve"):
        world.ask(name, picture_request(f"{name}'s", name, group_name="g", group_size=3, wait_ms=20_000))
    own = RequestId("ann's")
    world.run_until(lambda: any(order.leaves for order, _ in world["ann"].works.values()))
    world.kill("ann")
    world.run(1.0)
    world.boot("ann")
    world.run_until(lambda: own in world["ann"].pictures, 6.0)
    (again,) = [notice for notice in world["ann"].notices[own] if isinstance(notice, PlanMade)][1:]
    assert again.shared_steps == 0
    world.run_until_nothing_is_open()


def test_who_dies_before_its_group_is_planned_waits_for_it_in_its_next_life() -> None:
    world = LittleWorld("ann", "bob")
    leader = world.elect()
    other = "ann" if leader == "bob" else "bob"
    wishes = {"group_name": "g", "group_size": 2, "wait_ms": 20_000}
    world.ask(other, picture_request("early", other, **wishes))
    world.run(1.0)
    world.kill(other)
    world.boot(other)
    world.run(5.0)
    world.ask(leader, picture_request("late", leader, **wishes))
    world.run_until(lambda: bool(world[leader].pictures and world[other].pictures))
    assert world[leader].pictures[RequestId("late")] == [b"early@5->late#41"]
