"""The holder's side of the cache: which checkpoints this node keeps for later requests, and that its leader knows.

Never here: which to keep or to give up (the host's judgement), or who starts from them (the leader's plan).
"""

from peerd_protocol.actions import Action, Send
from peerd_protocol.ids import NodeId, Term
from peerd_protocol.messages import CacheTold
from peerd_protocol.plan import ENTRIES_TOLD_MAX, CacheEntry

REPEAT_S = 30.0
"""What the leader was told may have vanished on the way; a late request that finds nothing cached just costs more."""
TEXT_CHARS_MAX = 128 * 1024
"""All words that it tells of together; at four bytes a character they fit into one frame."""


class Holder:
    """What this node keeps, and whom it told."""

    def __init__(self) -> None:
        self._entries: tuple[CacheEntry, ...] = ()
        self._told: tuple[NodeId, Term] | None = None
        self._news = False
        self._repeat_s = 0.0

    def changed(self, entries: tuple[CacheEntry, ...]) -> None:
        """`entries` come with the most worth first; what is beyond the bound is kept, but not told."""
        entries = _as_many_as_fit(entries[:ENTRIES_TOLD_MAX])
        self._news = self._news or entries != self._entries
        self._entries = entries

    def ticked(self, leader: NodeId | None, term: Term | None, now_s: float) -> list[Action]:
        if leader is None or term is None or not (self._entries or self._news):
            return []
        if not self._news and self._told == (leader, term) and now_s < self._repeat_s:
            return []
        self._told, self._news, self._repeat_s = (leader, term), False, now_s + REPEAT_S
        return [Send(leader, CacheTold(entries=self._entries))]


def _as_many_as_fit(entries: tuple[CacheEntry, ...]) -> tuple[CacheEntry, ...]:
    chars = 0
    for count, entry in enumerate(entries):
        chars += len(entry.call.prompt) + len(entry.call.negative) + sum(map(len, entry.blend))
        if chars > TEXT_CHARS_MAX:
            return entries[:count]
    return entries
