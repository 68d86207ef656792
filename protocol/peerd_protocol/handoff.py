"""How bytes change hands: a checkpoint on its way to a member, a finished picture on its way to its origin.

    giver                         taker
      | -- HandoffBegin ---------> |    size and digest; the taker says whether it wants them
      | <------- HandoffGot(n) --- |    it holds everything before n: 0 at first, more after a cut
      | -- Chunk ... Chunk ------> |    at most a window ahead of what is acknowledged
      | <------- HandoffGot(m) --- |
      | <------- HandoffDone ----- |    digest verified, or refused and why

Messages vanish at a reconnect, so the giver repeats its `HandoffBegin` until it hears something new. Each answer shows
that the taker lives, and where it stands. That it stands still may also mean that the link is slow: chunks arrive in
order, so only what stays away for far longer than the chunks before it took is lost, and sent again.
Never here: what a checkpoint means, who may have it, or when to run it.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field

from peerd_protocol.actions import Action, Send
from peerd_protocol.ids import HandoffId, NodeId
from peerd_protocol.messages import Chunk, HandoffBegin, HandoffDone, HandoffGot

CHUNK_BYTES = 128 * 1024
"""Between 64 and 256 KiB: small enough that a slow link is not cut in the middle, large enough to fill a fast one."""
WINDOW_BYTES = 8 * CHUNK_BYTES
"""Unacknowledged bytes in flight; a gigabit link with 5 ms round trip needs 0.6 MiB."""
WINDOWS_BYTES = 2 * WINDOW_BYTES
"""In flight to one taker by all its handoffs together: half of what the bulk socket queues before it drops frames."""
SLOW_WINDOW_BYTES = 2 * CHUNK_BYTES
"""On a slow link this keeps it busy; more would only wait in its queue, before other messages."""
SLOW_CHUNK_S = 0.25
"""A chunk that takes longer came over less than 4 Mbit/s, or over a share of a link that others use too."""
HANDOFF_BYTES_MAX = 64 * 1024 * 1024
"""A video latent with five latents of solver state stays below this."""
REPEAT_S = 1.0
REPEATS_MAX = 12
"""Without any answer for this many repeats the taker is gone, whatever membership believes."""
PATIENCE_CHUNKS = 4
"""Bytes that stay away for the time of this many chunks are lost; links that others use too are not even."""
PATIENCE_GROWTH = 4
"""Bytes sent again in vain queue behind the first ones, so each next time is left a multiple of the one before."""
PATIENCE_S_MAX = 45.0
STILL_S_MAX = 60.0
"""A taker that answers, but takes no chunk for so long, is given up: 17 kbit/s are no link for pictures."""
TAKEN_AT_ONCE_MAX = 32
FROM_ONE_AT_ONCE_MAX = 8
"""No member may fill all places. A giver knows this bound and begins no more, so that no honest one is turned away."""
FROM_ONE_BYTES_MAX = 2 * HANDOFF_BYTES_MAX
"""Announced by one giver and still on their way: two of the largest, or eight of the ordinary ones."""
TAKEN_SILENT_S = 5.0
"""A giver speaks of each handoff every second: one that it has been silent about for so long makes room if it must."""
TAKEN_IDLE_S = 30.0
DONE_KEPT_MAX = 256


@dataclass(frozen=True, slots=True)
class Arrived:
    """All bytes are here and their digest is right."""

    sender: NodeId
    begin: HandoffBegin
    data: bytes


@dataclass(frozen=True, slots=True)
class Given:
    """The taker has verified the whole."""

    to: NodeId
    begin: HandoffBegin


@dataclass(frozen=True, slots=True)
class NotGiven:
    to: NodeId
    begin: HandoffBegin
    reason: str


Outcome = Arrived | Given | NotGiven


@dataclass(slots=True)
class _Giving:
    to: NodeId
    begin: HandoffBegin
    data: bytes
    begun: bool = False
    repeat_at_s: float = 0.0
    repeats: int = 0
    asked_again: bool = False
    acknowledged: int = -1
    sent: int = 0
    furthest: int = -CHUNK_BYTES
    still_s: float = 0.0
    """For how long the taker has held no whole chunk more than ever before, while this device was awake."""
    news_at_s: float = 0.0
    """When the taker last held more than before."""
    rewound_at_s: float = 0.0
    rewinds: int = 0
    chunk_s: float | None = None
    """How long a chunk takes at present; None until the first one is acknowledged."""

    def start(self, now_s: float) -> list[Action]:
        self.begun, self.repeat_at_s = True, now_s + REPEAT_S
        return [Send(self.to, self.begin)]

    def get_on(self, offset: int, now_s: float) -> None:
        """The taker holds more than it did."""
        if self.acknowledged >= 0:
            # What was sent again meanwhile does not count: who knows which of the two arrived.
            chunk_s = (now_s - self.news_at_s) * CHUNK_BYTES / (offset - self.acknowledged)
            # Acknowledgements come in bursts where handoffs share a link, so the slow ones are not soon forgotten.
            self.chunk_s = chunk_s if self.chunk_s is None else max(chunk_s, (self.chunk_s + chunk_s) / 2)
        if offset >= self.furthest + CHUNK_BYTES:
            self.furthest, self.still_s = offset, 0.0
        self.acknowledged, self.sent = offset, max(self.sent, offset)
        self.news_at_s, self.rewinds = now_s, 0

    def go_back(self, offset: int, now_s: float) -> None:
        """What was in flight is lost, or the taker has forgotten what it held: go on from there."""
        self.acknowledged = self.sent = offset
        self.rewound_at_s, self.rewinds = now_s, self.rewinds + 1

    def is_lost(self, now_s: float) -> bool:
        """Whether what is in flight has stayed away too long; each time in vain, it is given longer."""
        patience_s = max(REPEAT_S, PATIENCE_CHUNKS * (self.chunk_s or 0.0))
        for _ in range(self.rewinds):
            patience_s *= PATIENCE_GROWTH
        return now_s - max(self.news_at_s, self.rewound_at_s) >= min(patience_s, PATIENCE_S_MAX)

    def window_bytes(self, together: int) -> int:
        """How much may be in flight, while `together` handoffs are on their way to this taker."""
        if self.chunk_s is None or self.rewinds:
            return CHUNK_BYTES  # nobody knows what the link bears: were it slow, more would be sent again in vain
        if self.chunk_s > SLOW_CHUNK_S:
            return SLOW_WINDOW_BYTES
        return min(WINDOW_BYTES, max(SLOW_WINDOW_BYTES, WINDOWS_BYTES // together // CHUNK_BYTES * CHUNK_BYTES))

    def hopeless(self, now_s: float) -> str:
        """Why this handoff is given up, or ''."""
        if self.repeats >= REPEATS_MAX and now_s >= self.repeat_at_s:
            return "it did not answer"
        return "it answered, but took nothing more" if self.still_s >= STILL_S_MAX else ""


@dataclass(slots=True)
class _Taking:
    begin: HandoffBegin
    heard_at_s: float
    data: bytearray = field(default_factory=bytearray)


def _has_room(sizes: Collection[int], size: int) -> bool:
    """Whether one more of `size` may be on its way beside those of `sizes`, from one giver to one taker."""
    return not sizes or (len(sizes) < FROM_ONE_AT_ONCE_MAX and sum(sizes) + size <= FROM_ONE_BYTES_MAX)


class Handoffs:
    """All handoffs of one node, both ways. Those to itself need no place: it would lose its own pictures."""

    def __init__(self, me: NodeId) -> None:
        self._me = me
        self._ticked_at_s = 0.0
        self._giving: dict[HandoffId, _Giving] = {}
        self._taking: dict[tuple[NodeId, HandoffId], _Taking] = {}
        self._done: dict[tuple[NodeId, HandoffId], HandoffDone] = {}

    # ---- the giver -----------------------------------------------------------------------------------------

    def give(self, to: NodeId, begin: HandoffBegin, data: bytes, now_s: float) -> list[Action]:
        """Start to hand `data` over, now or when its turn comes; ends in `Given` or `NotGiven`."""
        giving = self._giving[begin.handoff] = _Giving(to, begin, data)
        return giving.start(now_s) if self._may_start(giving) else []

    def got(self, sender: NodeId, message: HandoffGot, now_s: float) -> list[Action]:
        giving = self._giving.get(message.handoff)
        if giving is None or giving.to != sender or not giving.begun or not 0 <= message.offset < giving.begin.size:
            return []
        asked_again, giving.asked_again, giving.repeats = giving.asked_again, False, 0
        if message.offset > giving.acknowledged:
            giving.get_on(message.offset, now_s)
        elif not asked_again:
            return []  # an old acknowledgement; what is in flight may still arrive
        elif message.offset < giving.acknowledged or giving.is_lost(now_s):
            giving.go_back(message.offset, now_s)
        giving.repeat_at_s = now_s + REPEAT_S
        return self._fill_window(giving)

    def done(self, sender: NodeId, message: HandoffDone) -> list[Outcome]:
        giving = self._giving.get(message.handoff)
        if giving is None or giving.to != sender:
            return []
        del self._giving[message.handoff]
        return [Given(sender, giving.begin) if message.accepted else NotGiven(sender, giving.begin, message.reason)]

    def ticked(self, now_s: float) -> tuple[list[Action], list[Outcome]]:
        actions: list[Action] = []
        outcomes: list[Outcome] = []
        awake_s, self._ticked_at_s = min(now_s - self._ticked_at_s, REPEAT_S), now_s
        for giving in list(self._giving.values()):
            if not giving.begun:
                actions += giving.start(now_s) if self._may_start(giving) else []
                continue
            if giving.acknowledged >= 0:
                giving.still_s += awake_s
            if reason := giving.hopeless(now_s):
                del self._giving[giving.begin.handoff]
                outcomes.append(NotGiven(giving.to, giving.begin, reason))
                continue
            if now_s < giving.repeat_at_s:
                continue
            giving.repeats += 1
            giving.asked_again = True
            giving.repeat_at_s = now_s + REPEAT_S
            actions.append(Send(giving.to, giving.begin))
        for key, taking in list(self._taking.items()):
            if now_s - taking.heard_at_s > TAKEN_IDLE_S:
                del self._taking[key]
        return actions, outcomes

    def peer_lost(self, peer: NodeId) -> list[Outcome]:
        """The peer is dead: nothing more will reach it."""
        lost = [giving for giving in self._giving.values() if giving.to == peer]
        for giving in lost:
            del self._giving[giving.begin.handoff]
        return [NotGiven(peer, giving.begin, "the device is gone") for giving in lost]

    def _may_start(self, giving: _Giving) -> bool:
        """Whether its taker has room for it, and none waits before it: a large one is not overtaken for ever."""
        to_same = [each for each in self._giving.values() if each.to == giving.to]
        first_waiting = next(each for each in to_same if not each.begun)
        begun = [each.begin.size for each in to_same if each.begun]
        return giving.to == self._me or (giving is first_waiting and _has_room(begun, giving.begin.size))

    def _fill_window(self, giving: _Giving) -> list[Action]:
        actions: list[Action] = []
        together = sum(each.to == giving.to and each.begun for each in self._giving.values())
        end = min(giving.begin.size, giving.acknowledged + giving.window_bytes(together))
        while giving.sent < end:
            data = giving.data[giving.sent : min(giving.sent + CHUNK_BYTES, end)]
            actions.append(Send(giving.to, Chunk(handoff=giving.begin.handoff, offset=giving.sent, data=data)))
            giving.sent += len(data)
        return actions

    # ---- the taker -----------------------------------------------------------------------------------------

    def begun(self, sender: NodeId, begin: HandoffBegin, unwanted: str, now_s: float) -> list[Action]:
        """Answer an announcement. `unwanted` says why this node does not want it ('' when it does)."""
        key = (sender, begin.handoff)
        if key in self._done:
            return [Send(sender, self._done[key])]  # the answer was lost; it does not change
        if not unwanted and not 0 < begin.size <= HANDOFF_BYTES_MAX:
            unwanted = f"{begin.size} bytes are more than the {HANDOFF_BYTES_MAX} that a handoff may have"
        taking = self._taking.get(key)
        if not unwanted and not self._make_room(key, begin, now_s):
            return []  # busy; the giver repeats
        if unwanted:
            self._taking.pop(key, None)
            return [Send(sender, HandoffDone(handoff=begin.handoff, accepted=False, reason=unwanted))]
        if taking is None or taking.begin != begin:
            taking = self._taking[key] = _Taking(begin, now_s)
        taking.heard_at_s = now_s
        return [Send(sender, HandoffGot(handoff=begin.handoff, offset=len(taking.data)))]

    def chunk(self, sender: NodeId, chunk: Chunk, now_s: float) -> tuple[list[Action], list[Outcome]]:
        key = (sender, chunk.handoff)
        taking = self._taking.get(key)
        if taking is None or chunk.offset != len(taking.data):
            return [], []  # a gap or an echo; the giver's repeat finds out where we stand
        if len(taking.data) + len(chunk.data) > taking.begin.size or not chunk.data:
            return self._refuse(key, "more bytes came than were announced"), []
        taking.data += chunk.data
        taking.heard_at_s = now_s
        if len(taking.data) < taking.begin.size:
            return [Send(sender, HandoffGot(handoff=chunk.handoff, offset=len(taking.data)))], []
        data = bytes(taking.data)
        if hashlib.sha256(data).digest() != taking.begin.digest:
            return self._refuse(key, "the digest does not fit the bytes"), []
        del self._taking[key]
        done = HandoffDone(handoff=chunk.handoff, accepted=True)
        return self._conclude(key, done), [Arrived(sender, taking.begin, data)]

    def _make_room(self, key: tuple[NodeId, HandoffId], begin: HandoffBegin, now_s: float) -> bool:
        """Whether there is room for `begin`; what its giver no longer speaks of, as after a restart, makes way."""
        if key[0] == self._me:
            return True
        beside = {each: taking for each, taking in self._taking.items() if each != key and each[0] != self._me}
        if not self._fits(key[0], begin, beside):
            for each, taking in list(beside.items()):
                if now_s - taking.heard_at_s > TAKEN_SILENT_S:
                    del self._taking[each], beside[each]
        return self._fits(key[0], begin, beside)

    @staticmethod
    def _fits(sender: NodeId, begin: HandoffBegin, beside: dict[tuple[NodeId, HandoffId], _Taking]) -> bool:
        of_sender = [taking.begin.size for (giver, _), taking in beside.items() if giver == sender]
        return len(beside) < TAKEN_AT_ONCE_MAX and _has_room(of_sender, begin.size)

    def _refuse(self, key: tuple[NodeId, HandoffId], reason: str) -> list[Action]:
        del self._taking[key]
        return self._conclude(key, HandoffDone(handoff=key[1], accepted=False, reason=reason))

    def _conclude(self, key: tuple[NodeId, HandoffId], done: HandoffDone) -> list[Action]:
        self._done[key] = done
        if len(self._done) > DONE_KEPT_MAX:
            del self._done[next(iter(self._done))]
        return [Send(key[0], done)]
