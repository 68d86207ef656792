"""How long an origin waits, and for whom: slow links, runners out of earshot, sleep, engines without room.

Whole nodes in a little world, where a story says what gets lost; a lone node where nobody else matters.
"""

from collections import Counter

import msgspec

from peerd_protocol.actions import Action, Denoise, Forget, MakePlan, Tell
from peerd_protocol.coordination.origin import NOBODY_WAIT_S, PREFIX, RUNNER_SILENCE_S
from peerd_protocol.events import Draft, Event, Profiled, Received, Ticked
from peerd_protocol.ids import Attempt, BootNonce, NodeId, RequestId
from peerd_protocol.messages import AnyMessage, Chunk, LocalProgress, Submit
from peerd_protocol.node import Node
from peerd_protocol.notices import Failed, Finished, LocalStep, PlanMade
from peerd_protocol.plan import Request
from peerd_protocol.profile import Profile
from tests.protocol.little_world import FORECAST, LittleWorld, draft, picture_request

APPLE = RequestId("apple")
ANN = NodeId("ann")


def plans(world: LittleWorld, name: str) -> int:
    return Counter(type(notice) for notice in world[name].notices.get(APPLE, []))[PlanMade]


def runs(world: LittleWorld) -> int:
    """How often any engine began."""
    return sum(len(place.denoised) for place in world.places.values())


