"""Who belongs to a cluster, as exact bytes: device ids, key binds, member certificates and revocations.

Everything signed is `domain || body`, where the domain string says what kind of statement it is (so that a signature
can never be passed off as another kind) and the body is kept and forwarded exactly as it was received: nobody signs
or verifies a re-encoding. Never here: making a signature or checking one (that is the host's, with its own library).
"""

import hashlib
from base64 import b32encode
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from peerd_protocol.bounds import CERTIFICATE_BYTES_MAX, CERTIFICATES_MAX, NAME_CHARS_MAX, NODE_ID_CHARS_MAX
from peerd_protocol.codec import unpack
from peerd_protocol.errors import FrameError, LocalError
from peerd_protocol.ids import NodeId

KEY_BIND_DOMAIN: Final = b"peerd key bind 1\0"
CERTIFICATE_DOMAIN: Final = b"peerd member certificate 1\0"
REVOCATION_DOMAIN: Final = b"peerd revocation 1\0"
CLUSTER_DOMAIN: Final = b"peerd cluster 1\0"
ROSTER_DOMAIN: Final = b"peerd roster 1\0"

ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
"""Base32 of RFC 4648: no 0, 1, 8 or 9, which are read as O, I and B."""
ID_BLOCK: Final = 13
"""SHA-256 is 52 base32 characters: four blocks of 13, each followed by its check character."""
ID_DASH: Final = 7
"""With check characters 56, shown as eight groups of seven."""

Role = Literal["ask", "execute", "lead"]
ALL_ROLES: Final[tuple[Role, ...]] = ("ask", "execute", "lead")

Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]


class Signed(msgspec.Struct, frozen=True, array_like=True):
    """A statement as it travels: the exact body, and the signature over its domain and that body."""

    body: Annotated[bytes, Meta(max_length=CERTIFICATE_BYTES_MAX)]
    signature: Signature


class MemberCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """The admin's word that a device belongs to a cluster. It never expires: a laptop from a drawer still fits.

    `key_bind` is the device's own signature over its CURVE key, so that an admin can't lend a device's name to
    somebody else's key. `serial` orders the certificates of one device: the greatest holds. `admin` says that the
    device keeps the cluster's root key, so that others can tell a person whom to ask.
    """

    cluster: Annotated[str, Meta(min_length=1, max_length=NODE_ID_CHARS_MAX)]
    device_key: Key
    curve_key: Key
    key_bind: Signature
    name: Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
    roles: Annotated[tuple[Role, ...], Meta(max_length=3)]
    serial: Annotated[int, Meta(ge=1, le=2**32)]
    admin: bool = False

    @property
    def node(self) -> NodeId:
        return device_id(self.device_key)


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """The admin's word that a device belongs to a cluster no more. It is for ever."""

    cluster: Annotated[str, Meta(min_length=1, max_length=NODE_ID_CHARS_MAX)]
    node: Annotated[str, Meta(min_length=1, max_length=NODE_ID_CHARS_MAX)]


# ---- device ids ------------------------------------------------------------------------------------------------


@lru_cache(CERTIFICATES_MAX)
def device_id(device_key: bytes) -> NodeId:
    """The identity of a device: base32 of SHA-256 of its Ed25519 public key, with check characters.

    Of the same few keys it is asked again and again: for every statement of a log three times.
    """
    digits = b32encode(hashlib.sha256(device_key).digest()).decode().rstrip("=")
    blocks = [digits[start : start + ID_BLOCK] for start in range(0, len(digits), ID_BLOCK)]
    checked = "".join(block + _check_character(block) for block in blocks)
    return NodeId("-".join(checked[start : start + ID_DASH] for start in range(0, len(checked), ID_DASH)))


def read_device_id(text: str) -> NodeId:
    """A device id as a person typed it: any case, with or without dashes and spaces. Raises LocalError on a typo."""
    plain = text.upper().replace("-", "").replace(" ", "").translate(str.maketrans("018", "OIB"))
    if len(plain) != 4 * (ID_BLOCK + 1) or any(character not in ALPHABET for character in plain):
        raise LocalError(f"{text!r} is not a device id: those have 56 letters and digits; copy it from `peerd peers`.")
    for start in range(0, len(plain), ID_BLOCK + 1):
        block, check = plain[start : start + ID_BLOCK], plain[start + ID_BLOCK]
        if _check_character(block) != check:
            raise LocalError(f"The device id {text!r} has a typing error near {block}; copy it from `peerd peers`.")
    return NodeId("-".join(plain[start : start + ID_DASH] for start in range(0, len(plain), ID_DASH)))


def _check_character(block: str) -> str:
    """Luhn's check over base32: finds every single wrong character and almost every swap of neighbours."""
    total = 0
    for place, character in enumerate(reversed(block)):
        value = ALPHABET.index(character) * (2 if place % 2 == 0 else 1)
        total += value // len(ALPHABET) + value % len(ALPHABET)
    return ALPHABET[-total % len(ALPHABET)]


def cluster_id(root_key: bytes) -> str:
    """The name of a cluster: 26 base32 characters of the hash of its root key, enough to be unique."""
    return b32encode(hashlib.sha256(CLUSTER_DOMAIN + root_key).digest()).decode()[:26]


# ---- what is signed ----------------------------------------------------------------------------------------------


def key_bind_bytes(device_key: bytes, curve_key: bytes) -> bytes:
    """What a device signs to bind its CURVE key to itself. Both keys have a fixed length, so nothing is ambiguous."""
    return KEY_BIND_DOMAIN + device_key + curve_key


def certificate_bytes(body: bytes) -> bytes:
    return CERTIFICATE_DOMAIN + body


def revocation_bytes(body: bytes) -> bytes:
    return REVOCATION_DOMAIN + body


# ---- bytes and back ----------------------------------------------------------------------------------------------

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def pack(value: msgspec.Struct) -> bytes:
    return msgspec.msgpack.encode(value)


def read_signed(data: bytes) -> Signed:
    return read(data, Signed, CERTIFICATE_BYTES_MAX)


def read(data: bytes, kind: type[_Struct], bytes_max: int) -> _Struct:
    """A typed value out of bytes that somebody else wrote. Raises FrameError."""
    if len(data) > bytes_max:
        raise FrameError(f"A {kind.__name__} has {len(data)} bytes; {bytes_max} are allowed.")
    try:
        return msgspec.convert(unpack(data, bytes_max), kind, builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError) as error:
        raise FrameError(f"These bytes are not a {kind.__name__}: {error}.") from error


def roster_digest(certificates: Iterable[bytes], revocations: Iterable[bytes]) -> bytes:
    """One digest over two sets, the same in whatever order they were learnt; it rides in every heartbeat."""
    total = hashlib.sha256(ROSTER_DOMAIN)
    for kind, proofs in ((b"c", certificates), (b"r", revocations)):
        for digest in sorted(hashlib.sha256(proof).digest() for proof in proofs):
            total.update(kind + digest)
    return total.digest()
