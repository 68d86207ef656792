"""A guest asks and gets its pictures; it never leads, hears nobody's words, and its claims count for nothing."""

import pytest

from peerd_protocol.actions import MakePlan
from peerd_protocol.certificates import ALL_ROLES
from peerd_protocol.coordination.leader import OPEN_MAX, Leader
from peerd_protocol.election import Role as Standing
from peerd_protocol.events import Draft, Received, RosterChanged
from peerd_protocol.ids import BootNonce, NodeId, RequestId, Term
from peerd_protocol.messages import CacheTold, Fenced, Heartbeat, Preclaim, PreclaimAnswer, StandsBy, Submit
from peerd_protocol.notices import Finished
from peerd_protocol.profile import Profile
from peerd_protocol.roles import GUEST
from peerd_protocol.terms import COUNTER_LEAP_MAX
from tests.protocol.little_world import LittleWorld, draft, picture_request
from tests.protocol.samples import ENTRY, OFFER

ANN, BOB, ZOE = NodeId("ann"), NodeId("bob"), NodeId("zoe")


def a_house_with_a_guest(*names: str) -> LittleWorld:
    """Zoe ranks best, and is a guest."""
    world = LittleWorld(*names)
    for name in names:
        world.tell(name, roster(*names))
    return world


def roster(*names: str, guests: tuple[str, ...] = ("zoe",)) -> RosterChanged:
    roles = {NodeId(name): frozenset(GUEST if name in guests else ALL_ROLES) for name in names}
    return RosterChanged(b"", roles)


def test_the_best_device_does_not_lead_where_it_is_a_guest() -> None:
    world = a_house_with_a_guest("ann", "bob", "zoe")
    assert world.elect() == BOB
    assert world["zoe"].node.leader == BOB, "but it knows who does"


def test_without_hosts_a_guest_goes_alone_and_commands_nobody() -> None:
    world = a_house_with_a_guest("bob", "zoe")
    world.elect()
    world.kill("bob")
    world.run(8.0)
    assert world["zoe"].node.leader is None
    world.ask("zoe", picture_request("apple", "zoe"))
    world.run_until(lambda: finished(world, "zoe", "apple"), seconds_max=60.0)


def test_silent_guests_keep_no_host_from_leading() -> None:
    world = LittleWorld("ann", "bob", "zoe", "zora", "zuri")
    everyone = ("ann", "bob", "zoe", "zora", "zuri")
    for name in everyone:
        world.tell(name, roster(*everyone, guests=("zoe", "zora", "zuri")))
    world.loses = lambda sender, to, message: sender.startswith("z") and isinstance(message, PreclaimAnswer)
    assert world.elect() == BOB


def test_a_leader_that_becomes_a_guest_steps_down() -> None:
    world = LittleWorld("bob", "zoe")
    assert world.elect() == ZOE
    for name in ("bob", "zoe"):
        world.tell(name, roster("bob", "zoe"))
    world.run(6.0)
    assert world.elect() == BOB


def test_what_a_guest_claims_of_leading_counts_for_nothing() -> None:
    world = a_house_with_a_guest("ann", "bob", "zoe")
    world.elect()
    before = world["ann"].node.term
    assert before is not None
    claim = Term(before.counter + 5, ZOE, world["zoe"].boot)
    world.tell("ann", Received(ZOE, heartbeat(world["zoe"].boot, claim)))
    world.tell("ann", Received(ZOE, Preclaim(counter=before.counter + 6)))
    world.run(1.0)
    assert world["ann"].node.term == before
    assert world["ann"].node.role is Standing.FOLLOW


@pytest.mark.parametrize("liar", ["zoe", "cid"], ids=["a-guest", "a-member"])
def test_nobody_cuts_a_member_out_by_talk_of_high_counters(liar: str) -> None:
    """A guest's talk is none; a member's raises a counter by one leap, which is made up for in a heartbeat."""
    world = a_house_with_a_guest("ann", "bob", "cid", "dan", "zoe")
    world.elect()
    for leap in range(1, 1_001):
        world.tell("ann", Received(NodeId(liar), Fenced(term=None, highest=leap * COUNTER_LEAP_MAX)))
    world.run(0.1)
    world.part(("ann",), ("bob", "cid", "dan", "zoe"))
    world.run(15.0)
    assert world["ann"].node.role is Standing.LEAD, "it missed its leader, and claimed"
    world.mend()
    world.run(5.0)
    assert world.elect()
    assert len({place.node.term for place in world.places.values()}) == 1
    term = world["ann"].node.term
    assert term is not None and (term.counter < COUNTER_LEAP_MAX) is (liar == "zoe")


def test_a_guest_is_warned_of_once() -> None:
    world = a_house_with_a_guest("ann", "bob", "zoe")
    world.elect()
    for _ in range(3):
        world.tell("bob", Received(ZOE, Preclaim(counter=9)))
        world.tell("bob", Received(ZOE, StandsBy(offer=OFFER, step=4)))
        world.tell("bob", Received(ZOE, CacheTold(entries=(ENTRY,))))
    world.run(0.2)
    (warning,) = world["bob"].warnings
    assert "zoe said what its roles in this cluster forbid (Preclaim)" in warning


