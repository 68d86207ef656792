"""Whole nodes, from the asking to the picture, on good days and bad ones."""

import pytest

from peerd_protocol.events import Cancelled
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.messages import Answer, AnyMessage, HandoffBegin, Offer, PlanTold, Progress
from peerd_protocol.notices import Failed, Finished, HandedOff, PlanMade, SharedStep
from tests.protocol.little_world import LittleWorld, picture_request

TOGETHER = {"group_name": "fruit", "group_size": 2, "wait_ms": 10_000}
APPLE, LEMON = RequestId("apple"), RequestId("lemon")


def two_people_ask(world: LittleWorld) -> None:
    world.elect()
    world.ask("ann", picture_request("apple", "ann", **TOGETHER))
    world.ask("bob", picture_request("lemon", "bob", **TOGETHER))


def has_picture(world: LittleWorld, name: str, request: RequestId) -> bool:
    return any(isinstance(notice, Finished) for notice in world[name].notices.get(request, []))


def both_have_pictures(world: LittleWorld) -> bool:
    return has_picture(world, "ann", APPLE) and has_picture(world, "bob", LEMON)


def test_two_devices_one_beginning_two_pictures() -> None:
    world = LittleWorld("ann", "bob")
    two_people_ask(world)
    world.run_until(lambda: both_have_pictures(world))
    assert world["ann"].pictures == {APPLE: [b"apple@5->apple#41"]}
    assert world["bob"].pictures == {LEMON: [b"apple@5->lemon#41"]}
    shared = [order for place in world.places.values() for order in place.denoised if order.stop == 5]
    assert len(shared) == 1, "the shared steps ran once"
    told = [type(notice) for notice in world["bob"].notices[LEMON]]
    assert [kind for kind in told if kind in (PlanMade, SharedStep, HandedOff, Finished)] == [
        PlanMade,
        *[SharedStep] * 5,
        HandedOff,
        Finished,
    ]


def test_a_lone_device_takes_the_same_walk() -> None:
    world = LittleWorld("ann")
    world.elect()
    world.ask("ann", picture_request("apple", "ann"))
    world.run_until(lambda: has_picture(world, "ann", APPLE))
    assert world["ann"].pictures == {APPLE: [b"noise->apple#41"]}


def test_the_promise_is_on_disk_before_the_first_step() -> None:
    world = LittleWorld("ann", "bob")
    two_people_ask(world)
    world.run_until(lambda: any(place.denoised for place in world.places.values()))
    leader = world.elect()
    assert world.places[leader].predictions


def test_nothing_is_left_on_disk_but_the_term_once_all_is_done() -> None:
    world = LittleWorld("ann", "bob")
    two_people_ask(world)
    world.run_until(lambda: both_have_pictures(world))
    world.run(2.0)
    for place in world.places.values():
        assert {key for key in place.disk if not key.startswith("term/")} == set()


def test_who_declines_is_passed_over_and_the_next_is_asked() -> None:
    world = LittleWorld("ann", "bob")
    world["ann"].declines = "battery at 12 %"
    two_people_ask(world)
    world.run_until(lambda: both_have_pictures(world))
    assert [order.work[:6] for order in world["ann"].denoised] == ["local/"]
    assert world["bob"].pictures == {LEMON: [b"apple@5->lemon#41"]}


def test_when_all_decline_each_goes_alone_and_hears_why() -> None:
    world = LittleWorld("ann", "bob")
    world["ann"].declines, world["bob"].declines = "hot", "battery at 12 %"
    two_people_ask(world)
    world.run_until(lambda: both_have_pictures(world))
    assert world["bob"].pictures == {LEMON: [b"noise->lemon#41"]}
    (plan,) = [notice for notice in world["bob"].notices[LEMON] if isinstance(notice, PlanMade)]
    assert plan.shared_steps == 0
    assert "battery at 12 %" in plan.reason


