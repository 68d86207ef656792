"""Who this device is: an Ed25519 key that names it, and a CURVE key that its channels use.

The two are apart so that the key on the wire can change while the device stays the same; a signed key bind ties them.
Here keys are made, kept and used. Never here: who is trusted (`roster`), and no secret ever leaves in a repr or a log.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import zmq
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from zmq.utils import z85

from peerd.network.secret_files import damaged, ensure_private_folder, read_secret, write_secret
from peerd_protocol.certificates import Key, device_id, key_bind_bytes, read
from peerd_protocol.errors import FrameError
from peerd_protocol.ids import NodeId

FILE_NAME: Final = "identity.key"
_KIND: Final = "identity"


class _Kept(msgspec.Struct, frozen=True):
    """The file's body."""

    device_secret: Key
    curve_public: Key
    curve_secret: Key


@dataclass(frozen=True, slots=True)
class Identity:
    """This device's keys."""

    node: NodeId
    device_key: bytes
    """The public Ed25519 key."""
    curve_key: bytes
    """The public CURVE key."""
    curve_secret: bytes = field(repr=False)
    _device: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def load_or_make(cls, folder: Path) -> "Identity":
        """The identity in `folder`; on the first start a new one. Raises LocalError if it is open or damaged."""
        ensure_private_folder(folder)
        path = folder / FILE_NAME
        body = read_secret(path, _KIND)
        if body is None:
            return cls._make(path)
        try:
            kept = read(body, _Kept, 1_024)
        except FrameError as error:
            raise damaged(path) from error
        return cls._from(kept)

    @classmethod
    def _make(cls, path: Path) -> "Identity":
        curve_public, curve_secret = new_curve_keys()
        kept = _Kept(Ed25519PrivateKey.generate().private_bytes_raw(), curve_public, curve_secret)
        write_secret(path, _KIND, msgspec.msgpack.encode(kept))
        return cls._from(kept)

    @classmethod
    def _from(cls, kept: _Kept) -> "Identity":
        device = Ed25519PrivateKey.from_private_bytes(kept.device_secret)
        public = device.public_key().public_bytes_raw()
        return cls(device_id(public), public, kept.curve_public, kept.curve_secret, device)

    @property
    def key_bind(self) -> bytes:
        """This device's signature over its CURVE key."""
        return self.sign(key_bind_bytes(self.device_key, self.curve_key))

    def sign(self, statement: bytes) -> bytes:
        """Sign bytes that open with their domain string."""
        return self._device.sign(statement)


def new_curve_keys() -> tuple[bytes, bytes]:
    """A fresh CURVE pair, public and secret, 32 bytes each."""
    public, secret = zmq.curve_keypair()
    return z85.decode(public), z85.decode(secret)


def signed_by(public_key: bytes, signature: bytes, statement: bytes) -> bool:
    """Whether the holder of the Ed25519 key signed exactly these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, statement)
    except (InvalidSignature, ValueError):
        return False
    return True
