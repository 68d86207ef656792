"""How bytes change hands: a checkpoint on its way to a member, a finished picture on its way to its origin.

    giver                         taker
      | -- HandoffBegin ---------> |    size and digest; the taker says whether it wants them
      | <------- HandoffGot(n) --- |    it holds everything before n: 0 at first, more after a cut
      | -- Chunk ... Chunk ------> |    at most a window ahead of what is acknowledged
      | <------- HandoffGot(m) --- |
      | <------- HandoffDone ----- |    digest verified, or refused and why

Messages vanish at a reconnect, so the giver repeats its `HandoffBegin` until it hears something new, and goes on from
where the taker stands. Never here: what a checkpoint means, who may have it, or when to run it.
"""

import hashlib
from dataclasses import dataclass, field

from peerd_protocol.actions import Action, Send
from peerd_protocol.ids import HandoffId, NodeId
from peerd_protocol.messages import Chunk, HandoffBegin, HandoffDone, HandoffGot

CHUNK_BYTES = 128 * 1024
"""Between 64 and 256 KiB: small enough that a slow link is not cut in the middle, large enough to fill a fast one."""
WINDOW_BYTES = 8 * CHUNK_BYTES
"""Unacknowledged bytes in flight; a gigabit link with 5 ms round trip needs 0.6 MiB."""
HANDOFF_BYTES_MAX = 64 * 1024 * 1024
"""A video latent with five latents of solver state stays below this."""
REPEAT_S = 1.0
REPEATS_MAX = 12
"""Without anything new for this many repeats the taker is gone, whatever membership believes."""
TAKEN_AT_ONCE_MAX = 32
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
    repeat_at_s: float
    acknowledged: int = -1
    sent: int = 0
    repeats: int = 0
    asked_again: bool = False


@dataclass(slots=True)
class _Taking:
    begin: HandoffBegin
    heard_at_s: float
    data: bytearray = field(default_factory=bytearray)


class Handoffs:
    """All handoffs of one node, both ways."""

    def __init__(self) -> None:
        self._giving: dict[HandoffId, _Giving] = {}
        self._taking: dict[tuple[NodeId, HandoffId], _Taking] = {}
        self._done: dict[tuple[NodeId, HandoffId], HandoffDone] = {}

    # ---- the giver -----------------------------------------------------------------------------------------

    def give(self, to: NodeId, begin: HandoffBegin, data: bytes, now_s: float) -> list[Action]:
        """Start to hand `data` over; ends in `Given` or `NotGiven`."""
        self._giving[begin.handoff] = _Giving(to, begin, data, now_s + REPEAT_S)
        return [Send(to, begin)]

    def got(self, sender: NodeId, message: HandoffGot, now_s: float) -> list[Action]:
        giving = self._giving.get(message.handoff)
        if giving is None or giving.to != sender or not 0 <= message.offset < giving.begin.size:
            return []
        if message.offset <= giving.acknowledged and not giving.asked_again:
            return []  # an old acknowledgement; what is in flight may still arrive
        if message.offset > giving.acknowledged:
            giving.acknowledged, giving.repeats = message.offset, 0
        if giving.asked_again:
            giving.sent, giving.asked_again = message.offset, False  # what was in flight is lost: go on from there
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
        for giving in list(self._giving.values()):
            if now_s < giving.repeat_at_s:
                continue
            if giving.repeats >= REPEATS_MAX:
                del self._giving[giving.begin.handoff]
                outcomes.append(NotGiven(giving.to, giving.begin, "it did not answer"))
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

    def _fill_window(self, giving: _Giving) -> list[Action]:
        actions: list[Action] = []
        giving.sent = max(giving.sent, giving.acknowledged)
        end = min(giving.begin.size, giving.acknowledged + WINDOW_BYTES)
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
        if not unwanted and taking is None and len(self._taking) >= TAKEN_AT_ONCE_MAX:
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

    def _refuse(self, key: tuple[NodeId, HandoffId], reason: str) -> list[Action]:
        del self._taking[key]
        return self._conclude(key, HandoffDone(handoff=key[1], accepted=False, reason=reason))

    def _conclude(self, key: tuple[NodeId, HandoffId], done: HandoffDone) -> list[Action]:
        self._done[key] = done
        if len(self._done) > DONE_KEPT_MAX:
            del self._done[next(iter(self._done))]
        return [Send(key[0], done)]
