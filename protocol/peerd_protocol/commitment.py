"""One digest that stands for the latent after each of many steps, so that each can be shown later and checked.

    latent after step n -> its digest          digests of steps first + 1 .. last -> Merkle tree hash, as in RFC 6962

Whoever runs the steps keeps the digests and signs their tree hash; a later replay of any step is held against its
digest. Latents themselves stay where they are. Never here: running a step, or whose steps they were (`receipts`).
"""

import hashlib
from collections.abc import Sequence
from typing import Final

STEP_DOMAIN: Final = b"peerd latent 1\0"
HASH_BYTES: Final = 32
"""SHA-256, here and in all logs."""

_LEAF, _NODE = b"\0", b"\1"
"""As in RFC 6962: no leaf can be passed off as a node."""


def step_digest(step: int, latent: bytes | memoryview) -> bytes:
    """Of the latent after so many steps: its numbers, little endian, row by row, whatever their order in memory."""
    hashed = hashlib.sha256(STEP_DOMAIN + step.to_bytes(4, "little"))
    hashed.update(latent)
    return hashed.digest()


def tree_hash(digests: Sequence[bytes]) -> bytes:
    """The Merkle tree hash over the digests, in their order."""
    if len(digests) <= 1:
        return hashlib.sha256(b"".join(_LEAF + digest for digest in digests)).digest()
    left = 1 << (len(digests) - 1).bit_length() - 1  # the largest power of two that leaves something on the right
    return hashlib.sha256(_NODE + tree_hash(digests[:left]) + tree_hash(digests[left:])).digest()


def split(packed: bytes) -> list[bytes]:
    """Digests that lie one after the other; a rest that is none stays as it is."""
    return [packed[start : start + HASH_BYTES] for start in range(0, len(packed), HASH_BYTES)]
