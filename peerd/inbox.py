"""What happened and waits for the loop, in the order in which it happened.

A peer may say more than this node can take, so what waits of each is bounded and the rest is lost, as a network may
lose it: whoever needs it says it again. What happens in this node itself is never lost, since nobody would say it
again; there is never more of it than this node has in hand (open requests, running works, connections).
"""

import asyncio
import logging
from collections import Counter

from peerd_protocol.events import Event, Received
from peerd_protocol.ids import NodeId

log = logging.getLogger("peerd.inbox")

WAITING_MAX_EACH = 1_024
"""Messages of one peer. Twice what a peer itself lets wait for a slow hearer."""


class Inbox:
    """Filled and emptied in the loop's thread."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._waiting: Counter[NodeId] = Counter()
        self._flooded: set[NodeId] = set()
        """Peers of whom something was lost since their messages last were all taken."""
        self.dropped_messages = 0

    @property
    def empty(self) -> bool:
        return self._events.empty()

    def put(self, event: Event) -> None:
        """Never blocks; drops and counts a message of a peer of whom too many wait."""
        if isinstance(event, Received):
            if self._waiting[event.sender] >= WAITING_MAX_EACH:
                self._drop(event.sender)
                return
            self._waiting[event.sender] += 1
        self._events.put_nowait(event)

    def _drop(self, sender: NodeId) -> None:
        self.dropped_messages += 1
        if sender not in self._flooded:
            self._flooded.add(sender)
            log.warning("%s says more than this node can take; some of it is lost", sender)

    async def take(self, within_s: float) -> Event | None:
        """The oldest, or None if nothing happens for so long."""
        try:
            event = await asyncio.wait_for(self._events.get(), within_s)
        except TimeoutError:
            return None
        if isinstance(event, Received):
            self._waiting[event.sender] -= 1
            if not self._waiting[event.sender]:
                del self._waiting[event.sender]
                self._flooded.discard(event.sender)
        return event
