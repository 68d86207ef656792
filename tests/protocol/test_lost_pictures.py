"""Words that get lost, or come too often, at the end of a request: its picture comes all the same."""

import msgspec

from peerd_protocol.events import Received
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.messages import AnyMessage, Chunk, GroupEnded, HandoffBegin, RequestFailed, Submit
from tests.protocol.little_world import LittleWorld, picture_request

APPLE = RequestId("apple")


def test_a_picture_that_was_given_up_is_made_again() -> None:
    """Its origin was away for longer than the runner repeats itself, and asks the same runner once more."""
    world = LittleWorld("ann", "pi", engineless=("pi",))
    world.elect()
    lost: list[AnyMessage] = []

    def loses(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if isinstance(message, HandoffBegin) and len(lost) < 13:
            lost.append(message)
        return bool(lost) and message is lost[-1]

    world.loses = loses
    world.ask("pi", picture_request("apple", "pi", shared=0))
    world.run_until(lambda: APPLE in world["pi"].pictures, seconds_max=45.0)
    assert len(lost) == 13
    world.run_until_nothing_is_open()


def test_it_is_made_again_though_the_leader_tells_the_same_plan() -> None:
    """The leader never hears that the shared steps are through, so it repeats what it told when it is asked again."""
    world = LittleWorld("ann", "pi", engineless=("pi",))
    world.elect()
    lost: list[AnyMessage] = []

    def loses(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if isinstance(message, HandoffBegin) and message.request == APPLE and len(lost) < 13:
            lost.append(message)
            return True
        return isinstance(message, GroupEnded)

    world.loses = loses
    for name in (APPLE, "lemon"):
        world.ask("pi", picture_request(name, "pi", group_name="fruit", group_size=2, wait_ms=2_000))
    world.run_until(lambda: len(world["pi"].pictures) == 2, seconds_max=59.0)
    assert len(lost) == 13


def test_a_picture_that_came_damaged_is_made_again() -> None:
    world = LittleWorld("ann", "pi", engineless=("pi",))
    world.elect()
    damaged: list[Chunk] = []

    def damages(sender: NodeId, to: NodeId, message: AnyMessage) -> bool:
        if isinstance(message, Chunk) and not damaged:
            damaged.append(message)
            forged = msgspec.structs.replace(message, data=bytes(len(message.data)))
            world.tell("pi", Received(sender, forged))
            return True
        return False

    world.loses = damages
    world.ask("pi", picture_request("apple", "pi", shared=0))
    world.run_until(lambda: APPLE in world["pi"].pictures, seconds_max=45.0)
    assert len(damaged) == 1
    world.run_until_nothing_is_open()


def test_a_leader_that_gives_up_twice_does_not_stop_who_went_alone() -> None:
    """Its second word answers an announcement that was under way when the first one came."""
    world = LittleWorld("ann", "bob")
    leader = world.elect()
    asker = "ann" if leader == "bob" else "bob"
    world.loses = lambda sender, to, message: isinstance(message, Submit)
    world.ask(asker, picture_request("apple", asker, shared=None))
    for _ in range(2):
        world.run(0.3)
        world.tell(asker, Received(leader, RequestFailed(request=APPLE, reason="nobody has an engine")))
    world.run_until(lambda: APPLE in world[asker].pictures)
