"""Checkpoints on the wire: what goes in comes out, equal ones are equal bytes, and hostile bytes get one sentence."""

import hashlib
import math
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd_protocol.checkpoint import (
    HEADER_BYTES_MAX,
    ITEM_BYTES,
    LENGTH_BYTES,
    MAGIC,
    TENSORS_MAX,
    Checkpoint,
    Facts,
    Random,
    Shape,
    Template,
    Tensor,
    digest_of,
    pack,
    prompt_digest_of,
    refuse_misfit,
    unpack,
)
from peerd_protocol.errors import CheckpointError
from peerd_protocol.plan import Call

CALL = Call(
    model="m" * 64, prompt="apple on table", steps=11, seed=41, guidance=3.0, scheduler="ddim", width=128, height=128
)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """A dense tensor in any order of its dimensions."""
    sizes = draw(st.lists(st.integers(1, 5), max_size=4))
    strides, filled = [0] * len(sizes), 1
    for place in draw(st.permutations(range(len(sizes)))):
        strides[place], filled = filled, filled * sizes[place]
    dtype = draw(st.sampled_from(sorted(ITEM_BYTES)))
    shape = Shape(dtype=dtype, sizes=tuple(sizes), strides=tuple(strides))
    return Tensor(shape=shape, data=draw(st.binary(min_size=shape.byte_count, max_size=shape.byte_count)))


LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(-1e18, 1e18, allow_nan=False), tensors()
)
RANDOMS = st.builds(Random, start=st.binary(min_size=1, max_size=40), at_step=st.binary(min_size=1, max_size=40))


@st.composite
def checkpoints(draw: st.DrawFn) -> Checkpoint:
    """Any checkpoint that an engine might make."""
    step = draw(st.integers(1, 40))
    facts = Facts(
        step=step,
        total=draw(st.integers(step, 60)),
        model=draw(st.text(max_size=64)),
        call=draw(DIGESTS),
        prompt=draw(st.one_of(st.just(""), DIGESTS)),
        scheduler=draw(DIGESTS),
        guidance=draw(st.floats(allow_nan=False, allow_infinity=False)),
        width=draw(st.integers(1, 4096)),
        height=draw(st.integers(1, 4096)),
        seed=draw(st.integers(0, 2**63 - 1)),
        dtype="float32",
        threads=draw(st.integers(1, 64)),
        device="cpu avx2",
        software="torch 2.13.0",
        noise="torch-cpu",
    )
    outputs = tuple(draw(st.lists(tensors(), min_size=1, max_size=2)))
    names = draw(st.lists(NAMES, unique=True, max_size=5))
    values = st.one_of(LEAVES, st.lists(LEAVES, max_size=6).map(tuple))
    return Checkpoint(
        facts=facts,
        outputs=outputs,
        output_keys=draw(st.sampled_from([(), tuple("ab"[: len(outputs)])])),
        output_count=len(outputs),
        template=Template(keys=(), shapes=(draw(tensors()).shape,)),
        solver=tuple((name, draw(values)) for name in sorted(names)),
        generator=draw(RANDOMS),
        world=draw(st.one_of(st.none(), RANDOMS)),
    )


def example() -> Checkpoint:
    shape = Shape(dtype="float32", sizes=(1, 2, 3), strides=(6, 3, 1))
    facts = Facts(
        step=5,
        total=11,
        model=CALL.model,
        call=digest_of(CALL),
        prompt=prompt_digest_of(CALL),
        scheduler="5" * 64,
        guidance=3.0,
        width=128,
        height=128,
        seed=41,
        dtype="float32",
        threads=1,
        device="cpu avx2",
        software="torch 2.13.0",
        noise="torch-cpu",
    )
    return Checkpoint(
        facts=facts,
        outputs=(Tensor(shape=shape, data=bytes(24)),),
        output_keys=(),
        output_count=1,
        template=Template(shapes=(shape,)),
        solver=(("_step_index", 5), ("model_outputs", (None, Tensor(shape=shape, data=bytes(24))))),
        generator=Random(start=b"a", at_step=b"b"),
    )


def signed(body: bytes) -> bytes:
    """Bytes with a digest that is right, as a lying peer would send them."""
    return body + hashlib.sha256(body).digest()