def test_an_offer_that_nobody_answers_goes_to_the_next() -> None:
    world = LittleWorld("ann", "bob")
    world.loses = lambda sender, to, message: isinstance(message, Answer) and sender == "bob"
    two_people_ask(world)
    world.run_until(lambda: both_have_pictures(world))


def test_an_executor_whose_engine_dies_is_replaced_by_a_higher_attempt() -> None:
    world = LittleWorld("ann", "bob")
    world["ann"].breaks_at_step = 3
    two_people_ask(world)
    world.run_until(lambda: both_have_pictures(world))
    assert any(order.stop == 5 for order in world["bob"].denoised)
    assert world["bob"].pictures == {LEMON: [b"apple@5->lemon#41"]}


def test_an_executor_that_vanishes_in_the_middle_leaves_nobody_waiting() -> None:
    world = LittleWorld("ann", "bob", "eve")
    world.elect()
    world["bob"].declines = world["eve"].declines = "not today"
    world.ask("eve", picture_request("apple", "eve", **TOGETHER))
    world.ask("bob", picture_request("lemon", "bob", **TOGETHER))
    world.run_until(lambda: any(isinstance(notice, SharedStep) for notice in world["bob"].notices.get(LEMON, [])))
    world.kill("ann")
    world.run_until(lambda: has_picture(world, "bob", LEMON) and has_picture(world, "eve", APPLE))
    assert world["bob"].pictures == {LEMON: [b"noise->lemon#41"]}
    plans = [notice for notice in world["bob"].notices[LEMON] if isinstance(notice, PlanMade)]
    assert [plan.shared_steps for plan in plans] == [5, 0], "nobody else wanted to run them"
    assert "not today" in plans[-1].reason


def test_a_hung_executor_lapses_and_its_late_checkpoint_is_refused() -> None:
    world = LittleWorld("ann", "bob")
    world.loses = lambda sender, to, message: (
        sender == "ann" and to == "bob" and (isinstance(message, HandoffBegin) or _late(message))
    )

    def _late(message: AnyMessage) -> bool:
        return isinstance(message, Progress) and message.step > 2

    world["bob"].declines = "not today"
    two_people_ask(world)
    world.run_until(lambda: both_have_pictures(world))
    world.loses = lambda sender, to, message: False
    world.run(20.0)
    assert world["bob"].pictures == {LEMON: [b"noise->lemon#41"]}, "one picture, of one attempt"


def test_an_engine_that_dies_in_local_steps_starts_again_from_the_checkpoint() -> None:
    world = LittleWorld("ann", "bob")
    two_people_ask(world)
    world.run_until(lambda: any(isinstance(n, HandedOff) for n in world["bob"].notices.get(LEMON, [])))
    world["bob"].breaks_at_step = 8
    world.run_until(lambda: both_have_pictures(world))
    assert world["bob"].pictures == {LEMON: [b"apple@5->lemon#41"]}


def test_a_device_without_an_engine_asks_and_a_member_runs_all_of_it() -> None:
    world = LittleWorld("ann", "pi", engineless=("pi",))
    world.elect()
    world.ask("pi", picture_request("apple", "pi", shared=None))
    world.run_until(lambda: has_picture(world, "pi", APPLE))
    assert world["pi"].pictures == {APPLE: [b"noise->apple#41"]}
    assert not world["pi"].denoised
    assert world["ann"].pictures == {}, "the picture belongs to who asked"


def test_a_runner_that_dies_is_replaced_for_a_device_without_an_engine() -> None:
    world = LittleWorld("ann", "bob", "pi", engineless=("pi",))
    world.elect()
    world.ask("pi", picture_request("apple", "pi", shared=None))
    world.run_until(lambda: any(place.works for place in world.places.values()))
    (busy,) = [name for name, place in world.places.items() if place.works]
    world.kill(busy)
    world.run_until(lambda: has_picture(world, "pi", APPLE), seconds_max=60)


