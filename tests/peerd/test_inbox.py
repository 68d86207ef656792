"""What waits for the loop: in order, at once, and never so much that nobody else has a turn."""

import asyncio

from peerd.inbox import Inbox
from peerd_protocol.events import Event, PeerConnected
from peerd_protocol.ids import NodeId

PATIENCE_S = 30.0
ANN, BOB = (PeerConnected(NodeId(name)) for name in ("ann", "bob"))


async def test_what_happened_first_is_taken_first() -> None:
    inbox = Inbox()
    inbox.put(ANN)
    inbox.put(BOB)
    assert [await inbox.take(PATIENCE_S), await inbox.take(PATIENCE_S)] == [ANN, BOB]
    assert inbox.empty


async def test_nothing_is_told_after_a_while_and_what_comes_later_is_not_lost() -> None:
    inbox = Inbox()
    assert await inbox.take(0.0) is None
    inbox.put(ANN)
    assert await inbox.take(PATIENCE_S) == ANN


async def test_whoever_waits_is_woken_at_once() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.take(PATIENCE_S))
    await asyncio.sleep(0)
    inbox.put(ANN)
    inbox.put(BOB)
    assert await asyncio.wait_for(waiting, PATIENCE_S / 10) == ANN
    assert await inbox.take(PATIENCE_S) == BOB


async def test_a_full_inbox_lets_others_have_their_turn() -> None:
    inbox, turns = Inbox(), list[Event | None]()
    for _ in range(3):
        inbox.put(ANN)
    other = asyncio.create_task(asyncio.sleep(0))
    while not other.done():
        turns.append(await inbox.take(PATIENCE_S))
    assert len(turns) <= 3, "it waited for no empty inbox"


async def test_a_wait_that_is_given_up_takes_nothing_along() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.take(PATIENCE_S))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    inbox.put(ANN)
    assert await inbox.take(PATIENCE_S) == ANN
