"""A device is lost over the own steps of another's request: whoever goes on begins at the newest spare that came home.

Every picture is that of the undisturbed run. Never here: a device that dies over its own (`test_next_life`), or over
shared steps (`test_resuming`).
"""

import pytest

from peerd_protocol.actions import Denoise
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.messages import AnyMessage, Chunk, HandoffBegin
from peerd_protocol.notices import Finished, PlanMade
from tests.protocol.little_world import LittleWorld, picture_request

APPLE, LEMON = RequestId("apple"), RequestId("lemon")
STEPS = 11
STEP_S = 2.5
EVERY = 2
"""A spare goes home every five seconds, so after every second step."""


def helped(*names: str) -> LittleWorld:
    """The pi asks for an apple, and has no engine to draw it."""
    world = LittleWorld(*(names or ("ann", "bob")), "pi", engineless=("pi",))
    world.step_s = STEP_S
    world.elect()
    world.ask("pi", picture_request(APPLE, "pi", shared=0))
    return world


def runner_of(world: LittleWorld) -> str:
    (busy,) = [name for name, place in world.places.items() if place.alive and place.works]
    return busy


def step_at(world: LittleWorld) -> int:
    return max((step for place in world.places.values() for _, step in place.works.values() if place.alive), default=0)


def begun(order: Denoise) -> int:
    return int(order.start.rsplit(b"@")[-1]) if order.start else 0


@pytest.mark.parametrize("step", range(1, STEPS))
def test_whenever_a_runner_dies_another_goes_on_from_what_came_home(step: int) -> None:
    world = helped()
    world.run_until(lambda: step_at(world) == step)
    lost = runner_of(world)
    world.kill(lost)
    world.run_until(lambda: APPLE in world["pi"].pictures)
    assert world["pi"].pictures[APPLE] == [b"noise->apple#41"]
    other = "bob" if lost == "ann" else "ann"
    (order,) = world[other].denoised
    assert begun(order) == step // EVERY * EVERY, "one interval is lost at most"
    assert order.resumes == (begun(order) > 0)
    world.run_until_nothing_is_open()


@pytest.mark.parametrize("step", range(6, STEPS))
def test_what_was_shared_before_is_part_of_it(step: int) -> None:
    world = LittleWorld("ann", "bob", "pi", engineless=("pi",))
    world.step_s = STEP_S
    world.elect()
    wishes = {"group_name": "fruit", "group_size": 2, "wait_ms": 5_000}
    for name in (APPLE, LEMON):
        world.ask("pi", picture_request(name, "pi", seed_free=True, **wishes))
    world.run_until(lambda: step_at(world) == step)
    world.kill(runner_of(world))
    world.run_until(lambda: len(world["pi"].pictures) == 2)
    assert world["pi"].pictures == {APPLE: [b"apple@5->apple#41"], LEMON: [b"apple@5->lemon#41"]}


def test_it_goes_on_from_there_though_its_origin_died_as_well() -> None:
    world = helped()
    world.run_until(lambda: step_at(world) == 7)
    lost = runner_of(world)
    world.kill("pi")
    world.kill(lost)
    world.run(1.0)
    world.boot("pi")
    world.run_until(lambda: APPLE in world["pi"].pictures)
    assert world["pi"].pictures[APPLE] == [b"noise->apple#41"]
    (order,) = world["bob" if lost == "ann" else "ann"].denoised
    assert begun(order) == 6
    world.run(1.0)
    assert not [key for key in world["pi"].disk if APPLE in key]


def test_three_runners_in_turn_make_one_picture() -> None:
    world = helped("ann", "bob", "eve")
    for step in (3, 7):
        world.run_until(lambda step=step: step_at(world) == step)  # type: ignore[misc]
        world.kill(runner_of(world))
    world.run_until(lambda: APPLE in world["pi"].pictures)
    assert world["pi"].pictures[APPLE] == [b"noise->apple#41"]
    assert sorted(begun(order) for place in world.places.values() for order in place.denoised) == [0, 2, 6]


def test_the_only_device_that_can_draw_goes_on_in_its_next_life() -> None:
    """It led as well; what it had run is nowhere but with whoever asked."""
    world = helped("zoe")
    assert world["pi"].node.leader == "zoe"
    world.run_until(lambda: step_at(world) == 9)
    world.kill("zoe")
    world.run(1.0)
    world.boot("zoe")
    world.run_until(lambda: APPLE in world["pi"].pictures)
    (order,) = world["zoe"].denoised
    assert begun(order) == 8
    assert world["pi"].pictures[APPLE] == [b"noise->apple#41"]


def test_an_origin_that_has_an_engine_by_now_goes_on_itself() -> None:
    world = helped("ann")
    world.run_until(lambda: step_at(world) == 5)
    world.kill("pi")
    world.kill("ann")
    world.engineless.clear()
    world.boot("pi")
    world.run_until(lambda: APPLE in world["pi"].pictures)
    (order,) = world["pi"].denoised
    assert begun(order) == 4
    assert world["pi"].pictures[APPLE] == [b"noise->apple#41"]


def test_a_runner_that_was_named_waits_for_what_the_origin_holds() -> None:
    """The half is lost on its way at first; nobody begins with noise for that."""
    world = helped()
    world.run_until(lambda: step_at(world) == 6)
    lost: list[AnyMessage] = []

    def loses(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if sender == "pi" and isinstance(message, HandoffBegin) and len(lost) < 3:
            lost.append(message)
            return True
        return False

    world.loses = loses
    world.kill(runner_of(world))
    world.run_until(lambda: APPLE in world["pi"].pictures)
    assert len(lost) == 3
    assert sorted(begun(order) for place in world.places.values() for order in place.denoised) == [0, 6]
    plans = [notice for notice in world["pi"].notices[APPLE] if isinstance(notice, PlanMade)]
    assert [plan.shared_steps for plan in plans] == [0, 0]


def test_where_no_spare_came_home_it_is_run_anew() -> None:
    world = helped()
    world.loses = lambda sender, to, message: isinstance(message, Chunk) and message.handoff.startswith("spare/")
    world.run_until(lambda: step_at(world) == 9)
    world.kill(runner_of(world))
    world.run_until(lambda: APPLE in world["pi"].pictures)
    assert [begun(order) for place in world.places.values() for order in place.denoised] == [0, 0]


def test_of_the_spares_that_wait_for_a_slow_link_the_newest_goes_next() -> None:
    """The first spare hangs until the fifth step; by then the fourth step's goes at once."""
    world = helped()
    world.loses = lambda sender, to, message: isinstance(message, HandoffBegin)
    world.run_until(lambda: step_at(world) == 5)
    world.loses = lambda sender, to, message: False
    world[runner_of(world)].hangs = True
    world.run(2.0)
    world.kill(runner_of(world))
    world.run_until(lambda: APPLE in world["pi"].pictures)
    assert sorted(begun(order) for place in world.places.values() for order in place.denoised) == [0, 4]


def test_a_runner_that_is_lost_after_a_minute_is_replaced_all_the_same() -> None:
    """How long a request may stay without anybody counts from the loss, not from the asking."""
    world = helped()
    world.run_until(lambda: step_at(world) == 4)
    first = runner_of(world)
    world[first].hangs = True
    world.run(70.0)
    world.kill(first)
    world.run_until(lambda: APPLE in world["pi"].pictures)
    assert isinstance(world["pi"].notices[APPLE][-1], Finished)
