"""Late requests begin with a checkpoint that somebody kept; if it is gone, with the next one's or alone."""

from peerd_protocol.actions import MakePlan
from peerd_protocol.events import CacheChanged, Draft
from peerd_protocol.ids import RequestId
from peerd_protocol.messages import AnyMessage, CacheTold, Offer
from peerd_protocol.notices import HandedOff, PlanMade
from peerd_protocol.plan import CacheEntry
from tests.protocol.little_world import LittleWorld, draft, picture_request

NAMES = ("ann", "bob", "eve")
TOGETHER = {"group_name": "fruit", "group_size": 2, "wait_ms": 4_000}
PEAR = RequestId("pear")


def world_with_a_kept_apple(*, keep: bool = True) -> LittleWorld:
    """Ann ran the apple's first five steps for herself and bob, and kept the checkpoint."""
    world = LittleWorld(*NAMES)
    world.elect()
    world.drafts = lambda order: (draft(order, {"apple": 5, "lemon": 5}, "ann"),)
    world.ask("ann", picture_request("apple", "ann", keep=keep, **TOGETHER))
    world.ask("bob", picture_request("lemon", "bob", **TOGETHER))
    world.run(0.2)
    world.run_until_nothing_is_open()
    return world


def from_what_is_kept(order: MakePlan) -> tuple[Draft, ...]:
    entry = order.cached[0][1]
    holders = [holder for holder, each in order.cached if each.digest == entry.digest]
    leaves = {request.id: entry.step for request in order.requests}
    return (draft(order, leaves, *holders, cached=entry.digest, start=entry.step),)


def late_pear(world: LittleWorld, name: str = "eve") -> bytes:
    world.ask(name, picture_request("pear", name, shared=None))
    world.run(0.2)
    world.run_until_nothing_is_open(60.0)
    assert not any(place.node._leader._offers._groups for place in world.places.values() if place.alive)
    (picture,) = world[name].pictures[PEAR]
    return picture


def test_a_late_request_begins_where_an_earlier_group_parted() -> None:
    world = world_with_a_kept_apple()
    world.drafts = from_what_is_kept
    assert late_pear(world) == b"apple@5->pear#41"
    (plan,) = [notice for notice in world["eve"].notices[PEAR] if isinstance(notice, PlanMade)]
    assert (plan.executor, plan.shared_steps) == ("ann", 5)
    assert [notice.sender for notice in world["eve"].notices[PEAR] if isinstance(notice, HandedOff)] == ["ann"]
    assert len([order for order in world["ann"].denoised if order.leaves]) == 1, "no shared step ran again"


def test_a_group_does_not_wait_with_whoever_is_lost_and_whoever_comes_back_is_in_it_again() -> None:
    world = LittleWorld(*NAMES)
    assert world.elect() == "eve"
    orders: list[MakePlan] = []

    def drafts(order: MakePlan) -> tuple[Draft, ...]:
        orders.append(order)
        return (draft(order, {request.id: 5 for request in order.requests}),)

    world.drafts = drafts
    together = {"group_name": "fruit", "group_size": 2, "wait_ms": 60_000}
    world.ask("ann", picture_request("apple", "ann", **together))
    world.run(1.0)
    world.part(("ann",), ("bob", "eve"))
    world.run(8.0)
    world.ask("bob", picture_request("lemon", "bob", **together))
    world.run(4.0)
    assert not orders, "one of the two is not here"
    world.mend()
    world.run_until(lambda: bool(world["ann"].pictures and world["bob"].pictures), seconds_max=20.0)
    (order,) = orders
    assert {request.id for request in order.requests} == {"apple", "lemon"}
    assert world["bob"].pictures == {RequestId("lemon"): [b"apple@5->lemon#41"]}


def test_ones_own_kept_checkpoint_serves_as_well() -> None:
    world = world_with_a_kept_apple()
    world.drafts = from_what_is_kept
    assert late_pear(world, "ann") == b"apple@5->pear#41"


