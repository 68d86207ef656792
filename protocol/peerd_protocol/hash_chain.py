"""The log of what a node gave and got, as a chain of hashes: each entry names the one before by its hash.

    first hash (of the device's id) <- entry 0 <- entry 1 <- entry 2 ...

Whoever changes, drops or adds an entry changes the hash of every later one, and later ones are in statements that
others hold. The oldest part may be dropped: the first entry that is kept still names the hash of what went before.
Never here: where a log is kept, what a statement says (`receipts`), or how logs are held against each other (`audit`).
"""

import hashlib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from peerd_protocol.bounds import COUNTER_MAX
from peerd_protocol.commitment import HASH_BYTES
from peerd_protocol.ids import NodeId

LOG_DOMAIN: Final = b"peerd log 1\0"
ENTRY_DOMAIN: Final = b"peerd log entry 1\0"

Hash = Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
Index = Annotated[int, Meta(ge=0, le=COUNTER_MAX)]

Kind = Literal["gave", "got", "answered"]
_KINDS: Final[dict[Kind, bytes]] = {"gave": b"\1", "got": b"\2", "answered": b"\3"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a log: the exact `body` of a statement and its signer's `signature`.

    "gave": this node's own receipt; `steps` are the digests of the latents after each of its steps. "got": a receipt of
    another, with this node's countersignature (`answer`, `answer_signature`). "answered": another's countersignature
    of a receipt that this node gave.
    """

    index: Index
    previous: Hash
    kind: Kind
    body: bytes
    signature: bytes
    answer: bytes = b""
    answer_signature: bytes = b""
    steps: bytes = b""

    @property
    def hash(self) -> bytes:
        return entry_hash(self.index, self.previous, self.kind, hashlib.sha256(self.body).digest())


def first_hash(device: NodeId) -> bytes:
    """What entry 0 names as the one before: each device has one log, from one beginning, for all its life."""
    return hashlib.sha256(LOG_DOMAIN + device.encode()).digest()


def entry_hash(index: int, previous: bytes, kind: Kind, statement: bytes) -> bytes:
    """`statement` is the SHA-256 of the statement's body. Every part has a fixed length, so nothing is ambiguous."""
    return hashlib.sha256(ENTRY_DOMAIN + index.to_bytes(8, "little") + previous + _KINDS[kind] + statement).digest()