def test_plans_give_a_guest_nothing_of_others_and_begin_with_nothing_that_it_keeps() -> None:
    world = a_house_with_a_guest("ann", "bob", "zoe")
    orders: list[MakePlan] = []

    def drafts(order: MakePlan) -> tuple[Draft, ...]:
        orders.append(order)
        return (draft(order, {"apple": 0}),)

    world.drafts = drafts
    world.elect()
    world.tell("bob", Received(ZOE, CacheTold(entries=(ENTRY,))))
    world.ask("ann", picture_request("apple", "ann"))
    world.run_until(lambda: finished(world, "ann", "apple"))
    devices = dict(orders[0].devices)
    assert {node: profile.offers for node, profile in devices.items()} == {ANN: True, BOB: True, ZOE: False}
    assert not orders[0].cached


def test_a_guest_that_led_alone_before_it_came_follows_who_leads_here() -> None:
    """Its own terms are far above those of the house, and it may not claim another."""
    world = LittleWorld("zoe")
    for _ in range(4):
        world.boot("zoe")
        world.elect()
    assert world["zoe"].node.term is not None and world["zoe"].node.term.counter >= 4
    for name in ("ann", "bob"):
        world.boot(name)
    for name in world.places:
        world.tell(name, roster("ann", "bob", "zoe"))
    assert world.elect() != ZOE
    world.ask("zoe", picture_request("apple", "zoe", shared=None))
    world.run_until(lambda: finished(world, "zoe", "apple"), seconds_max=10.0)


def test_what_a_guest_follows_in_the_end_it_follows_after_a_restart_too() -> None:
    world = LittleWorld("zoe")
    for _ in range(4):
        world.boot("zoe")
        world.elect()
    for name in ("ann", "bob"):
        world.boot(name)
    for name in world.places:
        world.tell(name, roster("ann", "bob", "zoe"))
    leader = world.elect()
    world.boot("zoe")
    world.tell("zoe", roster("ann", "bob", "zoe"))
    assert world.elect() == leader


def test_a_guest_that_asks_without_end_keeps_nobody_else_waiting() -> None:
    """Each of its requests names a group of its own that never fills, so that all of them wait for the longest time."""
    world = LittleWorld("ann", "bob", "zoe", engineless=("ann",))
    for name in world.places:
        world.tell(name, roster("ann", "bob", "zoe"))
    world.elect()
    for number in range(OPEN_MAX):
        lonely = {"group_name": f"group {number}", "group_size": 32, "wait_ms": 86_400_000}
        world.tell("bob", Received(ZOE, Submit(request=picture_request(f"z{number}", "zoe", **lonely))))
    world.run(0.2)
    world.ask("ann", picture_request("apple", "ann", shared=None))
    world.run_until(lambda: finished(world, "ann", "apple"), seconds_max=5.0)


def test_however_many_ask_without_end_somebody_new_finds_a_place() -> None:
    leader, house = Leader(), frozenset({ANN, BOB})
    hogs = [NodeId(f"hog{number}") for number in range(20)]
    for number in range(OPEN_MAX):
        for hog in hogs:
            leader.submitted(hog, picture_request(f"{hog} {number}", hog), house, 0.0)
    leader.submitted(ANN, picture_request("apple", "ann"), house, 0.0)
    (gathered,) = leader._waiting()
    assert RequestId("apple") in gathered
    assert len(gathered) < OPEN_MAX
    assert {sum(each.origin == hog for each in gathered.values()) for hog in hogs} <= {12, 13}


def test_two_large_groups_of_one_origin_fill_at_once() -> None:
    leader = Leader()
    for number in range(20):
        for group in ("fruit", "trees"):
            together = {"group_name": group, "group_size": 20, "wait_ms": 60_000}
            leader.submitted(ANN, picture_request(f"{group} {number}", "ann", **together), frozenset({ANN}), 0.0)
    made = leader.ticked(dict, Term(1, ANN, BootNonce("b")), 0.1)
    assert [len(order.requests) for order in made if isinstance(order, MakePlan)] == [20, 20]


def test_whoever_asks_for_more_than_a_leader_takes_from_one_gets_all_of_it_in_turn() -> None:
    world = a_house_with_a_guest("ann", "bob", "zoe")
    world.elect()
    names = [f"z{number:03}" for number in range(OPEN_MAX // 2 + 8)]
    batches: list[int] = []

    def drafts(order: MakePlan) -> tuple[Draft, ...]:
        batches.append(len(order.requests))
        return tuple(draft(order, {request.id: 0}) for request in order.requests)

    world.drafts = drafts
    for name in names:
        world.ask("zoe", picture_request(name, "zoe", shared=None))
    world.run_until(lambda: all(finished(world, "zoe", name) for name in names), seconds_max=200.0)
    assert batches == [OPEN_MAX // 2, 8]
    assert all(len(world["zoe"].pictures[RequestId(name)]) == 1 for name in names)


def test_a_guests_picture_shares_its_beginning_with_the_house() -> None:
    world = a_house_with_a_guest("ann", "bob", "zoe")
    world.elect()
    together = {"group_name": "fruit", "group_size": 2, "wait_ms": 10_000}
    world.ask("ann", picture_request("apple", "ann", **together))
    world.ask("zoe", picture_request("lemon", "zoe", **together))
    world.run_until(lambda: finished(world, "ann", "apple") and finished(world, "zoe", "lemon"))
    assert world["zoe"].pictures == {RequestId("lemon"): [b"apple@5->lemon#41"]}


def finished(world: LittleWorld, name: str, request: str) -> bool:
    return any(isinstance(notice, Finished) for notice in world[name].notices.get(RequestId(request), []))


def heartbeat(boot: BootNonce, term: Term) -> Heartbeat:
    return Heartbeat(
        boot=boot, sequence=10_000, interval_ms=1_000, term=term, leading=True, following=False, highest=term.counter,
        followers=9, profile=Profile(model="m"), roster_digest=b"",
    )  # fmt: skip
