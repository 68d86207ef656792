"""The checkpoint's wire format: an unfinished picture with all that is needed to go on exactly.

A checkpoint is `MAGIC | header length | header | tensor bytes | SHA-256 of everything before`. The header is msgpack
and names every tensor's type, shape and strides in the order in which their bytes follow. Equal checkpoints are equal
bytes. Here live the values, `pack`, `unpack`, and the digests that tell whether a checkpoint fits a call. Never here:
torch, numpy, a pickle, or an allocation whose size is a peer's claim.
"""

import hashlib
import math
from collections.abc import Iterator
from typing import Annotated, Any

import msgpack
import msgspec
from msgspec import Meta

from peerd_protocol.errors import CheckpointError
from peerd_protocol.plan import SIDE_PIXELS_MAX, STEPS_MAX, Call

MAGIC = b"PEERDCK1"
DIGEST_BYTES = 32
LENGTH_BYTES = 4

CHECKPOINT_BYTES_MAX = 256 * 1024 * 1024
"""Six times the 8 MB latent of a long video and its solver state, with room; picture models stay under 8 MB."""
HEADER_BYTES_MAX = 64 * 1024
"""The longest header of diffusers' own solvers takes 2 KB."""
TENSORS_MAX = 64
DIMENSIONS_MAX = 8
DIMENSION_MAX = 2**24
TENSOR_BYTES_MAX = 64 * 1024 * 1024
ATTRIBUTES_MAX = 32
LIST_MAX = 16
"""Multistep solvers keep at most six earlier outputs."""
NAME_CHARS_MAX = 64
SEED_MAX = 2**63 - 1
STEP_CALLS_MAX = 4 * STEPS_MAX
"""Two-stage solvers call `scheduler.step` twice a step; Runge-Kutta warm-ups four times."""
THREADS_MAX = 4096
RANDOM_STATE_BYTES_MAX = 16 * 1024
"""A CPU generator's state is 5,056 bytes."""

