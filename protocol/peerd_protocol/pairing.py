"""How a device is let into a cluster: the token, what both sides say, what each proves, and the words people compare.

    joiner                                     inviter
      | -- JoinRequest (proves the secret) ----> |   three wrong ones close the window
      | <- JoinOffer (proves the secret too) --- |
      | -- JoinReveal (opens its commitment) --> |   now both have the same transcript, and show its words
      | -- JoinConfirm (its person said yes) --> |
      | <- JoinGrant ---------------------------- |  when its own person said yes; or JoinRefused, at any point

The token names the inviter's one-time CURVE key, which encrypts all of this; the 128-bit secret is for a single use.
Every proof covers both sides' keys, so nothing can be moved into another pairing.

The joiner commits to its nonce before it sees the inviter's, and reveals it after. Somebody who has the token and sits
between the two could otherwise try four billion nonces of its own, a second's work, until both sides show the same
words; so it has one guess, and is seen. Never here: sockets, time, people.
"""

import hashlib
import hmac
import ipaddress
from base64 import b32decode, b32encode
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from peerd_protocol.bounds import CERTIFICATE_BYTES_MAX, CERTIFICATES_MAX, NAME_CHARS_MAX, PORT_MAX, REASON_CHARS_MAX
from peerd_protocol.certificates import Key, Signature
from peerd_protocol.codec import unpack
from peerd_protocol.errors import FrameError, LocalError
from peerd_protocol.words import words_of

PAIRING_VERSION: Final = 2
"""1 had no commitment, so that its words could be made to agree."""
SECRET_BYTES: Final = 16
NONCE_BYTES: Final = 16
CHECK_BYTES: Final = 3
"""A token with a typing error is told from a wrong one, but for one in 16 million."""
HOSTS_MAX: Final = 8
WORDS_SHOWN: Final = 4
"""32 bits: the secret already keeps strangers out, the words catch a token that went to the wrong person."""
JOIN_BYTES_MAX: Final = 1024 * 1024
"""A grant carries the roster; see the codec's bound of a control frame."""

Nonce = Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
Proof = Annotated[bytes, Meta(min_length=32, max_length=32)]
Name = Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
Port = Annotated[int, Meta(ge=1, le=PORT_MAX)]
Signed = Annotated[
    tuple[Annotated[bytes, Meta(max_length=CERTIFICATE_BYTES_MAX)], ...], Meta(max_length=CERTIFICATES_MAX)
]
Host = Annotated[str, Meta(min_length=1, max_length=64)]


class JoinMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="is"):
    pass


class JoinRequest(JoinMessage, frozen=True, kw_only=True, tag="join_request"):
    """The joiner's keys and name, and the port where it waits for the answer."""

    version: int
    device_key: Key
    curve_key: Key
    key_bind: Signature
    name: Name
    commitment: Proof
    """To the nonce that its JoinReveal brings."""
    reply_port: Port
    proof: Proof


class JoinOffer(JoinMessage, frozen=True, kw_only=True, tag="join_offer"):
    """The inviter's key and name, and the root key of its cluster."""

    device_key: Key
    root_key: Key
    name: Name
    nonce: Nonce
    proof: Proof


class JoinReveal(JoinMessage, frozen=True, kw_only=True, tag="join_reveal"):
    """The joiner's nonce, once the inviter's is known."""

    nonce: Nonce


class JoinConfirm(JoinMessage, frozen=True, kw_only=True, tag="join_confirm"):
    """Whether the joiner's person said yes."""

    yes: bool
    proof: Proof


class JoinGrant(JoinMessage, frozen=True, kw_only=True, tag="join_grant"):
    """The cluster: its roster with the joiner's own certificate, its discovery secret, and the inviter's addresses."""

    certificates: Signed
    revocations: Signed
    discovery_secret: Key
    hosts: Annotated[tuple[Host, ...], Meta(max_length=HOSTS_MAX)]
    port: Port


class JoinRefused(JoinMessage, frozen=True, kw_only=True, tag="join_refused"):
    reason: Annotated[str, Meta(max_length=REASON_CHARS_MAX)]


AnyJoinMessage = JoinRequest | JoinOffer | JoinReveal | JoinConfirm | JoinGrant | JoinRefused


def encode_join(message: AnyJoinMessage) -> bytes:
    return msgspec.msgpack.encode(message)


