"""Handoffs over slow links as stories: one giver, an uplink with a rate, and a bounded queue for each taker.

Control messages have a channel of their own and arrive at once; chunks wait in their taker's queue, and the uplink
serves the queues in turn. What finds its queue full is lost, as it is by a socket.
"""

import hashlib
from collections import deque
from dataclasses import dataclass, field
from itertools import cycle

import pytest

from peerd_protocol.actions import Action, Send
from peerd_protocol.handoff import (
    CHUNK_BYTES,
    REPEAT_S,
    REPEATS_MAX,
    STILL_S_MAX,
    Arrived,
    Given,
    Handoffs,
    NotGiven,
    Outcome,
)
from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term
from peerd_protocol.messages import Chunk, HandoffBegin, HandoffDone, HandoffGot

GIVER = NodeId("giver")
PICTURE_BYTES = 3 * 1024 * 1024
"""A picture of 1024 pixels squared, before it is packed."""
QUEUE_MAX = 32
"""As many frames as the bulk socket of a peer holds."""
TICK_S = 0.1


@dataclass
class Uplink:
    """A giver and its takers; `outcomes` says when each handoff ended, and how."""

    bits_per_s: float
    now_s: float = 0.0
    sent_bytes: int = 0
    dead: bool = False
    breaks_at_s: float = float("inf")
    giver: Handoffs = field(default_factory=lambda: Handoffs(GIVER))
    takers: dict[NodeId, Handoffs] = field(default_factory=dict)
    queues: dict[NodeId, deque[Chunk]] = field(default_factory=dict)
    outcomes: dict[HandoffId, tuple[float, Outcome]] = field(default_factory=dict)
    arrived: list[HandoffId] = field(default_factory=list)
    free_at_s: float = 0.0

    def give(self, to: NodeId, name: str, size: int = PICTURE_BYTES) -> None:
        self.takers.setdefault(to, Handoffs(to))
        self.queues.setdefault(to, deque())
        self._from_giver(self.giver.give(to, picture(name, bytes(size)), bytes(size), self.now_s))

    def run(self, seconds: float) -> None:
        """Until everything has ended, but no longer than `seconds`."""
        until_s = self.now_s + seconds
        turns = cycle(list(self.queues))
        while self.now_s < until_s and self.giver._giving:
            self.now_s += TICK_S
            if self.now_s >= self.breaks_at_s:
                self.breaks_at_s = float("inf")
                for queue in self.queues.values():
                    queue.clear()
            self._serve(turns)
            actions, outcomes = self.giver.ticked(self.now_s)
            self._from_giver(actions)
            self._ended(outcomes)
            for taker in self.takers.values():
                taker.ticked(self.now_s)

    def _serve(self, turns: "cycle[NodeId]") -> None:
        while any(self.queues.values()):
            to = next(turns)
            if not self.queues[to]:
                continue
            seconds = len(self.queues[to][0].data) * 8 / self.bits_per_s
            if self.free_at_s + seconds > self.now_s:
                return
            self.free_at_s += seconds
            chunk = self.queues[to].popleft()
            if not self.dead:
                actions, outcomes = self.takers[to].chunk(GIVER, chunk, self.now_s)
                self.arrived += [outcome.begin.handoff for outcome in outcomes if isinstance(outcome, Arrived)]
                self._from_taker(to, actions)
        self.free_at_s = self.now_s

    def _from_giver(self, actions: list[Action]) -> None:
        for action in actions:
            assert isinstance(action, Send)
            match action.message:
                case Chunk() as chunk if len(self.queues[action.to]) < QUEUE_MAX:
                    self.queues[action.to].append(chunk)
                    self.sent_bytes += len(chunk.data)
                case HandoffBegin() as begin if not self.dead:
                    self._from_taker(action.to, self.takers[action.to].begun(GIVER, begin, "", self.now_s))

    def _from_taker(self, taker: NodeId, actions: list[Action]) -> None:
        for action in actions:
            assert isinstance(action, Send)
            match action.message:
                case HandoffGot() as got:
                    self._from_giver(self.giver.got(taker, got, self.now_s))
                case HandoffDone() as done:
                    self._ended(self.giver.done(taker, done))

    def _ended(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.outcomes[outcome.begin.handoff] = (self.now_s, outcome)

    @property
    def given(self) -> int:
        return sum(isinstance(outcome, Given) for _, outcome in self.outcomes.values())


def picture(name: str, data: bytes) -> HandoffBegin:
    return HandoffBegin(
        handoff=HandoffId(name),
        what="picture",
        request=RequestId(name),
        group=GroupId("g1"),
        attempt=Attempt(Term(1, GIVER, BootNonce("b")), 1),
        step=50,
        size=len(data),
        digest=hashlib.sha256(data).digest(),
    )


@pytest.mark.parametrize("bits_per_s", [20e6, 2e6, 1e6, 0.5e6, 0.35e6, 0.2e6])
def test_a_picture_crosses_a_slow_link_without_being_sent_twice(bits_per_s: float) -> None:
    uplink = Uplink(bits_per_s)
    uplink.give(NodeId("ann"), "apple")
    uplink.run(seconds=1.3 * PICTURE_BYTES * 8 / bits_per_s + 1)
    assert uplink.given == 1
    assert uplink.sent_bytes <= 1.2 * PICTURE_BYTES


def test_sixteen_pictures_share_an_uplink_and_all_arrive() -> None:
    uplink = Uplink(bits_per_s=10e6)
    for number in range(16):
        uplink.give(NodeId(f"taker {number}"), f"picture {number}")
    uplink.run(seconds=90)
    assert uplink.given == 16
    assert uplink.sent_bytes <= 1.5 * 16 * PICTURE_BYTES


def test_more_pictures_than_one_taker_takes_at_once_wait_for_their_turn() -> None:
    uplink = Uplink(bits_per_s=10e6)
    for number in range(16):
        uplink.give(NodeId("ann"), f"picture {number}")
    uplink.run(seconds=90)
    assert uplink.given == 16
    assert uplink.sent_bytes <= 1.5 * 16 * PICTURE_BYTES
    assert len(uplink.arrived) == 16, "a picture came twice"


@pytest.mark.parametrize("bits_per_s", [100e6, 2e6, 0.5e6])
def test_what_a_break_swallows_is_sent_again(bits_per_s: float) -> None:
    ideal_s = PICTURE_BYTES * 8 / bits_per_s
    uplink = Uplink(bits_per_s, breaks_at_s=ideal_s / 2)
    uplink.give(NodeId("ann"), "apple")
    uplink.run(seconds=2 * ideal_s + 10)
    assert uplink.given == 1
    assert uplink.sent_bytes <= 1.5 * PICTURE_BYTES


def test_a_link_that_becomes_slow_on_the_way_costs_little_more_than_the_window_in_flight() -> None:
    uplink = Uplink(bits_per_s=100e6)
    uplink.give(NodeId("ann"), "apple", size=4 * PICTURE_BYTES)
    uplink.run(seconds=0.5)
    uplink.bits_per_s = 0.35e6
    uplink.run(seconds=300)
    assert uplink.given == 1
    assert uplink.sent_bytes <= 4 * PICTURE_BYTES + 12 * CHUNK_BYTES


def test_a_taker_that_dies_on_a_slow_link_is_given_up_as_soon_as_on_a_fast_one() -> None:
    uplink = Uplink(bits_per_s=0.35e6)
    uplink.give(NodeId("ann"), "apple")
    uplink.run(seconds=20)
    uplink.dead = True
    uplink.run(seconds=60)
    ((ended_s, outcome),) = uplink.outcomes.values()
    assert isinstance(outcome, NotGiven)
    assert ended_s - 20 <= (REPEATS_MAX + 2) * REPEAT_S


def test_a_taker_that_answers_but_never_gets_on_is_given_up() -> None:
    uplink = Uplink(bits_per_s=1.0)
    uplink.give(NodeId("ann"), "apple")
    uplink.run(seconds=10 * STILL_S_MAX)
    ((ended_s, outcome),) = uplink.outcomes.values()
    assert isinstance(outcome, NotGiven)
    assert ended_s <= STILL_S_MAX + 2 * REPEAT_S
    assert uplink.sent_bytes <= 8 * CHUNK_BYTES, "a queue that does not move was filled"
