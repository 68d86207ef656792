"""Whose fault an error is. Never here: what to print; the message passed in already says what to do next."""

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises of bytes that are not what they should be: text that is no UTF-8 is no error of msgspec's."""


class PeerdError(Exception):
    """Any error of ours. Its text is one sentence a person can act on."""


class LocalError(PeerdError):
    """The caller asked for something this node may not or can not do."""


class RemoteError(PeerdError):
    """A peer sent something that the protocol forbids; the peer is at fault and its frame is dropped."""


class FrameError(RemoteError):
    """A frame that is too large, malformed, or not of the protocol's types."""


class CheckpointError(RemoteError):
    """A checkpoint that is damaged, or does not fit the call it is to continue."""


class EngineError(PeerdError):
    """The engine could not do its work: it died, ran out of memory, or refused the call."""
