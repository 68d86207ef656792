"""Bytes that each door lets in: what the fuzzer begins with. Never here: a door."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from peerd import audit_files, pictures
from peerd.engine import dialogue
from peerd.engine.model_folder import CALIBRATION_FILE, EMBEDDED_FOLDER
from peerd_protocol import beacon, certificates, checkpoint, codec, pairing
from peerd_protocol.certificates import ALL_ROLES, MemberCertificate, Revocation, Signed
from peerd_protocol.checkpoint import Checkpoint, Facts, Random, Shape, Template, Tensor
from tests.fuzzing.member import conversation
from tests.protocol.samples import ADA, GIVER, SAMPLES, TAKER

KEY: Final = bytes(range(32))
DEVICE: Final = certificates.device_id(KEY)

FRAMES: Final = tuple(codec.encode(message) for message in SAMPLES)
CONVERSATIONS: Final = (*map(conversation, FRAMES), conversation(*FRAMES[:6]), conversation(*FRAMES[-12:]))

TOKEN: Final = pairing.Token(KEY, bytes(16), ("192.168.1.7", "fe80::1"), 7777)
TOKENS: Final = (TOKEN.text().encode(), pairing.Token(KEY, bytes(16), (), 1).text().encode())
_REQUEST: Final = pairing.JoinRequest(
    version=2,
    device_key=KEY,
    curve_key=KEY,
    key_bind=KEY + KEY,
    name="ada",
    commitment=KEY,
    reply_port=7777,
    proof=KEY,
)
JOINING: Final = tuple(
    map(
        pairing.encode_join,
        (
            _REQUEST,
            pairing.JoinOffer(device_key=KEY, root_key=KEY, name="bob", nonce=bytes(16), proof=KEY),
            pairing.JoinReveal(nonce=bytes(16)),
            pairing.JoinConfirm(yes=True, proof=KEY),
            pairing.JoinGrant(
                certificates=(b"c",), revocations=(b"r",), discovery_secret=KEY, hosts=("10.0.0.1",), port=1
            ),
            pairing.JoinRefused(reason="no"),
        ),
    )
)


def _signed(statement: msgspec.Struct) -> bytes:
    return certificates.pack(Signed(certificates.pack(statement), KEY + KEY))


CERTIFICATES: Final = (
    _signed(
        MemberCertificate(
            cluster="C" * 26, device_key=KEY, curve_key=KEY, key_bind=KEY + KEY, name="ada", roles=ALL_ROLES, serial=1
        )
    ),
)
REVOCATIONS: Final = (_signed(Revocation(cluster="C" * 26, node=DEVICE)),)

LOGS: Final = tuple(audit_files.pack(keeper.log) for keeper in (GIVER, TAKER))

_SHAPE: Final = Shape(dtype="float32", sizes=(1, 2, 2), strides=(4, 2, 1))
_TENSOR: Final = Tensor(shape=_SHAPE, data=bytes(16))
_CHECKPOINT: Final = Checkpoint(
    facts=Facts(
        step=5, total=11, model="m", call="0" * 64, prompt="", scheduler="1" * 64, guidance=3.0, width=64, height=64,
        seed=41, dtype="float32", threads=1, device="cpu avx2", software="torch 2", noise="torch-cpu",
    ),
    outputs=(_TENSOR,), output_keys=("prev_sample",), output_count=1, template=Template(shapes=(_SHAPE,)),
    solver=(("model_outputs", (_TENSOR, None)), ("step_index", 5)),
    generator=Random(start=bytes(8), at_step=bytes(8)),
)  # fmt: skip


def with_digest(body: bytes) -> bytes:
    """The body of a checkpoint with the digest that it needs."""
    return body + hashlib.sha256(body).digest()


CHECKPOINTS: Final = (checkpoint.pack(_CHECKPOINT)[: -hashlib.sha256().digest_size],)

_PICTURE: Final = pictures.Picture(width=2, height=2, rgb=bytes(12), seed=41, denoiser_calls=11, exact=True)
PICTURES: Final = (
    pictures.pack(_PICTURE),
    pictures.pack(msgspec.structs.replace(_PICTURE, width=16, height=16, rgb=bytes(768))),
)

BEACONS: Final = (
    b"\0".join(
        f"{key}={value}".encode()
        for key, value in beacon.beacon(bytes(32), bytes(16), ADA, ("10.0.0.1",), 7777).items()
    ),
)
CALIBRATIONS: Final = (Path(EMBEDDED_FOLDER / CALIBRATION_FILE).read_bytes(),)

ENGINE: Final = tuple(
    dialogue.frame(answer)[dialogue.LENGTH_BYTES :]
    for answer in (
        dialogue.Loaded(1, 0.5, "m"),
        dialogue.Halt(1, 5, 0.5),
        dialogue.Refused(1, "no", checkpoint=True),
        dialogue.Picture(1, 2, 2, bytes(12), 11, True),
        dialogue.Embedded(1, (bytes(4),)),
    )
)
