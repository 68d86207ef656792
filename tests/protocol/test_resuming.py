"""An executor is lost in the middle of the shared steps: another device goes on, and every picture stays what it was.

Stories of whole nodes. Never here: how a spare is kept (`test_standby`), or other losses (`test_node`).
"""

import dataclasses
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from peerd_protocol import codec
from peerd_protocol.actions import Denoise
from peerd_protocol.events import Cancelled, Received
from peerd_protocol.ids import Attempt, NodeId, RequestId, Term
from peerd_protocol.messages import Answer, AnyMessage, Bereft, Chunk, Offer, PlanTold, StandDown, StandsBy
from peerd_protocol.notices import PlanMade, WentAlone
from peerd_protocol.plan import GroupPlan
from tests.protocol.little_world import LittleWorld, draft, picture_request

SHARED = 8
STEP_S = 2.5
EVERY = 2
"""A spare checkpoint is wanted every five seconds, so after every second step."""


def world_of(*names: str, executor: str) -> LittleWorld:
    """All ask together; `executor` runs the shared steps, whoever else can is asked next."""
    world = LittleWorld(*names)
    world.step_s = STEP_S
    world.drafts = lambda order: (
        draft(
            order,
            {request.id: SHARED for request in sorted(order.requests, key=lambda each: each.id)},
            *sorted((node for node, _ in order.devices), key=lambda node: (node != executor, node)),
        ),
    )
    return world


def ask_all(world: LittleWorld, *names: str) -> None:
    for name in names:
        request = picture_request(f"{name}'s", name, group_name="g", group_size=len(names), wait_ms=5_000)
        world.ask(name, request)


def pictures(world: LittleWorld, *names: str) -> list[bytes]:
    def all_have() -> bool:
        return all(world[name].pictures.get(RequestId(f"{name}'s")) for name in names)

    world.run_until(all_have)
    found = [world[name].pictures[RequestId(f"{name}'s")] for name in names]
    assert all(len(each) == 1 for each in found)
    return [each[0] for each in found]


def undisturbed(*names: str, executor: str) -> list[bytes]:
    world = world_of(*names, executor=executor)
    world.elect()
    ask_all(world, *names)
    return pictures(world, *names)


def shared_steps_run(place_denoised: list[Denoise]) -> list[Denoise]:
    return [order for order in place_denoised if order.leaves]


def step_of(world: LittleWorld, name: str) -> int:
    return max((step for order, step in world[name].works.values() if order.leaves), default=0)


def has_run(world: LittleWorld, name: str, step: int) -> Callable[[], bool]:
    return lambda: step_of(world, name) >= step


@pytest.mark.parametrize("step", range(1, SHARED))
def test_whenever_an_executor_dies_the_pictures_are_those_of_the_undisturbed_run(step: int) -> None:
    names = ("ann", "bob", "eve")
    world = world_of(*names, executor="bob")
    assert world.elect() == "eve"
    ask_all(world, *names)
    world.run_until(has_run(world, "bob", step))
    world.kill("bob")
    assert pictures(world, "ann", "eve") == undisturbed(*names, executor="bob")[::2]
    (resumed,) = shared_steps_run(world["ann"].denoised)
    begun = int(resumed.start.rsplit(b"@")[-1]) if resumed.start else 0
    assert begun == step // EVERY * EVERY or begun == (step - 1) // EVERY * EVERY, "one interval is lost at most"
    assert not any(isinstance(notice, WentAlone) for notice in world["eve"].notices[RequestId("eve's")])
    world.run_until_nothing_is_open()


