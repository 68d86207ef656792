"""The names of things: nodes, boots, requests, groups, terms.

Here live the small values that every message is built from, and how terms are ordered. Never here: how a
name is made (that needs randomness or a key) or what it allows.
"""

from typing import NewType

import msgspec

NodeId = NewType("NodeId", str)
"""A device's identity: base32 of SHA-256 of its Ed25519 public key, with check characters."""

BootNonce = NewType("BootNonce", str)
"""Random hex drawn anew at every start of a node; tells a restart from a clone."""

RequestId = NewType("RequestId", str)
GroupId = NewType("GroupId", str)
HandoffId = NewType("HandoffId", str)


class Term(msgspec.Struct, frozen=True, order=True, array_like=True):
    """The number of one leadership. Greater terms fence lesser ones; the counter decides first.

    The claimant's boot nonce is part of it, so a term is claimed once for ever, even by a node that lost its store.
    """

    counter: int
    leader: NodeId
    boot: BootNonce


class Attempt(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One try at a group's shared steps, ordered by the term that planned it and then by its number."""

    term: Term
    number: int