def decode_join(frame: bytes | memoryview) -> AnyJoinMessage:
    """Raises FrameError for anything that is not exactly one of these messages."""
    if len(frame) > JOIN_BYTES_MAX:
        raise FrameError(f"The frame has {len(frame)} bytes; {JOIN_BYTES_MAX} are allowed.")
    try:
        message: AnyJoinMessage = msgspec.convert(
            unpack(frame, CERTIFICATE_BYTES_MAX), AnyJoinMessage, builtin_types=(bytes,)
        )
    except (msgspec.ValidationError, RecursionError) as error:
        raise FrameError(f"The frame does not belong to pairing: {error}.") from error
    match message:
        case JoinRequest(name=text) | JoinOffer(name=text) | JoinRefused(reason=text):
            if not text.isprintable():
                raise FrameError("A name or a reason holds characters that could deceive whoever reads it.")
        case _:
            pass
    return message


# ---- the token ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Token:
    """What the inviter's person carries to the joiner. It holds a secret: never log it."""

    join_key: bytes
    secret: bytes = field(repr=False)
    hosts: tuple[str, ...]
    port: int

    def text(self) -> str:
        """Base32, so that it survives being read aloud, typed, or drawn as a compact QR code."""
        hosts = [ipaddress.ip_address(host).packed for host in self.hosts[:HOSTS_MAX]]
        body = bytes([PAIRING_VERSION]) + self.join_key + self.secret + self.port.to_bytes(2, "big")
        body += bytes([len(hosts)]) + b"".join(bytes([len(host)]) + host for host in hosts)
        return b32encode(body + _check(body)).decode().rstrip("=")


def read_token(text: str) -> Token:
    """The token in `text`, in any case, with spaces or dashes. Raises LocalError with what to do."""
    plain = "".join(text.split()).replace("-", "").upper().translate(str.maketrans("018", "OIB"))
    try:
        data = b32decode(plain + "=" * (-len(plain) % 8))
    except ValueError:
        data = b""
    body, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
    if len(body) < 52 or _check(body) != check:
        raise LocalError("This is not a whole token: copy it again from `peerd invite`, all on one line.")
    if body[0] != PAIRING_VERSION:
        raise LocalError(
            f"This token speaks version {body[0]} of pairing, this peerd {PAIRING_VERSION}: update the older one."
        )
    hosts: list[str] = []
    rest = body[52:]
    try:
        for _ in range(min(body[51], HOSTS_MAX)):
            length = rest[0]
            hosts.append(str(ipaddress.ip_address(rest[1 : 1 + length])))
            rest = rest[1 + length :]
    except (IndexError, ValueError) as error:
        raise LocalError("This token is damaged: ask for a new one with `peerd invite`.") from error
    return Token(body[1:33], body[33:49], tuple(hosts), int.from_bytes(body[49:51], "big"))


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"peerd token 1\0" + body).digest()[:CHECK_BYTES]


# ---- what is proved ----------------------------------------------------------------------------------------------


def request_proof(token: Token, request: JoinRequest) -> bytes:
    return _mac(token.secret, b"peerd join request 2", _request_digest(token, request))


def commitment(nonce: bytes) -> bytes:
    """What the joiner says of its nonce before it says the nonce."""
    return _digest(b"peerd join commitment 2", nonce)


def introduction(token: Token, request: JoinRequest, offer: JoinOffer) -> bytes:
    """One digest over everything that both sides have said of themselves before the joiner reveals its nonce."""
    parts = (_request_digest(token, request), offer.device_key, offer.root_key, offer.name.encode(), offer.nonce)
    return _digest(b"peerd join introduction 2", *parts)


def transcript(introduced: bytes, nonce: bytes) -> bytes:
    """The whole, which nobody could steer: each side's nonce was fixed before it knew the other's."""
    return _digest(b"peerd join transcript 2", introduced, nonce)


def offer_proof(token: Token, introduced: bytes) -> bytes:
    return _mac(token.secret, b"peerd join offer 2", introduced)


def confirm_proof(token: Token, said: bytes, yes: bool) -> bytes:
    return _mac(token.secret, b"peerd join confirm 2", said, b"yes" if yes else b"no")


def check_words(said: bytes) -> str:
    """What both people compare."""
    return words_of(_digest(b"peerd join words 2", said), WORDS_SHOWN)


def proves(given: bytes, wanted: bytes) -> bool:
    return hmac.compare_digest(given, wanted)


def _request_digest(token: Token, request: JoinRequest) -> bytes:
    return _digest(
        b"peerd join request 2",
        token.join_key,
        request.version.to_bytes(8, "big", signed=True),
        request.device_key,
        request.curve_key,
        request.key_bind,
        request.name.encode(),
        request.commitment,
        request.reply_port.to_bytes(2, "big"),
    )


def _digest(domain: bytes, *parts: bytes) -> bytes:
    """Each part with its length before it, so that no two lists of parts give the same bytes."""
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in (domain, *parts))).digest()


def _mac(secret: bytes, domain: bytes, *parts: bytes) -> bytes:
    return hmac.new(secret, _digest(domain, *parts), hashlib.sha256).digest()
