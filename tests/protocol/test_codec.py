"""The codec: what goes out comes back equal, and nothing else comes in, whatever the bytes."""

import json
import math
import struct
import tracemalloc
from pathlib import Path
from typing import Any, get_args

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerd_protocol import bounds, codec
from peerd_protocol.errors import FrameError, LocalError
from peerd_protocol.ids import HandoffId, RequestId
from peerd_protocol.messages import AnyFrame, Chunk, Preclaim, Progress, RequestFailed, RosterShare, Submit
from tests.protocol.samples import ATTEMPT, CALL, GROUP, REQUESTED, SAMPLES

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"
MESSAGE_TYPES: tuple[type, ...] = get_args(AnyFrame)
MEMORY_BYTES_MAX = 16 * 1024 * 1024
"""What decoding any frame of 1 MiB may take; without the caps a lying one took 65 MiB."""


def tag_of(message: AnyFrame) -> str:
    return str(message.__struct_config__.tag)


def frame_of(value: Any) -> bytes:
    packed = msgpack.packb(value)
    assert isinstance(packed, bytes)
    return packed


def fields_of(message: AnyFrame) -> dict[str, Any]:
    value = msgpack.unpackb(codec.encode(message))
    assert isinstance(value, dict)
    return value


# ---- golden frames -----------------------------------------------------------------------------------------------


def test_every_message_has_a_golden_frame() -> None:
    assert {type(message) for message in SAMPLES} == set(MESSAGE_TYPES)
    assert {path.stem for path in VECTORS.glob("*.json")} == {tag_of(message) for message in SAMPLES}


@pytest.mark.parametrize("message", SAMPLES, ids=tag_of)
def test_golden_frames_are_read_and_written_exactly(message: AnyFrame) -> None:
    vector = json.loads((VECTORS / f"{tag_of(message)}.json").read_text(encoding="utf-8"))
    frame = bytes.fromhex(vector["frame_hex"])
    assert codec.encode(message) == frame
    assert codec.decode(frame) == message


# ---- round trips -------------------------------------------------------------------------------------------------

NUMBERS = st.integers(min_value=0, max_value=99)


def in_bounds(message: AnyFrame) -> bool:
    try:
        bounds.check(message)
    except FrameError:
        return False
    return True


@pytest.mark.parametrize("sample", SAMPLES, ids=tag_of)
def test_every_message_survives_the_wire(sample: AnyFrame) -> None:
    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def round_trip(data: st.DataObject) -> None:
        value = msgspec.to_builtins(sample, builtin_types=(bytes,))
        message = msgspec.convert(data.draw(reshaped(value)), AnyFrame, builtin_types=(bytes,))
        if in_bounds(message):
            assert codec.decode(codec.encode(message)) == message

    round_trip()


