"""A picture that never reaches whoever asked for it: it is made once more, by the same device if need be."""

import msgspec

from peerd_protocol.events import Received
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.messages import AnyMessage, Chunk, HandoffBegin
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