def test_a_picture_that_travels_for_long_is_waited_for_and_not_painted_again() -> None:
    world = LittleWorld("ann", "bob", "cid", engineless=("ann",))
    world.elect()
    under_way: list[tuple[NodeId, Event]] = []

    def is_late(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if isinstance(message, Chunk) and to == ANN:
            under_way.append((to, Received(sender, message)))
        return isinstance(message, Chunk)

    world.loses = is_late
    world.ask("ann", picture_request("apple", "ann", shared=None))
    world.run_until(lambda: bool(under_way))
    world.run(RUNNER_SILENCE_S + 1.5)
    for to, event in under_way:
        world.tell(to, event)
    world.run(1.0)
    assert isinstance(world["ann"].notices[APPLE][-1], Finished)
    assert (plans(world, "ann"), runs(world)) == (1, 1)
    world.run_until_nothing_is_open()


def parted(leader: NodeId, world: LittleWorld) -> tuple[NodeId, NodeId]:
    """Somebody without an engine, and one with it, who reach the leader, and not each other."""
    asker = next(NodeId(name) for name in ("ann", "bob") if name != leader)
    runner = next(NodeId(name) for name in ("cid", "dan") if name != leader)
    world.loses = lambda sender, to, message: {sender, to} == {asker, runner}
    return asker, runner


def test_a_runner_out_of_earshot_is_not_given_it_again_where_another_can_run_it() -> None:
    """The leader reaches both, so to the leader nothing is wrong."""
    world = LittleWorld("ann", "bob", "cid", "dan", engineless=("ann", "bob"))
    leader = world.elect()
    asker, runner = parted(leader, world)
    world.ask(asker, picture_request("apple", asker, shared=None))
    world.run(RUNNER_SILENCE_S + 8.0)
    assert isinstance(world[asker].notices[APPLE][-1], Finished)
    assert {name for name, place in world.places.items() if place.denoised} == {runner, leader}


def test_where_no_other_may_run_it_patience_comes_to_its_end() -> None:
    world = LittleWorld("ann", "bob", "cid", "dan", engineless=("ann", "bob"))
    asker, runner = parted(world.elect(), world)
    world.drafts = lambda order: (draft(order, {APPLE: 0}, runners=((APPLE, runner),)),)
    world.ask(asker, picture_request("apple", asker, shared=None))
    world.run(NOBODY_WAIT_S + 2 * RUNNER_SILENCE_S)
    assert isinstance(world[asker].notices[APPLE][-1], Failed)
    assert runs(world) > 1


def test_who_avoids_a_runner_is_not_told_the_old_plan_again() -> None:
    """The leader still knows the group, whose shared steps take their time."""
    world = LittleWorld("ann", "bob", "cid", "dan", "eve", engineless=("ann", "bob"))
    leader = world.elect()
    asker, runner = parted(leader, world)
    other = next(NodeId(name) for name in ("cid", "dan", "eve") if name not in (leader, runner))

    def drafts(order: MakePlan) -> tuple[Draft, ...]:
        able = {
            request.id: next(node for node in (runner, other) if node not in request.avoid)
            for request in order.requests
        }
        leaves = {request.id: 5 for request in order.requests}
        slow = msgspec.structs.replace(FORECAST, seconds=300.0, step_seconds=20.0)
        return (draft(order, leaves, leader, runners=tuple(able.items()), forecast=slow),)

    world.drafts = drafts
    world[leader].step_ticks = 180
    for name in ("apple", "lemon"):
        world.ask(asker, picture_request(name, asker))
    world.run(4 * NOBODY_WAIT_S)
    assert isinstance(world[asker].notices[APPLE][-1], Finished)


def test_the_wait_for_a_group_takes_nothing_off_the_wait_for_a_runner() -> None:
    world = LittleWorld("ann", "bob", "cid", "dan", engineless=("ann", "bob"))
    asker, _ = parted(world.elect(), world)
    together = {"group_name": "fruit", "group_size": 2, "wait_ms": round(NOBODY_WAIT_S * 1000) + 10_000}
    world.ask(asker, picture_request("apple", asker, **together))
    world.run(NOBODY_WAIT_S + 10.0 + RUNNER_SILENCE_S + 10.0)
    assert isinstance(world[asker].notices[APPLE][-1], Finished)


def test_a_runner_that_was_heard_is_known_in_the_next_attempt() -> None:
    world = LittleWorld("ann", "bob", "cid", "dan", engineless=("ann", "bob"))
    leader = world.elect()
    asker = next(NodeId(name) for name in ("ann", "bob") if name != leader)
    origin = world[asker].node._origin
    world.ask(asker, picture_request("apple", asker, shared=None))
    world.run_until(lambda: plans(world, asker) > 0)
    plan, runner, term = origin._open[APPLE].plan, origin._open[APPLE].runner, world[leader].node.term
    assert plan is not None and runner is not None
    asked_s, waited_s = world.now_s, round(NOBODY_WAIT_S)
    for second in range(1, waited_s):
        origin.ticked(leader, term, False, asked_s + second)
        origin.progressed(runner, LocalProgress(request=APPLE, step=1, total=11), asked_s + second)
    again = msgspec.structs.replace(plan, attempt=Attempt(plan.attempt.term, plan.attempt.number + 1))
    origin.told(again, frozenset(), asked_s + waited_s)
    for second in range(waited_s, waited_s + round(RUNNER_SILENCE_S) + 3):
        said = origin.ticked(leader, term, False, asked_s + second)
        assert not any(isinstance(act, Tell) and isinstance(act.notice, Failed) for act in said)
    assert origin._open[APPLE].plan is None and not origin._open[APPLE].avoid


def test_while_an_older_picture_travels_its_runner_speaks_of_the_newer_run() -> None:
    world = LittleWorld("ann", "bob", "cid", engineless=("ann",))
    world.elect()
    world.drafts = lambda order: (draft(order, {APPLE: 0}, runners=((APPLE, NodeId("bob")),)),)
    mute = False
    world.loses = lambda sender, to, message: (
        isinstance(message, Chunk) or (mute and isinstance(message, LocalProgress))
    )
    world["bob"].step_ticks = 10
    world.ask("ann", picture_request("apple", "ann", shared=None))
    world.run_until(lambda: bool(world["bob"].node._handoffs._giving))
    mute = True
    world.run(RUNNER_SILENCE_S + 1.0)
    mute = False
    seen = len(world["ann"].notices[APPLE])
    world.run(8.0)
    steps = [notice.step for notice in world["ann"].notices[APPLE][seen:] if isinstance(notice, LocalStep)]
    assert steps and steps == sorted(steps), "one run, told from its beginning"


def test_a_runner_that_goes_while_the_plan_is_made_is_not_waited_for() -> None:
    world = LittleWorld("ann", "bob", "cid", engineless=("ann",))
    leader = world.elect()
    (runner,) = {"bob", "cid"} - {leader}

    def plans_with_whoever_goes(order: MakePlan) -> tuple[Draft, ...]:
        able = runner if world[runner].alive else leader
        world.kill(runner)
        return (draft(order, {"apple": 0}, runners=((APPLE, NodeId(able)),)),)

    world.drafts = plans_with_whoever_goes
    world.ask("ann", picture_request("apple", "ann", shared=None))
    world.run(RUNNER_SILENCE_S / 2)
    assert isinstance(world["ann"].notices[APPLE][-1], Finished)


def test_sleep_is_no_waiting() -> None:
    """Its announcement is lost, and the lid is closed for two minutes: awake again, it asks on."""
    world = LittleWorld("ann", "bob", "cid", engineless=("ann",))
    world.elect()
    world.loses = lambda sender, to, message: isinstance(message, Submit)
    world.ask("ann", picture_request("apple", "ann", shared=None))
    world.run(0.2)
    world["ann"].asleep, world.loses = True, lambda sender, to, message: False
    world.run(2 * NOBODY_WAIT_S)
    world.wake("ann")
    world.run(30.0)
    assert isinstance(world["ann"].notices[APPLE][-1], Finished)


def test_the_only_engine_may_restart() -> None:
    """Nobody has one for a second. Somebody had, so the asker waits."""
    world = LittleWorld("ann", "bob", "cid", engineless=("bob", "cid"))
    leader = world.elect()
    asker = next(name for name in ("bob", "cid") if name != leader)
    world.ask(asker, picture_request("apple", asker, shared=None))
    world.run_until(lambda: plans(world, asker) > 0)
    world.kill("ann")
    world.run(1.0)
    world.boot("ann")
    world.run(40.0)
    assert isinstance(world[asker].notices[APPLE][-1], Finished)


def alone(disk: dict[str, bytes], *, engine: bool) -> Node:
    """A node without any peer, after its first tick."""
    return Node(ANN, BootNonce("b"), disk, Profile(model="m", engine=engine), 1.0, 0.0)


def on_disk(request: Request) -> dict[str, bytes]:
    return {PREFIX + request.id: msgspec.json.encode(request)}


def test_a_request_that_stays_at_home_waits_until_its_engine_has_room() -> None:
    """At a start much is loaded at once, and memory may be short for a moment."""
    node = alone(on_disk(picture_request("apple", "ann", share="nothing", shared=0)), engine=False)
    assert not _of(node.step(Ticked(0.1)), Forget)
    node.step(Profiled(Profile(model="m", engine=True)))
    assert _of(node.step(Ticked(1.1)), Denoise)


def test_it_does_not_wait_for_ever() -> None:
    node = alone(on_disk(picture_request("apple", "ann", share="nothing", shared=0)), engine=False)
    said: list[Action] = []
    for second in range(1, round(NOBODY_WAIT_S) + 2):
        said += node.step(Ticked(float(second)))
    (told,) = _of(said, Tell)
    assert isinstance(told, Tell) and isinstance(told.notice, Failed) and "has no engine" in told.notice.reason


def test_a_request_that_nobody_can_read_any_more_is_told_and_stops_no_start() -> None:
    good = on_disk(picture_request("apple", "ann", shared=0))
    node = alone({**good, PREFIX + "pear": b'{"id":"pear","origin":"ann","call":{}}'}, engine=True)
    first = node.step(Ticked(0.1))
    assert Forget(PREFIX + "pear") in first
    assert any(isinstance(act, Tell) and act.request == "pear" and isinstance(act.notice, Failed) for act in first)
    assert not _of(node.step(Ticked(0.2)), Forget)


def _of(actions: list[Action], kind: type[Action]) -> list[Action]:
    return [action for action in actions if isinstance(action, kind)]
