"""Handoffs as stories: two pure sides, and a wire between them that loses what the story wants lost."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerd_protocol.actions import Action, Send
from peerd_protocol.handoff import CHUNK_BYTES, REPEATS_MAX, Arrived, Given, Handoffs, NotGiven, Outcome
from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term
from peerd_protocol.messages import AnyMessage, Chunk, HandoffBegin, HandoffDone, HandoffGot

GIVER, TAKER = NodeId("giver"), NodeId("taker")


def announce(data: bytes, digest: bytes | None = None) -> HandoffBegin:
    return HandoffBegin(
        handoff=HandoffId("h1"),
        what="checkpoint",
        request=RequestId("r1"),
        group=GroupId("g1"),
        attempt=Attempt(Term(1, GIVER, BootNonce("b")), 1),
        step=5,
        size=len(data),
        digest=digest or hashlib.sha256(data).digest(),
    )


class Wire:
    """Carries messages between the two sides until nothing moves; `loses` decides which vanish."""

    def __init__(self, unwanted: str = "", loses: Callable[[AnyMessage], bool] = lambda message: False) -> None:
        self.giver, self.taker = Handoffs(), Handoffs()
        self.unwanted, self.loses = unwanted, loses
        self.outcomes: list[Outcome] = []
        self.chunks = 0

    def carry(self, actions: list[Action], now_s: float) -> None:
        queue = [action for action in actions if isinstance(action, Send)]
        while queue:
            send = queue.pop(0)
            if not self.loses(send.message):
                queue += [action for action in self._receive(send, now_s) if isinstance(action, Send)]

    def _receive(self, send: Send, now_s: float) -> list[Action]:
        match send.message:
            case HandoffBegin() as begin:
                return self.taker.begun(GIVER, begin, self.unwanted, now_s)
            case Chunk() as chunk:
                self.chunks += 1
                actions, outcomes = self.taker.chunk(GIVER, chunk, now_s)
                self.outcomes += outcomes
                return actions
            case HandoffGot() as got:
                return self.giver.got(TAKER, got, now_s)
            case HandoffDone() as done:
                self.outcomes += self.giver.done(TAKER, done)
                return []
            case other:
                raise AssertionError(other)

    def tick(self, now_s: float) -> None:
        actions, outcomes = self.giver.ticked(now_s)
        self.outcomes += outcomes
        self.carry(actions, now_s)


def test_a_small_checkpoint_takes_one_chunk_and_both_sides_know() -> None:
    wire = Wire()
    wire.carry(wire.giver.give(TAKER, announce(b"latent"), b"latent", 0.0), 0.0)
    arrived, handed = wire.outcomes
    assert arrived == Arrived(GIVER, announce(b"latent"), b"latent")
    assert handed == Given(TAKER, announce(b"latent"))
    assert wire.chunks == 1


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 30 * CHUNK_BYTES), lost=st.sets(st.integers(0, 60), max_size=REPEATS_MAX - 1))
def test_whatever_is_lost_the_bytes_arrive_whole_and_once(size: int, lost: set[int]) -> None:
    data = (b"\x00\x01\x02" * (size // 3 + 1))[:size]
    seen = iter(range(10_000))
    wire = Wire(loses=lambda message: next(seen) in lost)
    wire.carry(wire.giver.give(TAKER, announce(data), data, 0.0), 0.0)
    for second in range(1, 120):
        wire.tick(second * 1.01)
    assert [outcome.data for outcome in wire.outcomes if isinstance(outcome, Arrived)] == [data]
    assert any(isinstance(outcome, Given) for outcome in wire.outcomes)


def test_after_a_cut_it_goes_on_where_the_taker_stands() -> None:
    data = bytes(20 * CHUNK_BYTES)
    cut = iter([False] * 12 + [True] * 14)
    wire = Wire(loses=lambda message: next(cut, False))
    wire.carry(wire.giver.give(TAKER, announce(data), data, 0.0), 0.0)
    assert not wire.outcomes
    arrived_before_the_cut = wire.chunks
    for second in range(1, 40):
        wire.tick(second * 1.01)
    assert any(isinstance(outcome, Given) for outcome in wire.outcomes)
    assert arrived_before_the_cut > 0
    assert wire.chunks <= 20 + 1, "chunks that had arrived were sent again"


def test_a_taker_that_does_not_want_it_says_why_before_a_byte_moves() -> None:
    wire = Wire(unwanted="a newer attempt is known")
    wire.carry(wire.giver.give(TAKER, announce(b"x"), b"x", 0.0), 0.0)
    assert wire.outcomes == [NotGiven(TAKER, announce(b"x"), "a newer attempt is known")]
    assert wire.chunks == 0


def test_a_wrong_digest_is_refused() -> None:
    wire = Wire()
    begin = announce(b"latent", digest=bytes(32))
    wire.carry(wire.giver.give(TAKER, begin, b"latent", 0.0), 0.0)
    (refused,) = wire.outcomes
    assert isinstance(refused, NotGiven)
    assert "digest" in refused.reason


def test_a_taker_that_never_answers_is_given_up() -> None:
    wire = Wire(loses=lambda message: True)
    wire.carry(wire.giver.give(TAKER, announce(b"x"), b"x", 0.0), 0.0)
    for second in range(1, REPEATS_MAX + 3):
        wire.tick(second * 1.01)
    (gone,) = wire.outcomes
    assert isinstance(gone, NotGiven)


def test_nobody_else_may_end_or_steer_a_handoff() -> None:
    side = Handoffs()
    side.give(TAKER, announce(b"xy"), b"xy", 0.0)
    assert side.got(NodeId("other"), HandoffGot(handoff=HandoffId("h1"), offset=0), 0.0) == []
    assert side.done(NodeId("other"), HandoffDone(handoff=HandoffId("h1"), accepted=True)) == []
    assert side.peer_lost(TAKER) == [NotGiven(TAKER, announce(b"xy"), "the device is gone")]


@pytest.mark.parametrize("size", [0, -1, 1 << 40])
def test_an_announcement_beyond_the_bound_is_refused(size: int) -> None:
    begin = announce(b"x")
    begin = HandoffBegin(**{**{name: getattr(begin, name) for name in begin.__struct_fields__}, "size": size})
    (answer,) = Handoffs().begun(GIVER, begin, "", 0.0)
    assert isinstance(answer, Send)
    assert isinstance(answer.message, HandoffDone)
    assert not answer.message.accepted