def with_header(header: Any, data: bytes = b"") -> bytes:
    head = msgpack.packb(header)
    return signed(MAGIC + len(head).to_bytes(LENGTH_BYTES, "little") + head + data)


def header_of(packed: bytes) -> dict[str, Any]:
    start = len(MAGIC) + LENGTH_BYTES
    length = int.from_bytes(packed[len(MAGIC) : start], "little")
    header: dict[str, Any] = msgpack.unpackb(packed[start : start + length])
    return header


@given(checkpoints())
def test_what_is_packed_comes_back_and_packs_to_the_same_bytes(checkpoint: Checkpoint) -> None:
    packed = pack(checkpoint)
    assert unpack(packed) == checkpoint
    assert pack(unpack(packed)) == packed


def test_the_order_in_which_a_solver_lists_its_state_does_not_show() -> None:
    checkpoint = example()
    turned = Checkpoint(
        **{name: getattr(checkpoint, name) for name in checkpoint.__struct_fields__ if name != "solver"},
        solver=checkpoint.solver[::-1],
    )
    assert pack(turned) == pack(checkpoint)


def test_the_bytes_are_the_same_on_every_device() -> None:
    # Written down once: another number here is another wire format, and wants another MAGIC.
    assert hashlib.sha256(pack(example())).hexdigest() == (
        "9d6f50e8730b65612e9abba137afc07b9e5d83975688af9c829aee614214c388"
    )
    assert digest_of(CALL) == "dc0033867c132cc1807b41955f622bc6f612c5bbd01eaa4e54f3d66be64e3e01"
    assert prompt_digest_of(CALL) == "30613aa06a788026117d820550f74f0d38f76afb7754a5d445a3279d38e93ac1"


@given(st.binary(max_size=400))
def test_noise_is_refused(noise: bytes) -> None:
    for data in (noise, MAGIC + noise, signed(MAGIC + noise), with_header(noise)):
        with pytest.raises(CheckpointError):
            unpack(data)


@given(st.integers(0, len(pack(example())) - 1), st.integers(1, 255))
def test_one_changed_byte_is_noticed(place: int, change: int) -> None:
    packed = bytearray(pack(example()))
    packed[place] ^= change
    with pytest.raises(CheckpointError):
        unpack(bytes(packed))


@given(st.integers(0, len(pack(example())) - 1))
def test_a_cut_one_is_noticed(length: int) -> None:
    with pytest.raises(CheckpointError):
        unpack(pack(example())[:length])


NESTED = b"\x91" * 60_000
SHAPE = {"dtype": "float32", "sizes": [1, 2, 3], "strides": [6, 3, 1]}