ITEM_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "uint8": 1, "bool": 1}

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
MaybeDigest = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
Name = Annotated[str, Meta(max_length=NAME_CHARS_MAX, pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
Word = Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
DimensionSize = Annotated[int, Meta(ge=1, le=DIMENSION_MAX)]
Stride = Annotated[int, Meta(ge=0, le=TENSOR_BYTES_MAX)]


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tensor without its numbers. Strides matter: another memory format runs another kernel, 2e-7 off."""

    dtype: Word
    sizes: Annotated[tuple[DimensionSize, ...], Meta(max_length=DIMENSIONS_MAX)]
    strides: Annotated[tuple[Stride, ...], Meta(max_length=DIMENSIONS_MAX)]

    @property
    def byte_count(self) -> int:
        """How many bytes the numbers take. Python integers do not overflow, so a lying shape is just large."""
        return math.prod(self.sizes) * ITEM_BYTES[self.dtype]


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """A shape and its numbers: raw bytes, little endian, in the order in which they lie in memory."""

    shape: Shape
    data: bytes


Scalar = None | bool | int | float
Leaf = Scalar | Tensor
Value = Leaf | tuple[Leaf, ...]


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the checkpoint belongs to. `step` and `total` count `scheduler.step` calls.

    `prompt` is empty where the own words must not be recognised. `dtype`, `threads`, `device` and `software` say
    where the bits come from: on others the result is close, not exact. `noise` names the maker of the first noise.
    """

    step: Annotated[int, Meta(ge=1, le=STEP_CALLS_MAX)]
    total: Annotated[int, Meta(ge=1, le=STEP_CALLS_MAX)]
    model: Annotated[str, Meta(max_length=128)]
    call: Digest
    prompt: MaybeDigest
    scheduler: Digest
    guidance: float
    width: Annotated[int, Meta(ge=1, le=SIDE_PIXELS_MAX)]
    height: Annotated[int, Meta(ge=1, le=SIDE_PIXELS_MAX)]
    seed: Annotated[int, Meta(ge=0, le=SEED_MAX)]
    dtype: Word
    threads: Annotated[int, Meta(ge=1, le=THREADS_MAX)]
    device: Word
    software: Word
    noise: Word


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a call returned, without its numbers: `keys` name an output's fields; a tuple has none."""

    keys: Annotated[tuple[Name, ...], Meta(max_length=LIST_MAX)] = ()
    shapes: Annotated[tuple[Shape, ...], Meta(min_length=1, max_length=LIST_MAX)]


class Random(msgspec.Struct, frozen=True, kw_only=True):
    """A generator's state as bytes, before the call's first draw and after the checkpoint's step."""

    start: bytes
    at_step: bytes


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that goes on after `facts.step`: the latent leads `outputs`, the step's own result.

    `generator` is the call's own, `world` the process's global one, carried where the steps drew from it.
    """

    facts: Facts
    outputs: tuple[Tensor, ...]
    output_keys: tuple[str, ...]
    output_count: int
    template: Template
    solver: tuple[tuple[str, Value], ...]
    generator: Random
    world: Random | None = None

    @property
    def latent(self) -> Tensor:
        """The unfinished picture."""
        return self.outputs[0]


_WireLeaf = None | bool | int | float | Shape
_WireValue = _WireLeaf | Annotated[tuple[_WireLeaf, ...], Meta(max_length=LIST_MAX)]
_StateBytes = Annotated[int, Meta(ge=1, le=RANDOM_STATE_BYTES_MAX)]


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The checkpoint with shapes in the place of tensors and lengths in the place of bytes."""

    facts: Facts
    outputs: Annotated[tuple[Shape, ...], Meta(min_length=1, max_length=LIST_MAX)]
    output_keys: Annotated[tuple[Name, ...], Meta(max_length=LIST_MAX)]
    output_count: Annotated[int, Meta(ge=1, le=LIST_MAX)]
    template: Template
    solver: Annotated[tuple[tuple[Name, _WireValue], ...], Meta(max_length=ATTRIBUTES_MAX)]
    generator: tuple[_StateBytes, _StateBytes]
    world: tuple[_StateBytes, _StateBytes] | None


def pack(checkpoint: Checkpoint) -> bytes:
    """The checkpoint as bytes; the same checkpoint gives the same bytes everywhere."""
    chunks: list[bytes] = []

    def put(tensor: Tensor) -> Shape:
        _check_shape(tensor.shape)
        if len(tensor.data) != tensor.shape.byte_count:
            raise CheckpointError("A tensor's bytes do not match its shape; this is a bug in the engine.")
        chunks.append(tensor.data)
        return tensor.shape

    def put_leaf(value: Leaf) -> _WireLeaf:
        return put(value) if isinstance(value, Tensor) else value

    def put_random(random: Random) -> tuple[int, int]:
        chunks.extend((random.start, random.at_step))
        return len(random.start), len(random.at_step)

    header = _Header(
        facts=checkpoint.facts,
        outputs=tuple(put(tensor) for tensor in checkpoint.outputs),
        output_keys=checkpoint.output_keys,
        output_count=checkpoint.output_count,
        template=checkpoint.template,
        solver=tuple(
            (name, tuple(put_leaf(leaf) for leaf in value) if isinstance(value, tuple) else put_leaf(value))
            for name, value in sorted(checkpoint.solver, key=lambda pair: pair[0])
        ),
        generator=put_random(checkpoint.generator),
        world=None if checkpoint.world is None else put_random(checkpoint.world),
    )
    _check(header)
    head = msgspec.msgpack.encode(header)
    if len(head) > HEADER_BYTES_MAX:
        raise CheckpointError(f"The checkpoint's header takes {len(head)} bytes; {HEADER_BYTES_MAX} are allowed.")
    body = b"".join((MAGIC, len(head).to_bytes(LENGTH_BYTES, "little"), head, *chunks))
    if len(body) + DIGEST_BYTES > CHECKPOINT_BYTES_MAX:
        raise CheckpointError(f"The checkpoint takes {len(body)} bytes; {CHECKPOINT_BYTES_MAX} are allowed.")
    return body + hashlib.sha256(body).digest()


def unpack(data: bytes) -> Checkpoint:
    """The checkpoint in `data`; raises CheckpointError with one sentence if there is none that we accept."""
    head, body = _split(data)
    header = _header(head)
    _check(header)
    sizes = [shape.byte_count for shape in _shapes(header)]
    sizes += [*header.generator, *(header.world or ())]
    if sum(sizes) != len(body):
        raise CheckpointError("The checkpoint's header promises another number of bytes than came.")
    taken = 0

    def take(count: int) -> bytes:
        nonlocal taken
        taken += count
        return bytes(body[taken - count : taken])

    def take_leaf(value: _WireLeaf) -> Leaf:
        return Tensor(shape=value, data=take(value.byte_count)) if isinstance(value, Shape) else value

    def take_value(value: _WireValue) -> Value:
        return tuple(take_leaf(leaf) for leaf in value) if isinstance(value, tuple) else take_leaf(value)

    return Checkpoint(
        facts=header.facts,
        outputs=tuple(Tensor(shape=shape, data=take(shape.byte_count)) for shape in header.outputs),
        output_keys=header.output_keys,
        output_count=header.output_count,
        template=header.template,
        solver=tuple((name, take_value(value)) for name, value in header.solver),
        generator=Random(start=take(header.generator[0]), at_step=take(header.generator[1])),
        world=None if header.world is None else Random(start=take(header.world[0]), at_step=take(header.world[1])),
    )


def digest_of(call: Call) -> str:
    """What all members of a group have in common: everything that decides the pixels, except the words."""
    return _digest(
        "call", call.model, call.steps, call.seed, float(call.guidance), call.scheduler, call.width, call.height
    )


def prompt_digest_of(call: Call) -> str:
    """The words of a call: prompt and negative prompt."""
    return _digest("prompt", call.prompt, call.negative)


def scheduler_digest_of(name: str, settings: str) -> str:
    """A scheduler's class and settings, as its engine writes them down."""
    return _digest("scheduler", name, settings)


def refuse_misfit(facts: Facts, call: Call, scheduler: str, total: int) -> None:
    """Raise CheckpointError unless a checkpoint with these facts continues `call`, which takes `total` step calls here.

    `scheduler` is the digest of the local scheduler's settings. The words may differ, and so may dtype, threads,
    device and software: those make the result close instead of exact.
    """
    if facts.model != call.model:
        raise CheckpointError("The checkpoint was made with another model; ask for one made with this call's model.")
    if (facts.width, facts.height) != (call.width, call.height):
        raise CheckpointError(
            f"The checkpoint is of a {facts.width}x{facts.height} picture, the call wants {call.width}x{call.height}."
        )
    if facts.scheduler != scheduler:
        raise CheckpointError("The checkpoint was made with another scheduler, or the same with other settings.")
    if facts.total != total:
        raise CheckpointError(f"The checkpoint counts {facts.total} scheduler steps in all, this call takes {total}.")
    if facts.call != digest_of(call) or facts.seed != call.seed or facts.guidance != float(call.guidance):
        raise CheckpointError("The checkpoint belongs to a call with another seed, guidance or number of steps.")


def _digest(domain: str, *parts: str | int | float) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(("peerd", domain, *parts))).hexdigest()


def _split(data: bytes) -> tuple[bytes, memoryview]:
    if len(data) > CHECKPOINT_BYTES_MAX:
        raise CheckpointError(f"The checkpoint takes {len(data)} bytes; {CHECKPOINT_BYTES_MAX} are allowed.")
    start = len(MAGIC) + LENGTH_BYTES
    if len(data) < start + DIGEST_BYTES or data[: len(MAGIC)] != MAGIC:
        raise CheckpointError("These bytes are not a peerd checkpoint of this version.")
    view = memoryview(data)
    if hashlib.sha256(view[:-DIGEST_BYTES]).digest() != data[-DIGEST_BYTES:]:
        raise CheckpointError("The checkpoint is damaged: its digest does not match; ask for it again.")
    head_bytes = int.from_bytes(view[len(MAGIC) : start], "little")
    if head_bytes > HEADER_BYTES_MAX or start + head_bytes + DIGEST_BYTES > len(data):
        raise CheckpointError("The checkpoint's header is longer than allowed.")
    return bytes(view[start : start + head_bytes]), view[start + head_bytes : -DIGEST_BYTES]


def _refuse_extension(code: int, data: bytes) -> Any:
    raise ValueError("extension types are not allowed")


def _header(head: bytes) -> _Header:
    try:
        plain = msgpack.unpackb(
            head,
            raw=False,
            strict_map_key=True,
            ext_hook=_refuse_extension,
            max_str_len=256,
            max_bin_len=0,
            max_array_len=max(ATTRIBUTES_MAX, LIST_MAX),
            max_map_len=32,
            max_ext_len=0,
        )
        return msgspec.convert(plain, _Header, strict=True)
    except (ValueError, RecursionError, msgspec.ValidationError, msgpack.exceptions.UnpackException) as error:
        raise CheckpointError(f"The checkpoint's header is malformed: {_one_line(error)}.") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__


def _shapes(header: _Header) -> Iterator[Shape]:
    yield from header.outputs
    for _, value in header.solver:
        yield from (leaf for leaf in (value if isinstance(value, tuple) else (value,)) if isinstance(leaf, Shape))


def _check(header: _Header) -> None:
    facts = header.facts
    if facts.step > facts.total:
        raise CheckpointError(f"The checkpoint claims step {facts.step} of {facts.total}.")
    if not math.isfinite(facts.guidance):
        raise CheckpointError("The checkpoint's guidance is not a finite number.")
    if len(header.outputs) > header.output_count or (
        header.output_keys and len(header.output_keys) < header.output_count
    ):
        raise CheckpointError("The checkpoint's step results do not fit each other.")
    names = [name for name, _ in header.solver]
    if names != sorted(set(names)):
        # Another order would be other bytes, and another digest, of an equal checkpoint.
        raise CheckpointError("The checkpoint names its solver attributes twice or out of order.")
    for _, value in header.solver:
        for leaf in value if isinstance(value, tuple) else (value,):
            if isinstance(leaf, int | float) and not (math.isfinite(leaf) and abs(leaf) < 2**62):
                raise CheckpointError("The checkpoint's solver state holds a number that is not finite.")
    shapes = list(_shapes(header))
    if len(shapes) > TENSORS_MAX:
        raise CheckpointError(f"The checkpoint holds {len(shapes)} tensors; {TENSORS_MAX} are allowed.")
    for shape in (*shapes, *header.template.shapes):
        _check_shape(shape)


def _check_shape(shape: Shape) -> None:
    if shape.dtype not in ITEM_BYTES:
        raise CheckpointError(f"The checkpoint holds a tensor of unknown type {shape.dtype!r}.")
    if len(shape.sizes) != len(shape.strides) or len(shape.sizes) > DIMENSIONS_MAX:
        raise CheckpointError("The checkpoint holds a tensor whose strides do not fit its shape.")
    if shape.byte_count > TENSOR_BYTES_MAX:
        raise CheckpointError(
            f"The checkpoint holds a tensor of {shape.byte_count} bytes; {TENSOR_BYTES_MAX} are allowed."
        )
    expected = 1
    # Dense and without overlap: sorted by stride, each dimension begins where the smaller ones end.
    for stride, size in sorted((st, si) for st, si in zip(shape.strides, shape.sizes, strict=True) if si > 1):
        if stride != expected:
            raise CheckpointError("The checkpoint holds a tensor whose strides leave gaps or overlap.")
        expected *= size
