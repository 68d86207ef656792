"""The doors through which bytes of strangers, peers and old files become values, and what each may answer with.

A door takes bytes and either gives a value or raises what it says it raises; whatever else comes out is a bug. Where a
value has bytes of its own, it must also come back as the same value. Never here: who knocks (`campaign`, `child`).
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from peerd import audit_files, pictures
from peerd.engine import dialogue
from peerd.planning import calibration
from peerd.planning.similarity import decode_embedding
from peerd_protocol import audit, beacon, certificates, checkpoint, codec, pairing, receipts, sequence
from peerd_protocol.errors import PeerdError
from peerd_protocol.ids import NodeId
from tests.fuzzing import member, seeds
from tests.protocol.samples import COUNTERSIGNATURE, RECEIPT

SECRET: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Door:
    """`knock` must not raise, but for PeerdError; `seeds` are bytes that it lets in; longer than `bytes_max` is cut."""

    knock: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    bytes_max: int = 4_096

    def open(self, data: bytes) -> None:
        try:
            self.knock(data)
        except PeerdError as error:
            sentence = str(error)
            assert sentence.strip(), "a refusal says why"


def _message(data: bytes) -> None:
    message = codec.decode(data)
    assert codec.decode(codec.encode(message)) == message


def _joining(data: bytes) -> None:
    message = pairing.decode_join(data)
    assert pairing.decode_join(pairing.encode_join(message)) == message


def _token(data: bytes) -> None:
    token = pairing.read_token(data.decode("utf-8", "replace"))
    assert pairing.read_token(token.text()) == token


def _device_id(data: bytes) -> None:
    node = certificates.read_device_id(data.decode("utf-8", "replace"))
    assert certificates.read_device_id(node) == node


def _signed(kind: type[msgspec.Struct]) -> Callable[[bytes], None]:
    def knock(data: bytes) -> None:
        signed = certificates.read_signed(data)
        assert certificates.read_signed(certificates.pack(signed)) == signed
        certificates.read(signed.body, kind, len(signed.body))

    return knock


def _statement(data: bytes) -> None:
    """A receipt's body or a countersignature's; a signature stands before this door only for strangers."""
    for read in (receipts.read_work, receipts.read_acceptance):
        with contextlib.suppress(PeerdError):
            read(data)


def _log(data: bytes) -> None:
    audit.audit([audit_files.parse(data, "log")], lambda key, signature, statement: True)


def _checkpoint(data: bytes) -> None:
    """The digest at the end stands between the fuzzer and everything else, so it is put right first."""
    found = checkpoint.unpack(seeds.with_digest(data))
    assert checkpoint.unpack(checkpoint.pack(found)) == found


def _picture(data: bytes) -> None:
    picture = pictures.unpack(data)
    assert pictures.unpack(pictures.pack(picture)) == picture


def _beacon(data: bytes) -> None:
    """A TXT record as multicast brings it: keys and values of any bytes, some without a value."""
    fields = data.split(b"\0")
    record: dict[bytes, bytes | None] = {b"v": b"1"}
    for field in fields:
        key, equals, value = field.partition(b"=")
        record[key] = value if equals else None
    beacon.recognise(SECRET, [NodeId("ADA")], record, 7777)


DOORS: Final[dict[str, Door]] = {
    "message": Door(_message, seeds.FRAMES),
    "header": Door(sequence.read_header, (sequence.pack_header(bytes(16), 7),), 64),
    "joining": Door(_joining, seeds.JOINING),
    "token": Door(_token, seeds.TOKENS, 512),
    "device id": Door(_device_id, (seeds.DEVICE.encode(),), 256),
    "certificate": Door(_signed(certificates.MemberCertificate), seeds.CERTIFICATES),
    "revocation": Door(_signed(certificates.Revocation), seeds.REVOCATIONS),
    "statement": Door(_statement, (RECEIPT.body, COUNTERSIGNATURE.body), 2_048),
    "log": Door(_log, seeds.LOGS, 8_192),
    "checkpoint": Door(_checkpoint, seeds.CHECKPOINTS),
    "picture": Door(_picture, seeds.PICTURES),
    "beacon": Door(_beacon, seeds.BEACONS, 1_024),
    "embedding": Door(decode_embedding, (bytes(64),), 2_048),
    "calibration": Door(calibration.parse, seeds.CALIBRATIONS, 8_192),
    "engine": Door(dialogue.read_answer, seeds.ENGINE),
    "member": Door(member.knock, seeds.CONVERSATIONS, 8_192),
}
