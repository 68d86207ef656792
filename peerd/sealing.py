"""Sealing what lies on disk: without the key nobody reads a prompt or a latent in it, or changes one unseen.

The place of each piece is sealed with it, so that no piece passes for another. Never here: the key's file
(`network.sealing_key`), or what is worth sealing.
"""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEY_BYTES: Final = 32
_MARK: Final = b"peerd sealed 1\0"
_NONCE_BYTES: Final = 12
"""Drawn at random: with one key, four billion pieces may be sealed before two nonces are likely to meet."""
_TAG_BYTES: Final = 16
OVERHEAD_BYTES: Final = len(_MARK) + _NONCE_BYTES + _TAG_BYTES


class Seal:
    """One key. Safe from several threads."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    def close(self, plain: bytes, place: str) -> bytes:
        """The sealed piece, `OVERHEAD_BYTES` longer."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _MARK + nonce + self._cipher.encrypt(nonce, plain, _MARK + place.encode())

    def open(self, sealed: bytes, place: str) -> bytes | None:
        """What was sealed for this place; None for anything else: another key's, another place's, damaged, or plain."""
        if not is_sealed(sealed):
            return None
        nonce, data = sealed[len(_MARK) : len(_MARK) + _NONCE_BYTES], sealed[len(_MARK) + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, data, _MARK + place.encode())
        except InvalidTag:
            return None


def is_sealed(data: bytes) -> bool:
    return data.startswith(_MARK) and len(data) >= OVERHEAD_BYTES