def reshaped(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same shape and types as `value`, with every leaf but the tags drawn anew."""
    if isinstance(value, dict):
        keep = {"is", "what", "share", "quality", "concepts", "power"}
        return st.fixed_dictionaries(
            {key: st.just(each) if key in keep else reshaped(each) for key, each in value.items()}
        )
    if isinstance(value, list | tuple):
        return st.tuples(*(reshaped(each) for each in value)).map(list)
    leaves: dict[type, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(0, 2**62) | NUMBERS,
        float: st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, 99),
        str: st.text(min_size=1, max_size=64),
        bytes: st.binary(max_size=64),
        type(None): st.none(),
    }
    return leaves[type(value)]


# ---- hostile frames ----------------------------------------------------------------------------------------------


@settings(max_examples=1_000, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_never_get_further_than_a_frame_error(frame: bytes) -> None:
    try:
        codec.decode(frame)
    except FrameError as error:
        assert str(error).endswith((".", ").")) and "\n" not in str(error)


@settings(max_examples=1_000, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_frame_with_a_few_bytes_changed_is_a_message_in_bounds_or_a_frame_error(
    message: AnyFrame, data: st.DataObject
) -> None:
    frame = bytearray(codec.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        bounds.check(codec.decode(bytes(frame)))
    except FrameError:
        pass


@pytest.mark.parametrize("message", SAMPLES, ids=tag_of)
def test_a_truncated_or_lengthened_frame_is_refused(message: AnyFrame) -> None:
    frame = codec.encode(message)
    for length in range(len(frame)):
        with pytest.raises(FrameError):
            codec.decode(frame[:length])
    with pytest.raises(FrameError):
        codec.decode(frame + b"\xc0")


def lying_arrays() -> bytes:
    return b"\xdd\x7f\xff\xff\xff" * 200_000


def honest_empty_maps() -> bytes:
    row = b"\xdc\x01\x00" + b"\x80" * 256
    return b"\xdc\x00\x0f" + (b"\xdc\x01\x00" + row * 256) * 15


def deep_nest() -> bytes:
    return b"\x91" * 1_000_000


def many_short_strings() -> bytes:
    row = b"\xdc\x01\x00" + b"\xa2ab" * 256
    return b"\xdc\x01\x00" + row * 256


def long_lies() -> bytes:
    return b"\x81\xa2is\xc6\xff\xff\xff\xff" + bytes(1_000)


@pytest.mark.parametrize(
    "frame", [lying_arrays, honest_empty_maps, deep_nest, many_short_strings, long_lies], ids=lambda each: each.__name__
)
def test_hostile_frames_take_little_memory(frame: Any) -> None:
    bomb = frame()
    assert len(bomb) <= codec.CONTROL_BYTES_MAX
    tracemalloc.start()
    try:
        with pytest.raises(FrameError):
            codec.decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()


def test_a_frame_over_its_lanes_size_is_refused_before_it_is_read() -> None:
    with pytest.raises(FrameError, match="1048577 bytes; 1048576 are allowed"):
        codec.decode(bytes(codec.CONTROL_BYTES_MAX + 1))
    with pytest.raises(FrameError, match="are allowed"):
        codec.decode(bytes(codec.BULK_BYTES_MAX + 1), codec.BULK_BYTES_MAX)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("counter", -1),
        ("counter", 2**63),
        ("counter", 1.0),
        ("counter", True),
        ("counter", "1"),
        ("counter", None),
        ("counter", [1]),
        ("is", "nonsense"),
        ("is", 3),
    ],
)
def test_a_field_of_a_wrong_type_or_size_is_refused(field: str, value: Any) -> None:
    with pytest.raises(FrameError):
        codec.decode(frame_of({**fields_of(Preclaim(counter=1)), field: value}))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_numbers_that_are_none_never_come_in(value: float) -> None:
    fields = fields_of(Submit(request=REQUESTED))
    fields["request"]["call"]["guidance"] = value
    with pytest.raises(FrameError, match="guidance"):
        codec.decode(frame_of(fields))


def test_extension_types_text_for_bytes_and_keys_that_are_no_text_are_refused() -> None:
    for value in (msgpack.ExtType(4, b"x"), msgpack.Timestamp(0, 0)):
        with pytest.raises(FrameError):
            codec.decode(frame_of({"is": "preclaim", "counter": value}))
    with pytest.raises(FrameError, match="bytes"):
        codec.decode(frame_of({"is": "chunk", "handoff": "h", "offset": 0, "data": "AAAA"}))
    with pytest.raises(FrameError):
        codec.decode(frame_of({1: 2}))
    with pytest.raises(FrameError):
        codec.decode(b"\x81\xa2is\xa2\xff\xff")  # not UTF-8


def test_unknown_fields_of_a_newer_peer_are_ignored() -> None:
    assert codec.decode(frame_of({**fields_of(Preclaim(counter=1)), "mood": "sunny"})) == Preclaim(counter=1)


def test_a_preview_must_have_the_size_it_claims() -> None:
    fields = fields_of(Progress(group=GROUP, attempt=ATTEMPT, step=1, total=2))
    with pytest.raises(FrameError, match="preview"):
        codec.decode(frame_of({**fields, "preview": b"xx", "preview_side": 1}))


@pytest.mark.parametrize(
    "message",
    [
        Chunk(handoff=HandoffId("h"), offset=0, data=bytes(bounds.CHUNK_BYTES_MAX + 1)),
        Chunk(handoff=HandoffId("h" * 257), offset=0, data=b""),
        RosterShare(certificates=(b"",) * 257, revocations=()),
        RosterShare(certificates=(), revocations=(bytes(1_025),)),
        Submit(request=msgspec.structs.replace(REQUESTED, call=msgspec.structs.replace(CALL, prompt="x" * 2_001))),
        Submit(request=msgspec.structs.replace(REQUESTED, group_size=33)),
        Preclaim(counter=2**64),
    ],
)
def test_what_no_peer_would_accept_is_not_sent(message: AnyFrame) -> None:
    with pytest.raises(LocalError, match="can not be sent"):
        codec.encode(message)


def test_what_people_read_of_a_peer_steers_no_terminal() -> None:
    said = RequestFailed(request=RequestId("r"), reason="\x1b[2J out of\nmemory \u202egnp.tac")
    received = codec.decode(codec.encode(said))
    assert isinstance(received, RequestFailed)
    assert received.reason == "\ufffd[2J out of memory \ufffdgnp.tac"
    with pytest.raises(FrameError, match="could deceive"):
        codec.decode(frame_of(fields_of(received) | {"reason": said.reason}))


@pytest.mark.parametrize("reason", ["", " ", "out of  memory", "no room on the disk"])
def test_a_reason_that_may_be_said_goes_out_as_it_is(reason: str) -> None:
    said = RequestFailed(request=RequestId("r"), reason=reason)
    assert codec.decode(codec.encode(said)) == said


def test_a_long_reason_is_clipped_rather_than_lost() -> None:
    received = codec.decode(codec.encode(RequestFailed(request=RequestId("r"), reason="why " * 1_000)))
    assert isinstance(received, RequestFailed)
    assert len(received.reason) == bounds.REASON_CHARS_MAX and received.reason.endswith("…")


def test_the_largest_plan_and_roster_fit_into_a_frame() -> None:
    full = RosterShare(certificates=(bytes(1_024),) * 256, revocations=(bytes(1_024),) * 256)
    assert codec.decode(codec.encode(full)) == full


def test_the_wire_is_plain_msgpack_that_starts_with_the_tag() -> None:
    frame = codec.encode(Preclaim(counter=1))
    assert frame == b"\x82\xa2is\xa8preclaim\xa7counter" + struct.pack("B", 1)
