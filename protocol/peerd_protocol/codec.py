"""Messages as bytes and back: the only door through which a peer's bytes become values.

A frame is one msgpack map; the tag `is` names the message. Decoding goes through three gates, each cheaper to pass
than the next: size, msgpack with every length capped, types, and at last the bounds of `bounds`. Unknown fields are
ignored so that a newer peer can say more. Never here: sockets, keys, or what a message leads to.
"""

from typing import Any, Final

import msgpack
import msgspec

from peerd_protocol import bounds
from peerd_protocol.errors import FrameError, LocalError
from peerd_protocol.limits import readable
from peerd_protocol.messages import (
    Answer,
    AnyFrame,
    BeginningFailed,
    Bereft,
    GroupEnded,
    HandoffDone,
    PlanTold,
    RequestFailed,
)

CONTROL_BYTES_MAX: Final = 1024 * 1024
"""A plan whose 32 prompts are 2,000 three-byte characters each, or a roster of 2 x 256 certificates: both fit."""
BULK_BYTES_MAX: Final = bounds.CHUNK_BYTES_MAX + 4 * 1024
"""A chunk and the map around it; a handoff's id takes at most 1 KiB in UTF-8."""
TEXT_BYTES_MAX: Final = 4 * 2_000
"""The longest text is a prompt of 2,000 characters, and a character takes at most four bytes."""
ENTRIES_MAX: Final = bounds.CERTIFICATES_MAX
"""The longest list is a roster's. Without the cap, 1 MiB of lying array headers took 44 MiB to decode; with it, 2."""
FIELDS_MAX: Final = 64
"""No struct has more than 20 fields; a newer peer's may have some more."""
CONTAINERS_MAX: Final = 1_024
"""A plan for 32 members holds about 100 maps and lists. An empty map takes one byte on the wire and 64 in memory, so
without this cap the other ones still allowed 1 MiB of frame to take 65 MiB."""


def encode(message: AnyFrame) -> bytes:
    """The bytes of `message`. Raises LocalError if no peer would accept it."""
    message = _clip_reasons(message)
    try:
        bounds.check(message)
        frame = msgspec.msgpack.encode(message)
    except (FrameError, OverflowError) as error:
        raise LocalError(f"This {type(message).__name__} can not be sent. {error}") from error
    if len(frame) > CONTROL_BYTES_MAX:
        raise LocalError(f"This {type(message).__name__} takes {len(frame)} bytes; {CONTROL_BYTES_MAX} are allowed.")
    return frame


def decode(frame: bytes | memoryview, bytes_max: int = CONTROL_BYTES_MAX) -> AnyFrame:
    """The message in `frame`. Raises FrameError, with one sentence, for anything that is not exactly one message."""
    if len(frame) > bytes_max:
        raise FrameError(f"The frame has {len(frame)} bytes; {bytes_max} are allowed.")
    plain = unpack(frame, bounds.CHUNK_BYTES_MAX)
    try:
        message: AnyFrame = msgspec.convert(plain, AnyFrame, builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError) as error:
        raise FrameError(f"The frame is not a message of this protocol: {error}.") from error
    bounds.check(message)
    return message


def unpack(frame: bytes | memoryview, blob_bytes_max: int) -> Any:
    """Plain values out of msgpack, with every length capped, no extension types, and exactly one value."""
    count = _CountContainers()
    try:
        return msgpack.unpackb(
            frame,
            raw=False,
            strict_map_key=True,
            ext_hook=_refuse_extension,
            list_hook=count,
            object_hook=count,
            max_str_len=TEXT_BYTES_MAX,
            max_bin_len=blob_bytes_max,
            max_array_len=ENTRIES_MAX,
            max_map_len=FIELDS_MAX,
            max_ext_len=0,
        )
    except FrameError:
        raise
    except (ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise FrameError(f"The frame is not msgpack as this protocol allows it ({type(error).__name__}).") from error


class _CountContainers:
    """Sees every map and list as it closes, and refuses one too many."""

    def __init__(self) -> None:
        self._left = CONTAINERS_MAX

    def __call__(self, container: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise FrameError(f"The frame holds more than {CONTAINERS_MAX} lists and maps.")
        return container


def _refuse_extension(code: int, data: bytes) -> Any:
    raise FrameError(f"The frame holds an extension type ({code}); the protocol has none.")


def _clip_reasons(message: AnyFrame) -> AnyFrame:
    """A reason may come from an exception of any length and many lines; clipping loses less than not saying it."""
    match message:
        case Answer() | GroupEnded() | BeginningFailed() | RequestFailed() | HandoffDone() | Bereft():
            return msgspec.structs.replace(message, reason=_clip(message.reason))
        case PlanTold(plan=plan):
            return PlanTold(plan=msgspec.structs.replace(plan, reason=_clip(plan.reason)))
        case _:
            return message


def _clip(reason: str) -> str:
    """What may be said goes out as it is; the rest as one readable line."""
    said = reason if reason.isprintable() else readable(" ".join(reason.split()))
    return said if len(said) <= bounds.REASON_CHARS_MAX else said[: bounds.REASON_CHARS_MAX - 1] + "…"
