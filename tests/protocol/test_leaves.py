"""Members leave the shared steps each at its own step, and sooner where a probe finds that they should."""

from peerd_protocol.actions import MakePlan
from peerd_protocol.events import Cancelled, Draft
from peerd_protocol.ids import RequestId
from peerd_protocol.messages import AnyMessage, Offer, PlanTold
from peerd_protocol.notices import HandedOff, PlanMade
from tests.protocol.little_world import LittleWorld, draft, picture_request

NAMES = ("ann", "bob", "eve")
FRUITS = ("apple", "lemon", "pear")
LEAVES = {"apple": 8, "lemon": 3, "pear": 6}


def three_ask(world: LittleWorld, **wishes: object) -> None:
    world.elect()
    for name, fruit in zip(NAMES, FRUITS, strict=True):
        more = wishes.get(fruit, {})
        assert isinstance(more, dict)
        world.ask(name, picture_request(fruit, name, group_name="fruit", group_size=3, wait_ms=10_000, **more))


def at_different_steps(order: MakePlan) -> tuple[Draft, ...]:
    return (draft(order, LEAVES, "ann"),)


def with_probes(order: MakePlan) -> tuple[Draft, ...]:
    return (draft(order, LEAVES, "ann", probed=frozenset(map(RequestId, ("lemon", "pear")))),)


def test_each_leaves_after_its_own_step_of_one_run() -> None:
    world = LittleWorld(*NAMES)
    world.drafts = at_different_steps
    three_ask(world)
    world.run(0.1)
    world.run_until_nothing_is_open()
    assert world["ann"].pictures[RequestId("apple")] == [b"apple@8->apple#41"]
    assert world["bob"].pictures[RequestId("lemon")] == [b"apple@3->lemon#41"]
    assert world["eve"].pictures[RequestId("pear")] == [b"apple@6->pear#41"]
    (run,) = [order for place in world.places.values() for order in place.denoised if order.leaves]
    assert run.stop == 8
    assert [n.shared_steps for n in world["eve"].notices[RequestId("pear")] if isinstance(n, PlanMade)] == [6]
    assert {entry.step for entry, _ in world["ann"].kept.values()} == {3, 6, 8}


def test_a_probe_lets_one_leave_sooner_and_its_runner_takes_that() -> None:
    world = LittleWorld(*NAMES)
    world.drafts = with_probes
    world.probe = lambda leave, step: leave.prompt == "pear" and step == 2
    three_ask(world)
    world.run(0.1)
    world.run_until_nothing_is_open()
    assert world["eve"].pictures[RequestId("pear")] == [b"apple@2->pear#41"]
    assert world["bob"].pictures[RequestId("lemon")] == [b"apple@3->lemon#41"]
    assert [n.step for n in world["eve"].notices[RequestId("pear")] if isinstance(n, HandedOff)] == [2]


def test_only_prompts_that_their_owners_share_are_shown_to_a_probe() -> None:
    assert prompts_shown(probed=frozenset(map(RequestId, FRUITS))) == {"apple": "apple", "lemon": "lemon", "pear": ""}


def test_without_a_probe_nobody_elses_prompt_is_in_the_offer() -> None:
    assert set(prompts_shown(probed=frozenset()).values()) == {""}


def prompts_shown(probed: frozenset[RequestId]) -> dict[str, str]:
    """By the offer, to the one who runs the shared steps; pear shares its concepts alone."""
    world = LittleWorld(*NAMES)
    overheard: list[AnyMessage] = []
    world.loses = lambda sender, to, message: bool(overheard.append(message))
    leader = world.elect()
    other = next(name for name in NAMES if name != leader)
    world.drafts = lambda order: (draft(order, LEAVES, other, probed=probed),)
    three_ask(world, pear={"share": "concepts", "concepts": "edible fruit"})
    world.run(1.0)
    (offer,) = [message for message in overheard if isinstance(message, Offer)]
    return {receiver.request: receiver.prompt for receiver in offer.receivers}


def test_who_takes_its_request_back_does_not_hold_the_others_up() -> None:
    world = LittleWorld(*NAMES)
    world.drafts = at_different_steps
    three_ask(world)
    world.run_until(lambda: any(order.leaves for order in world["ann"].denoised))
    world.tell("eve", Cancelled(RequestId("pear")))
    world.run(0.1)
    world.run_until_nothing_is_open()
    assert RequestId("pear") not in world["eve"].pictures
    assert world["bob"].pictures[RequestId("lemon")] == [b"apple@3->lemon#41"]


def test_a_checkpoint_that_comes_before_its_plan_waits_for_it() -> None:
    world = LittleWorld(*NAMES)
    leader = world.elect()
    late, fast = (name for name in NAMES if name != leader)
    fruit = RequestId(FRUITS[NAMES.index(late)])
    world.drafts = lambda order: (draft(order, {"apple": 1, "lemon": 1, "pear": 1}, fast),)
    lost: list[AnyMessage] = []

    def loses(sender: str, to: str, message: AnyMessage) -> bool:
        if to == late and isinstance(message, PlanTold) and not lost:
            lost.append(message)
            return True
        return False

    world.loses = loses
    three_ask(world)
    world.run(0.1)
    world.run_until_nothing_is_open()
    assert lost
    assert world[late].pictures[fruit] == [f"apple@1->{fruit}#41".encode()]
