"""What happened and waits for the loop, in the order in which it happened.

A peer may say more than this node can take, so what waits of each is bounded and the rest is lost, as a network may
lose it: whoever needs it says it again. What happens in this node itself is never lost, since nobody would say it
again; there is never more of it than this node has in hand (open requests, running works, connections).
"""

import asyncio
import logging
from collections import Counter, deque

from peerd_protocol.events import Event, Received
from peerd_protocol.ids import NodeId

log = logging.getLogger("peerd.inbox")

WAITING_MAX_EACH = 1_024
"""Messages of one peer. Twice what a peer itself lets wait for a slow hearer."""


class Inbox:
    """Filled and emptied in the loop's thread.

    An idle node waits here ten times a second, so a wait is a future and a timer, and no task."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._came: asyncio.Future[None] | None = None
        """Whoever waits for the next one."""
        self._waiting: Counter[NodeId] = Counter()
        self._flooded: set[NodeId] = set()
        """Peers of whom something was lost since their messages last were all taken."""
        self.dropped_messages = 0

    @property
    def empty(self) -> bool:
        return not self._events

    def put(self, event: Event) -> None:
        """Never blocks; drops and counts a message of a peer of whom too many wait."""
        if isinstance(event, Received):
            if self._waiting[event.sender] >= WAITING_MAX_EACH:
                self._drop(event.sender)
                return
            self._waiting[event.sender] += 1
        self._events.append(event)
        self._wake()

    def _drop(self, sender: NodeId) -> None:
        self.dropped_messages += 1
        if sender not in self._flooded:
            self._flooded.add(sender)
            log.warning("%s says more than this node can take; some of it is lost", sender)

    async def take(self, within_s: float) -> Event | None:
        """The oldest, or None if nothing happens for so long. Others have their turn in any case."""
        if self._events:
            await asyncio.sleep(0)
        else:
            await self._wait(within_s)
        if not self._events:
            return None
        event = self._events.popleft()
        if isinstance(event, Received):
            self._waiting[event.sender] -= 1
            if not self._waiting[event.sender]:
                del self._waiting[event.sender]
                self._flooded.discard(event.sender)
        return event

    async def _wait(self, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._came = loop.create_future()
        timer = loop.call_later(within_s, self._wake)
        try:
            await self._came
        finally:
            timer.cancel()
            self._came = None

    def _wake(self) -> None:
        if self._came is not None and not self._came.done():
            self._came.set_result(None)