def test_whoever_holds_it_need_not_learn_the_late_words() -> None:
    world = world_with_a_kept_apple()
    world.drafts = from_what_is_kept
    overheard: list[AnyMessage] = []
    world.loses = lambda sender, to, message: bool(overheard.append(message))
    late_pear(world)
    (offer,) = [message for message in overheard if isinstance(message, Offer)]
    assert (offer.call.prompt, offer.call.negative) == ("", "")


def test_two_late_ones_go_on_together_from_there() -> None:
    world = world_with_a_kept_apple()
    world.drafts = lambda order: (
        draft(order, {"pear": 8, "fig": 5}, "ann", cached=order.cached[0][1].digest, start=order.cached[0][1].step),
    )
    world.ask("eve", picture_request("pear", "eve", **TOGETHER))
    world.ask("bob", picture_request("fig", "bob", **TOGETHER))
    world.run(0.2)
    world.run_until_nothing_is_open()
    assert world["eve"].pictures[PEAR] == [b"apple@5+pear@8->pear#41"]
    assert world["bob"].pictures[RequestId("fig")] == [b"apple@5->fig#41"]


def test_a_checkpoint_that_is_gone_meanwhile_means_alone() -> None:
    world = world_with_a_kept_apple()
    world.drafts = from_what_is_kept
    world["ann"].kept.clear()
    assert late_pear(world) == b"noise->pear#41"


def test_or_another_holders() -> None:
    world = world_with_a_kept_apple()
    world["bob"].kept = dict(world["ann"].kept)
    world.tell("bob", CacheChanged(entries_of(world, "bob")))
    world.run(1.0)
    world.drafts = from_what_is_kept
    world["ann"].kept.clear()
    assert late_pear(world) == b"apple@5->pear#41"


def test_bytes_that_are_not_what_they_were_kept_as_are_not_handed_on() -> None:
    world = world_with_a_kept_apple()
    world.drafts = from_what_is_kept
    world["ann"].kept = {digest: (entry, b"stone@5") for digest, (entry, _) in world["ann"].kept.items()}
    assert late_pear(world) == b"noise->pear#41"


def test_a_holder_that_dies_is_not_planned_with() -> None:
    world = world_with_a_kept_apple()
    world.kill("ann")
    world.run(1.0)
    seen: list[int] = []
    world.drafts = lambda order: seen.append(len(order.cached)) or (draft(order, {"pear": 0}),)  # type: ignore[func-returns-value]
    assert late_pear(world) == b"noise->pear#41"
    assert seen == [0]


def test_who_forbids_it_leaves_nothing_behind() -> None:
    world = world_with_a_kept_apple(keep=False)
    assert not any(place.kept for place in world.places.values())


def test_a_new_leader_hears_what_is_kept() -> None:
    world = world_with_a_kept_apple()
    world.run(1.0)
    world.kill(world.elect())
    world.elect()
    world.run(1.0)
    world.drafts = from_what_is_kept
    assert late_pear(world, "bob") == b"apple@5->pear#41"


def test_no_more_is_told_than_fits_into_a_message() -> None:
    world = LittleWorld(*NAMES)
    world.elect()
    call = picture_request("𝄞" * 2_000, "ann").call
    entries = tuple(
        CacheEntry(digest=f"{number:064x}", call=call, step=5, size=100, blend=("𝄞" * 2_000,) * 32)
        for number in range(99)
    )
    told: list[CacheTold] = []

    def listen(sender: str, to: str, message: AnyMessage) -> bool:
        if isinstance(message, CacheTold) and sender == "ann":
            told.append(message)
        return False

    world.loses = listen
    world.tell("ann", CacheChanged(entries))
    world.run(1.0)
    assert len(told) == 1, "once, and not again and again"
    assert 0 < len(told[0].entries) < 32
    assert told[0].entries == entries[: len(told[0].entries)], "the most worth first"


def entries_of(world: LittleWorld, name: str) -> tuple[CacheEntry, ...]:
    return tuple(entry for entry, _ in world[name].kept.values())
