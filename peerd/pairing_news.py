"""What people hear while a device is let in, on either side. The network tells it, the API carries it.

Never here: how pairing works (`network/pairing.py`), or how news are shown.
"""

from collections.abc import Awaitable, Callable

import msgspec

from peerd_protocol.ids import NodeId


class TokenMade(msgspec.Struct, frozen=True, kw_only=True, tag="token", tag_field="is"):
    token: str
    minutes: float


class Knocked(msgspec.Struct, frozen=True, kw_only=True, tag="knocked", tag_field="is"):
    """The other side is there; both people compare `words` and say yes or no. `name` is what it calls itself."""

    name: str
    words: str


class WrongTry(msgspec.Struct, frozen=True, kw_only=True, tag="wrong_try", tag_field="is"):
    """Somebody knocked without the token's secret; after `allowed` of them the window closes."""

    number: int
    allowed: int


class Joined(msgspec.Struct, frozen=True, kw_only=True, tag="joined", tag_field="is"):
    name: str
    id: NodeId


class PairingFailed(msgspec.Struct, frozen=True, kw_only=True, tag="failed", tag_field="is"):
    reason: str


PairingNews = TokenMade | Knocked | WrongTry | Joined | PairingFailed
Approve = Callable[[Knocked], Awaitable[bool]]
