"""The header before every frame, and the rule that drops echoes: each frame counts once.

A sender draws a channel's name at random once per process and lane, and numbers its frames upwards for as long as it
lives, across reconnects. The first frame of every connection is a Hello. A receiver that hears a new name in a Hello
retires the old one for ever. So a frame that comes twice, late from a connection that was replaced, or from an
earlier life of its sender is dropped. A retired name that goes on to say new things, long after, is a second device
with the same keys. ZeroMQ loses frames silently at a reconnect; the gaps are counted here.
Never here: what a frame says.
"""

from collections import deque
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from peerd_protocol.errors import FrameError

_HEADER: Final = Struct(">16sQ")
HEADER_BYTES: Final = _HEADER.size
CHANNEL_NAME_BYTES: Final = 16
RETIRED_MAX: Final = 32
"""Names of earlier lives that are remembered; only their own authenticated sender could replay them."""


def pack_header(channel: bytes, number: int) -> bytes:
    return _HEADER.pack(channel, number)


def read_header(header: bytes | memoryview) -> tuple[bytes, int]:
    if len(header) != HEADER_BYTES:
        raise FrameError(f"The header has {len(header)} bytes; it must have {HEADER_BYTES}.")
    channel, number = _HEADER.unpack(header)
    return channel, number


@dataclass(slots=True)
class Hearing:
    """What a receiver has heard on one lane of one peer."""

    lost: int = 0
    """Frames that were sent and never came; who needed them asks again."""
    _channel: bytes = b""
    _last: int = 0
    _retired: deque[bytes] = field(default_factory=lambda: deque(maxlen=RETIRED_MAX))
    _last_of_retired: dict[bytes, int] = field(default_factory=dict)

    def accept(self, channel: bytes, number: int, is_hello: bool) -> bool:
        """Whether this frame counts."""
        if channel != self._channel:
            if not is_hello or channel in self._retired:
                return False
            if self._channel:
                self._retired.append(self._channel)
                self._last_of_retired = {name: self._last_of_retired.get(name, self._last) for name in self._retired}
            self._channel, self._last = channel, number
            return True
        if number <= self._last:
            return False
        self.lost += number - self._last - 1
        self._last = number
        return True

    def says_more(self, channel: bytes, number: int) -> bool:
        """Whether a retired name says something new. Soon after it was retired, that may only be late."""
        if number <= self._last_of_retired.get(channel, number):
            return False
        self._last_of_retired[channel] = number
        return True
