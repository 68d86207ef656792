"""What travels between a person's program and the daemon as JSON, besides the desk's own values and the notices.

Bytes are base64 in JSON, as msgspec writes them. Never here: HTTP, or what is done with the values.
"""

import msgspec

from peerd.api.desk import Wish
from peerd.pairing_news import Joined, PairingFailed, TokenMade, WrongTry
from peerd_protocol.ids import NodeId, RequestId

BODY_BYTES_MAX = 512 * 1024
"""A plan of 32 wishes with prompts of 2,000 characters, four bytes each, and room for the rest."""
WISHES_MAX = 64
LINE_BYTES_MAX = 1024 * 1024
"""A notice carries a preview of at most a few hundred kilobytes in base64."""
QUIET_S = 5.0
"""An empty line goes out after this long without news, so that a client can tell a quiet daemon from a dead one."""
SILENCE_S_MAX = 30.0
"""A client gives up after this long without any line: six empty ones are missing."""
PAIRING_ANSWER_S_MAX = 120.0
"""How long a person may compare the check words; no answer is a no."""
INTERNAL_ERROR = "The daemon met an error of its own; its log says more. Nothing that was accepted is lost."


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    request: RequestId


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """How many kept checkpoints were removed."""

    count: int


class PlanAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    wishes: tuple[Wish, ...]


class InviteAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    minutes: float = 10.0
    guest: bool = False
    """Whoever is let in may ask for pictures and nothing else."""


class RevokeAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`device`: a member's name, its id, or the beginning of that."""

    device: str


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """Who was shut out, and how many members heard of it at once."""

    name: str
    id: NodeId
    told: int


class LeaveAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`abandon`: leave even though this node alone may let others in, or shut them out."""

    abandon: bool = False


class JoinAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    token: str


class Answered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's yes or no to the check words."""

    yes: bool


class Asking(msgspec.Struct, frozen=True, kw_only=True, tag="knocked", tag_field="is"):
    """The other side is there: compare `words`, then POST /v1/pairing/`id`. `name` is what it calls itself."""

    name: str
    words: str
    id: str


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """An error, as the body of a refused call or as the last line of a stream."""

    error: str


PairingLine = TokenMade | Asking | WrongTry | Joined | PairingFailed
