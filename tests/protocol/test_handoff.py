"""Handoffs as stories: two pure sides, and a wire between them that loses what the story wants lost."""

import hashlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerd_protocol.actions import Action, Send
from peerd_protocol.handoff import (
    CHUNK_BYTES,
    FROM_ONE_AT_ONCE_MAX,
    HANDOFF_BYTES_MAX,
    REPEATS_MAX,
    STILL_S_MAX,
    TAKEN_AT_ONCE_MAX,
    TAKEN_SILENT_S,
    Arrived,
    Given,
    Handoffs,
    NotGiven,
    Outcome,
)
from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term
from peerd_protocol.messages import AnyMessage, Chunk, HandoffBegin, HandoffDone, HandoffGot

GIVER, TAKER = NodeId("giver"), NodeId("taker")


def announce(data: bytes, digest: bytes | None = None, name: str = "h1") -> HandoffBegin:
    return HandoffBegin(
        handoff=HandoffId(name),
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
        self.giver, self.taker = Handoffs(GIVER), Handoffs(TAKER)
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
    side = Handoffs(GIVER)
    side.give(TAKER, announce(b"xy"), b"xy", 0.0)
    assert side.got(NodeId("other"), HandoffGot(handoff=HandoffId("h1"), offset=0), 0.0) == []
    assert side.done(NodeId("other"), HandoffDone(handoff=HandoffId("h1"), accepted=True)) == []
    assert side.peer_lost(TAKER) == [NotGiven(TAKER, announce(b"xy"), "the device is gone")]


@pytest.mark.parametrize("size", [0, -1, 1 << 40])
def test_an_announcement_beyond_the_bound_is_refused(size: int) -> None:
    begin = announce(b"x")
    begin = HandoffBegin(**{**{name: getattr(begin, name) for name in begin.__struct_fields__}, "size": size})
    (answer,) = Handoffs(TAKER).begun(GIVER, begin, "", 0.0)
    assert isinstance(answer, Send)
    assert isinstance(answer.message, HandoffDone)
    assert not answer.message.accepted


def begins(taker: Handoffs, giver: NodeId, number: int, now_s: float = 0.0) -> bool:
    """Whether `taker` takes the giver's handoff of this number."""
    return bool(taker.begun(giver, announce(b"xy", name=f"h{number}"), "", now_s))


def test_one_member_fills_its_own_places_and_nobody_elses() -> None:
    taker = Handoffs(TAKER)
    taken = [begins(taker, NodeId("greedy"), number) for number in range(TAKEN_AT_ONCE_MAX)]
    assert sum(taken) == FROM_ONE_AT_ONCE_MAX
    assert begins(taker, GIVER, 0)
    assert begins(taker, NodeId("greedy"), 0), "what is on its way may go on"


def test_a_node_hands_its_picture_to_itself_however_many_members_crowd_in() -> None:
    taker = Handoffs(TAKER)
    for number in range(TAKEN_AT_ONCE_MAX):
        assert begins(taker, NodeId(f"member {number // FROM_ONE_AT_ONCE_MAX}"), number)
    assert not begins(taker, GIVER, 0), "all places are taken"
    for number in range(2 * FROM_ONE_AT_ONCE_MAX):
        (begin,) = taker.give(TAKER, announce(b"xy", name=f"own {number}"), b"xy", 0.0)
        assert isinstance(begin, Send)
        assert begins(taker, TAKER, number)


def test_handoffs_that_their_giver_no_longer_speaks_of_make_room_for_its_next_ones() -> None:
    taker = Handoffs(TAKER)
    for number in range(FROM_ONE_AT_ONCE_MAX):
        assert begins(taker, GIVER, number)
    assert begins(taker, GIVER, 0, now_s=TAKEN_SILENT_S)
    assert not begins(taker, GIVER, 100, now_s=TAKEN_SILENT_S)
    assert begins(taker, GIVER, 100, now_s=TAKEN_SILENT_S + 1)
    chunks = [Chunk(handoff=HandoffId(f"h{number}"), offset=0, data=b"x") for number in (0, 1)]
    assert [taker.chunk(GIVER, chunk, 6.0)[0] != [] for chunk in chunks] == [True, False]


def test_one_member_announces_no_more_bytes_at_once_than_two_of_the_largest_have() -> None:
    taker = Handoffs(TAKER)
    large = [announce(b"x", name=f"h{number}") for number in range(3)]
    large = [msgspec.structs.replace(begin, size=HANDOFF_BYTES_MAX) for begin in large]
    assert [bool(taker.begun(GIVER, begin, "", 0.0)) for begin in large] == [True, True, False]


def test_a_giver_begins_no_more_at_once_than_its_taker_takes_and_the_rest_in_their_order() -> None:
    wire = Wire(loses=lambda message: isinstance(message, HandoffDone))
    for number in range(FROM_ONE_AT_ONCE_MAX + 2):
        name = f"h{number}"
        wire.carry(wire.giver.give(TAKER, announce(b"xy", name=name), b"xy", 0.0), 0.0)
    assert len(wire.outcomes) == FROM_ONE_AT_ONCE_MAX
    wire.loses = lambda message: False
    wire.tick(1.01)
    wire.tick(1.1)
    given = [outcome.begin.handoff for outcome in wire.outcomes if isinstance(outcome, Given)]
    assert given == [f"h{number}" for number in range(FROM_ONE_AT_ONCE_MAX + 2)]


def test_a_taker_that_has_forgotten_what_it_held_is_given_all_of_it_again() -> None:
    data = bytes(20 * CHUNK_BYTES)
    cut = iter([False] * 12)
    wire = Wire(loses=lambda message: next(cut, True))
    wire.carry(wire.giver.give(TAKER, announce(data), data, 0.0), 0.0)
    wire.taker, wire.loses = Handoffs(TAKER), lambda message: False
    for second in range(1, 10):
        wire.tick(second * 1.01)
    assert [type(outcome) for outcome in wire.outcomes] == [Arrived, Given]


def test_a_taker_that_takes_byte_after_byte_is_given_up() -> None:
    giver, data = Handoffs(GIVER), bytes(4 * CHUNK_BYTES)
    giver.give(TAKER, announce(data), data, 0.0)
    outcomes: list[Outcome] = []
    for half in range(round(2 * STILL_S_MAX) + 4):
        giver.got(TAKER, HandoffGot(handoff=HandoffId("h1"), offset=half), half * 0.5)
        outcomes += giver.ticked(half * 0.5)[1]
    assert outcomes == [NotGiven(TAKER, announce(data), "it answered, but took nothing more")]


def test_a_giver_that_slept_in_the_middle_goes_on() -> None:
    data = bytes(20 * CHUNK_BYTES)
    cut = iter([False] * 12)
    wire = Wire(loses=lambda message: next(cut, True))
    wire.carry(wire.giver.give(TAKER, announce(data), data, 0.0), 0.0)
    wire.tick(1.01)
    wire.loses = lambda message: False
    for second in range(10):
        wire.tick(8 * 3600.0 + second * 1.01)
    assert [type(outcome) for outcome in wire.outcomes] == [Arrived, Given]


def test_a_handoff_whose_turn_has_not_come_sends_nothing_whatever_its_taker_says() -> None:
    giver, data = Handoffs(GIVER), bytes(4 * CHUNK_BYTES)
    for number in range(FROM_ONE_AT_ONCE_MAX + 1):
        giver.give(TAKER, announce(data, name=f"h{number}"), data, 0.0)
    waiting = HandoffId(f"h{FROM_ONE_AT_ONCE_MAX}")
    for chunks in range(3):
        assert giver.got(TAKER, HandoffGot(handoff=waiting, offset=chunks * CHUNK_BYTES), 0.1) == []