@pytest.mark.parametrize("refuses", [True, False], ids=["its-process", "its-device"])
@pytest.mark.parametrize("step", range(1, SHARED))
def test_so_they_are_when_the_executor_led_the_cluster(step: int, refuses: bool) -> None:
    """Of a device that is only silent a lease lapses before it is known to be gone; its members hope on meanwhile."""
    names = ("ann", "bob", "eve")
    world = world_of(*names, executor="eve")
    assert world.elect() == "eve"
    ask_all(world, *names)
    world.run_until(has_run(world, "eve", step))
    world.kill("eve", refuses)
    assert pictures(world, "ann", "bob") == undisturbed(*names, executor="eve")[:2]
    plans = [notice for notice in world["bob"].notices[RequestId("bob's")] if isinstance(notice, PlanMade)]
    assert [plan.executor for plan in plans] == ["eve", "ann"]
    assert plans[0].seed == plans[1].seed
    world.run_until_nothing_is_open()


def test_an_executor_whose_answer_is_lost_is_told_to_stop_before_another_is_asked() -> None:
    """It said yes and runs already; to the leader it is one that does not answer."""
    names = ("ann", "bob", "eve")
    world, lost = world_of(*names, executor="bob"), list[NodeId]()

    def loses(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if isinstance(message, Answer) and not lost:
            lost.append(sender)
            return True
        return False

    world.loses = loses
    for place in world.places.values():
        place.step_ticks = 10
    assert world.elect() == "eve"
    ask_all(world, *names)
    world.run_until(lambda: bool(shared_steps_run(world["ann"].denoised)))
    world.run(0.1)
    assert lost == ["bob"] and shared_steps_run(world["bob"].denoised)
    assert step_of(world, "bob") == 0, "it runs them no longer"
    world.run_until(lambda: all(world[name].pictures for name in names), seconds_max=120.0)
    assert len(shared_steps_run(world["bob"].denoised)) == len(shared_steps_run(world["ann"].denoised)) == 1
    world.run_until_nothing_is_open()


def test_an_executor_that_the_leader_only_hears_no_more_is_told_to_stop() -> None:
    """The leader is no member, so nobody misses a step; else a runner would have said so."""
    names = ("ann", "bob", "dan")
    world = world_of(*names, "eve", executor="bob")
    for place in world.places.values():
        place.step_ticks = 10
    assert world.elect() == "eve"
    ask_all(world, *names)
    world.run_until(has_run(world, "bob", 1))
    world.deaf = {(NodeId("eve"), NodeId("bob"))}
    world.run_until(lambda: bool(shared_steps_run(world["ann"].denoised)))
    world.run(0.1)
    assert step_of(world, "bob") == 0, "it runs them no longer"
    world.mend()
    world.run_until(lambda: all(world[name].pictures for name in names), seconds_max=120.0)
    world.run_until_nothing_is_open()


def test_the_end_of_a_try_does_not_stop_a_later_one_of_the_same_device() -> None:
    """Words may overtake each other: the new offer is here when the old try is called off."""
    world = world_of("ann", "bob", "eve", executor="bob")
    assert world.elect() == "eve"
    ask_all(world, "ann", "bob", "eve")
    world.run_until(has_run(world, "bob", 2))
    (share,) = world["bob"].node._executor._shares.values()
    again = replace(share.offer, attempt=Attempt(share.offer.attempt.term, 50))
    world.tell("bob", Received(NodeId("eve"), again))
    world.tell("bob", Received(NodeId("eve"), StandDown(group=share.offer.group, attempt=share.offer.attempt)))
    world.run(0.3)
    (later,) = world["bob"].node._executor._shares.values()
    assert later.offer.attempt == again.attempt
    assert step_of(world, "bob") > 0


def test_a_liar_that_lets_the_standby_go_costs_no_steps() -> None:
    """It names itself as the leader of a term far above; whoever stands by follows another."""
    world = world_of("ann", "bob", "dan", "eve", executor="bob")
    assert world.elect() == "eve"
    ask_all(world, "ann", "bob", "eve")
    world.run_until(has_run(world, "bob", 5))
    (plan,) = [notice for notice in world["eve"].notices[RequestId("eve's")] if isinstance(notice, PlanMade)]
    assert plan.executor == "bob"
    (group,) = world["ann"].node._standby._watches
    forged = Attempt(Term(2**60, NodeId("dan"), world["dan"].boot), 0)
    world.tell("ann", Received(NodeId("dan"), StandDown(group=group, attempt=forged)))
    world.run(0.1)
    world.kill("bob")
    assert pictures(world, "ann", "eve") == undisturbed("ann", "bob", "eve", executor="bob")[::2]
    (resumed,) = shared_steps_run(world["ann"].denoised)
    assert resumed.resumes, "its spare is here"


def test_of_two_devices_the_one_that_is_left_goes_on_by_itself() -> None:
    world = world_of("ann", "bob", executor="bob")
    assert world.elect() == "bob"
    ask_all(world, "ann", "bob")
    world.run_until(has_run(world, "bob", 5))
    world.kill("bob")
    assert pictures(world, "ann") == undisturbed("ann", "bob", executor="bob")[:1]
    (resumed,) = shared_steps_run(world["ann"].denoised)
    assert resumed.resumes and resumed.start


def test_a_hung_engine_loses_its_lease_and_another_device_goes_on() -> None:
    world = world_of("ann", "bob", "eve", executor="bob")
    world.elect()
    ask_all(world, "ann", "bob", "eve")
    world.run_until(has_run(world, "bob", 3))
    world["bob"].hangs = True
    assert pictures(world, "ann", "eve") == undisturbed("ann", "bob", "eve", executor="bob")[::2]
    assert shared_steps_run(world["ann"].denoised)
    assert not world["bob"].works or not any(order.leaves for order, _ in world["bob"].works.values())


def test_a_member_that_is_bound_keeps_what_it_has() -> None:
    """ann leaves early and is done with sharing when the executor dies; eve alone is resumed for."""
    world = world_of("ann", "bob", "eve", executor="bob")
    early = world.drafts

    world.drafts = lambda order: tuple(
        dataclasses.replace(each, leaves=tuple((name, 2 if name == "ann's" else step) for name, step in each.leaves))
        for each in early(order)
    )
    world.elect()
    ask_all(world, "ann", "bob", "eve")
    world.run_until(has_run(world, "bob", 6))
    world.kill("bob")
    ann, eve = pictures(world, "ann", "eve")
    assert ann == b"ann's@2->ann's#41"
    assert eve == b"ann's@8->eve's#41"
    world.run_until_nothing_is_open()


def test_what_a_device_has_run_for_another_to_the_end_it_does_not_run_again_when_the_executor_is_lost() -> None:
    """One of the pi's pictures leaves early and is painted when bob dies; eve goes on for the other alone."""
    world = LittleWorld("ann", "bob", "eve", "pi", engineless=("pi",))
    world.drafts = lambda order: (draft(order, {"early": 2, "late": SHARED}, "bob", "eve"),)
    world.elect()
    for name in ("early", "late"):
        world.ask("pi", picture_request(name, "pi", group_name="g", group_size=2, wait_ms=5_000))
    early, late = RequestId("early"), RequestId("late")
    world.run_until(has_run(world, "bob", 3))
    world["bob"].step_ticks = 10
    world.run_until(lambda: early in world["pi"].pictures)
    world.kill("bob")
    world.run_until(lambda: late in world["pi"].pictures)
    world.run_until_nothing_is_open(90.0)
    assert [order.call.prompt for order in world["ann"].denoised] == ["early", "late"]


def test_if_whoever_stands_by_is_lost_too_everyone_goes_alone() -> None:
    world = world_of("ann", "bob", "eve", executor="eve")
    world.elect()
    ask_all(world, "ann", "bob", "eve")
    world.run_until(has_run(world, "eve", 5))
    world.kill("eve")
    world.kill("ann")
    assert pictures(world, "bob") == [b"noise->bob's#41"]
    assert any(isinstance(notice, WentAlone) for notice in world["bob"].notices[RequestId("bob's")])


def test_where_no_spare_arrives_the_shared_steps_are_run_again() -> None:
    world = world_of("ann", "bob", "eve", executor="eve")

    def spare(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        return isinstance(message, Chunk) and message.handoff.startswith("spare/")

    world.loses = spare
    world.elect()
    ask_all(world, "ann", "bob", "eve")
    world.run_until(has_run(world, "eve", 7))
    world.kill("eve")
    assert pictures(world, "ann", "bob") == undisturbed("ann", "bob", "eve", executor="eve")[:2]
    (again,) = shared_steps_run(world["ann"].denoised)
    assert again.start is None


def test_words_that_stay_at_home_are_not_told_to_a_new_leader() -> None:
    """What a runner cries out is the plan as it was told: of one that shares concepts alone, the phrase."""
    world = world_of("ann", "bob", "eve", executor="eve")
    heard: list[bytes] = []

    def listen(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if sender == "ann" and to != "ann":
            heard.append(codec.encode(message))
        return False

    world.loses = listen
    world.elect()
    call = replace(picture_request("ann's", "ann").call, prompt="what ann thinks of")
    wishes = {"group_name": "g", "group_size": 3, "wait_ms": 5_000}
    world.ask("ann", picture_request("ann's", "ann", call=call, share="concepts", concepts="fruit on table", **wishes))
    for name in ("bob", "eve"):
        world.ask(name, picture_request(f"{name}'s", name, **wishes))
    world.run_until(has_run(world, "eve", 5))
    world.kill("eve")
    pictures(world, "ann", "bob")
    assert any(b"bereft" in frame for frame in heard)
    assert not any(b"thinks" in frame for frame in heard)


def test_whoever_stands_by_forgets_a_group_that_is_through() -> None:
    world = world_of("ann", "bob", "eve", executor="ann")
    told: list[StandsBy] = []

    def listen(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if isinstance(message, StandsBy):
            told.append(message)
        return False

    world.loses = listen
    world.elect()
    ask_all(world, "ann", "bob", "eve")
    pictures(world, "ann", "bob", "eve")
    assert {message.step for message in told} >= {2, 4, 6}
    told.clear()
    world.run(3.0)
    assert told == []


def test_a_group_that_everyone_has_left_is_offered_to_nobody_any_more() -> None:
    """The executor dies, the next best never answers, and meanwhile those who still waited take their requests back."""
    names = ("ann", "bob", "eve", "kim")
    world = world_of(*names, executor="bob")
    offered: list[Offer] = []

    def listen(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if isinstance(message, Offer):
            offered.append(message)
        return isinstance(message, Answer) and sender == "ann"

    assert world.elect() == "kim"
    ask_all(world, "ann", "eve", "kim")
    world.run_until(has_run(world, "bob", 3))
    world.loses = listen
    world.kill("bob")
    world.run(0.2)
    for name in ("ann", "eve", "kim"):
        world.tell(name, Cancelled(RequestId(f"{name}'s")))
    world.run(5.0)
    assert offered and all(offer.receivers for offer in offered)
    world.run_until_nothing_is_open()


def test_nobody_but_a_waiting_runner_can_take_a_group_from_its_executor() -> None:
    """kim is no member; what it says of the plan is not believed."""
    world = world_of("ann", "bob", "eve", "kim", executor="bob")
    told: list[GroupPlan] = []

    def listen(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if isinstance(message, PlanTold):
            told.append(message.plan)
        return False

    world.loses = listen
    leader = world.elect()
    assert leader == "kim"
    ask_all(world, "ann", "bob", "eve")
    world.run_until(has_run(world, "bob", 3))
    cry = Bereft(plan=told[0], reason="as I say")
    world.tell(leader, Received(NodeId("kim"), cry))
    world.run(0.2)
    assert step_of(world, "bob") > 3, "it runs on"
    world.tell(leader, Received(NodeId("eve"), cry))
    world.run(0.2)
    assert step_of(world, "bob") == 0, "a member is believed"