LIES: dict[str, dict[str, Any]] = {
    "an unknown field": {"pickle": b""},
    "no outputs": {"outputs": []},
    "a shape far larger than what came": {"outputs": [{**SHAPE, "sizes": [1, 2**20, 3], "strides": [3 * 2**20, 3, 1]}]},
    "a shape whose bytes overflow": {"outputs": [{**SHAPE, "sizes": [2**24] * 3, "strides": [2**24, 1, 1]}]},
    "a negative size": {"outputs": [{**SHAPE, "sizes": [1, -2, 3]}]},
    "a size of zero": {"outputs": [{**SHAPE, "sizes": [1, 0, 3]}]},
    "strides that overlap": {"outputs": [{**SHAPE, "strides": [6, 1, 1]}]},
    "strides that leave gaps": {"outputs": [{**SHAPE, "strides": [6, 6, 1]}]},
    "fewer strides than sizes": {"outputs": [{**SHAPE, "strides": [3, 1]}]},
    "too many dimensions": {"outputs": [{**SHAPE, "sizes": [1] * 9, "strides": [1] * 9}]},
    "objects for numbers": {"outputs": [{**SHAPE, "dtype": "object"}]},
    "too many tensors": {"solver": [[f"a{i}", [SHAPE] * 16] for i in range(TENSORS_MAX // 16 + 1)]},
    "a list in a list": {"solver": [["ets", [[1]]]]},
    "a name that is no name": {"solver": [["a.b", 1]]},
    "the same name twice": {"solver": [["ets", 1], ["ets", 2]]},
    "names out of their order": {"solver": [["ets", 1], ["dt", 2]]},
    "a number that is none": {"solver": [["dt", math.nan]]},
    "an endless number": {"solver": [["dt", math.inf]]},
    "a text in the solver": {"solver": [["dt", "1"]]},
    "an enormous random state": {"generator": [2**40, 1]},
    "more results than were counted": {"output_count": 0},
    "a larger template than anyone needs": {
        "template": {"keys": [], "shapes": [{"dtype": "float64", "sizes": [2**24, 2**24], "strides": [2**24, 1]}]}
    },
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused(lie: str) -> None:
    packed = pack(example())
    header = {**header_of(packed), **LIES[lie]}
    with pytest.raises(CheckpointError) as refusal:
        unpack(with_header(header, bytes(50)))
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).endswith(".")
    assert ("another number of bytes" in str(refusal.value)) == (lie == "a shape far larger than what came"), (
        "refused for what it is"
    )


@pytest.mark.parametrize(
    "facts", [{"step": 0}, {"step": 12}, {"step": True}, {"seed": -1}, {"guidance": math.nan}, {"call": "A" * 64}]
)
def test_facts_that_can_not_be_are_refused(facts: dict[str, Any]) -> None:
    header = header_of(pack(example()))
    with pytest.raises(CheckpointError):
        unpack(with_header({**header, "facts": {**header["facts"], **facts}}, bytes(50)))


def test_the_header_of_an_honest_one_may_be_written_again() -> None:
    # Without this the refusals above could come from the way in which the test writes headers.
    packed = pack(example())
    assert with_header(header_of(packed), bytes(48) + b"ab") == packed


@pytest.mark.parametrize(
    "head",
    [NESTED, b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc7\x01\x05a", b"\x80\x80"],
    ids=["deep nest", "endless list", "endless map", "endless text", "extension", "two things"],
)
def test_headers_that_are_bombs_are_refused(head: bytes) -> None:
    with pytest.raises(CheckpointError):
        unpack(signed(MAGIC + len(head).to_bytes(LENGTH_BYTES, "little") + head))


def test_a_header_longer_than_allowed_is_refused_unread() -> None:
    with pytest.raises(CheckpointError, match="longer than allowed"):
        unpack(signed(MAGIC + (HEADER_BYTES_MAX + 1).to_bytes(LENGTH_BYTES, "little") + bytes(HEADER_BYTES_MAX + 1)))


def test_the_call_digest_knows_everything_but_the_words() -> None:
    assert digest_of(CALL) == digest_of(changed(prompt="lemon", negative="apple"))
    assert prompt_digest_of(CALL) != prompt_digest_of(changed(negative="apple"))
    others = {"model": "n", "steps": 12, "seed": 42, "guidance": 3.5, "scheduler": "lms", "width": 64, "height": 64}
    digests = {digest_of(changed(**{name: value})) for name, value in others.items()}
    assert len(digests | {digest_of(CALL)}) == len(others) + 1


def test_words_can_not_move_between_prompt_and_negative_prompt() -> None:
    assert prompt_digest_of(changed(prompt="ab", negative="c")) != prompt_digest_of(changed(prompt="a", negative="bc"))


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"model": "n" * 64}, "another model"),
        ({"width": 64}, "128x128 picture, the call wants 64x128"),
        ({"seed": 42}, "another seed"),
        ({"guidance": 2.0}, "another seed, guidance"),
        ({"steps": 10}, "number of steps"),
    ],
)
def test_a_checkpoint_of_another_call_does_not_fit(other: dict[str, Any], sentence: str) -> None:
    facts = example().facts
    refuse_misfit(facts, CALL, facts.scheduler, facts.total)
    with pytest.raises(CheckpointError, match=sentence):
        refuse_misfit(facts, changed(**other), facts.scheduler, facts.total)


def test_a_checkpoint_of_another_scheduler_or_length_does_not_fit() -> None:
    facts = example().facts
    with pytest.raises(CheckpointError, match="another scheduler"):
        refuse_misfit(facts, CALL, "6" * 64, facts.total)
    with pytest.raises(CheckpointError, match="11 scheduler steps in all, this call takes 12"):
        refuse_misfit(facts, CALL, facts.scheduler, 12)


def changed(**fields: Any) -> Call:
    """The usual call with something else in it."""
    return Call(**{**{name: getattr(CALL, name) for name in CALL.__struct_fields__}, **fields})