def test_a_request_survives_its_origins_restart() -> None:
    world = LittleWorld("ann", "bob")
    two_people_ask(world)
    world.run_until(lambda: any(isinstance(n, PlanMade) for n in world["bob"].notices.get(LEMON, [])))
    world.kill("bob")
    world.boot("bob")
    world.run_until(lambda: has_picture(world, "bob", LEMON), seconds_max=60)
    assert len(world["bob"].pictures[LEMON]) == 1


def test_a_bind_of_an_earlier_life_is_forgotten() -> None:
    world = LittleWorld("ann", "bob")
    two_people_ask(world)
    world.run_until(lambda: "bound/lemon" in world["bob"].disk)
    world.kill("bob")
    world.boot("bob")
    world.run_until(lambda: "bound/lemon" not in world["bob"].disk)
    world.run_until(lambda: has_picture(world, "bob", LEMON), seconds_max=60)
    world.run(2.0)
    assert {key for key in world["bob"].disk if not key.startswith("term/")} == set()


def test_a_leader_that_dies_before_the_plan_loses_nothing() -> None:
    world = LittleWorld("ann", "bob", "eve")
    leader = world.elect()
    asker = next(name for name in world.places if name != leader)
    world.loses = lambda sender, to, message: isinstance(message, PlanTold | Offer)
    world.ask(asker, picture_request("apple", asker))
    world.run(1.0)
    world.kill(leader)
    world.loses = lambda sender, to, message: False
    world.run_until(lambda: has_picture(world, asker, APPLE))


def test_what_nobody_may_share_runs_at_once_without_a_word_to_others() -> None:
    world = LittleWorld("ann", "bob")
    world.elect()
    heard: list[AnyMessage] = []
    world.loses = lambda sender, to, message: heard.append(message) or False  # type: ignore[func-returns-value]
    world.ask("bob", picture_request("apple", "bob", share="nothing"))
    world.run_until(lambda: has_picture(world, "bob", APPLE))
    assert not [message for message in heard if "apple" in repr(message)]


def test_a_cancelled_request_stops_and_the_others_go_on() -> None:
    world = LittleWorld("ann", "bob")
    two_people_ask(world)
    world.run_until(lambda: any(isinstance(n, HandedOff) for n in world["bob"].notices.get(LEMON, [])))
    world.tell("bob", Cancelled(LEMON))
    world.run_until(lambda: has_picture(world, "ann", APPLE))
    assert world["bob"].notices[LEMON][-1] == Failed(reason="cancelled")
    assert not world["bob"].works
    assert not world["bob"].pictures


def test_a_member_hears_nobody_elses_prompt() -> None:
    world = LittleWorld("ann", "bob", "eve")
    leader = world.elect()
    overheard: list[tuple[NodeId, AnyMessage]] = []
    world.loses = lambda sender, to, message: overheard.append((to, message)) or False  # type: ignore[func-returns-value]
    members = [name for name in world.places if name != leader]
    for name, prompt in zip(members, ("apple", "lemon"), strict=True):
        world.ask(name, picture_request(prompt, name, **TOGETHER))
    world.run_until(lambda: has_picture(world, members[0], APPLE) and has_picture(world, members[1], LEMON))
    plans = [(to, message) for to, message in overheard if isinstance(message, PlanTold)]
    assert plans
    for to, message in plans:
        assert {assignment.origin for assignment in message.plan.assignments} == {to}


@pytest.mark.parametrize("copies", [2, 5])
def test_everything_said_twice_changes_nothing(copies: int) -> None:
    world = LittleWorld("ann", "bob")
    original = world._perform

    def perform_with_echo(me: NodeId, actions: list) -> None:  # type: ignore[type-arg]
        before = len(world._mail)
        original(me, actions)
        world._mail += world._mail[before:] * (copies - 1)

    world._perform = perform_with_echo  # type: ignore[method-assign]
    two_people_ask(world)
    world.run_until(lambda: both_have_pictures(world))
    assert world["ann"].pictures == {APPLE: [b"apple@5->apple#41"]}
    assert world["bob"].pictures == {LEMON: [b"apple@5->lemon#41"]}
