"""What the daemon and its engine child say to each other: frozen messages in length-framed msgpack.

Both ends are the same installation, so there are no versions here; both still check every frame. Never here: a socket
that is not handed in, torch, or what a message leads to.
"""

import socket

import msgspec

from peerd.engine.port import Look
from peerd_protocol.checkpoint import CHECKPOINT_BYTES_MAX
from peerd_protocol.errors import UNREADABLE, FrameError
from peerd_protocol.plan import Call, Leave

FRAME_BYTES_MAX = CHECKPOINT_BYTES_MAX + 64 * 1024
"""A frame carries at most one checkpoint, or one picture, which is smaller."""
LENGTH_BYTES = 4


class Run(msgspec.Struct, frozen=True, tag=True):
    """Carry out one order with the model in `folder`."""

    number: int
    folder: str
    call: Call
    start: bytes | None
    stop: int | None
    checkpoint_every: int
    previews: bool
    hide_prompt: bool = False
    leaves: tuple[Leave, ...] = ()
    probe: tuple[Look, ...] = ()
    blend: tuple[str, ...] = ()
    resumes: bool = False
    spare_s: float = 0.0

    @property
    def model(self) -> str:
        """The digest of the model that is meant."""
        return self.call.model


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Load the model in `folder`, so that the next order finds it warm."""

    number: int
    folder: str
    model: str


class Embed(msgspec.Struct, frozen=True, tag=True):
    """Embed these prompts with the text encoder of the model in `folder`."""

    number: int
    folder: str
    model: str
    prompts: tuple[str, ...]


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Time two real denoiser calls of this call's shape."""

    number: int
    folder: str
    call: Call

    @property
    def model(self) -> str:
        """The digest of the model that is meant."""
        return self.call.model


class Compare(msgspec.Struct, frozen=True, tag=True):
    """Find how long the call's prompt and another may share a beginning."""

    number: int
    folder: str
    call: Call
    other: str

    @property
    def model(self) -> str:
        """The digest of the model that is meant."""
        return self.call.model


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Nobody waits for this order any more."""

    number: int


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """This model is in memory; the answer to Prepare, and said once before the first other answer."""

    number: int
    seconds: float
    model: str


class Unloaded(msgspec.Struct, frozen=True, tag=True):
    """No model is in memory any more, since another is loaded now."""

    number: int


class Step(msgspec.Struct, frozen=True, tag=True):
    """One scheduler step is done."""

    number: int
    step: int
    total: int
    seconds: float
    preview: bytes
    preview_side: int
    denoiser_calls: int
    digest: bytes = b""


class Save(msgspec.Struct, frozen=True, tag=True):
    """A checkpoint on the way, and whose leaf it is."""

    number: int
    step: int
    data: bytes
    names: tuple[str, ...] = ()


class Picture(msgspec.Struct, frozen=True, tag=True):
    """The order ended in a picture."""

    number: int
    width: int
    height: int
    rgb: bytes
    denoiser_calls: int
    exact: bool


class Halt(msgspec.Struct, frozen=True, tag=True):
    """The order ended at its stop step, or with its last leaf."""

    number: int
    denoiser_calls: int
    probe_calls: float = 0.0


class Embedded(msgspec.Struct, frozen=True, tag=True):
    """Embeddings as float16 bytes, one a prompt."""

    number: int
    vectors: tuple[bytes, ...]


class Measured(msgspec.Struct, frozen=True, tag=True):
    """Denoiser calls a second."""

    number: int
    calls_per_second: float


class Compared(msgspec.Struct, frozen=True, tag=True):
    """For the call's prompt and the other: its last harmless shared step, and what a probe saw at each look."""

    number: int
    largest: tuple[int, int]
    differences: tuple[tuple[float, ...], tuple[float, ...]]
    denoiser_calls: float


class AtWork(msgspec.Struct, frozen=True, tag=True):
    """A sign of life from a command that has nothing else to say for long; nobody else hears of it."""

    number: int


class Gone(msgspec.Struct, frozen=True, tag=True):
    """The order was cancelled and has ended."""

    number: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The order ended in an error; `checkpoint` says that the checkpoint is at fault."""

    number: int
    text: str
    checkpoint: bool = False


Order = Run | Prepare | Embed | Measure | Compare
Command = Order | Cancel
Answer = Loaded | Unloaded | Step | Save | Picture | Halt | Embedded | Measured | Compared | AtWork | Gone | Refused

_encoder = msgspec.msgpack.Encoder()
_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def frame(message: Command | Answer) -> bytes:
    """The message as it goes over the socket."""
    body = _encoder.encode(message)
    if len(body) > FRAME_BYTES_MAX:
        raise FrameError(f"A message to or from the engine takes {len(body)} bytes; {FRAME_BYTES_MAX} are allowed.")
    return len(body).to_bytes(LENGTH_BYTES, "little") + body


def frame_length(head: bytes) -> int:
    """The body's length that this head announces."""
    length = int.from_bytes(head, "little")
    if length > FRAME_BYTES_MAX:
        raise FrameError(f"The engine's socket announces a frame of {length} bytes; it is out of step.")
    return length


def read_answer(body: bytes) -> Answer:
    """The answer in a frame's body."""
    try:
        return _answers.decode(body)
    except UNREADABLE as error:
        raise FrameError(f"The engine said something that is no answer: {error}.") from None


def receive_command(wire: socket.socket) -> Command | None:
    """The next command, waiting for it; None when the daemon is gone."""
    head = _receive(wire, LENGTH_BYTES)
    body = None if head is None else _receive(wire, frame_length(head))
    return None if body is None else _commands.decode(body)


def _receive(wire: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        chunk = wire.recv(min(count - len(parts), 1 << 20))
        if not chunk:
            return None
        parts += chunk
    return bytes(parts)
