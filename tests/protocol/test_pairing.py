"""What pairing proves, without a socket: every field is covered, and nobody can steer the words that people compare."""

from typing import Any

import msgspec
import pytest

from peerd_protocol.errors import FrameError, LocalError
from peerd_protocol.limits import readable
from peerd_protocol.pairing import (
    PAIRING_VERSION,
    JoinOffer,
    JoinRequest,
    JoinReveal,
    Token,
    check_words,
    commitment,
    confirm_proof,
    decode_join,
    encode_join,
    introduction,
    offer_proof,
    read_token,
    request_proof,
    transcript,
)

NONCE = b"n" * 16
TOKEN = Token(b"j" * 32, b"s" * 16, ("192.168.1.5", "fe80::1"), 4_711)
REQUEST = JoinRequest(
    version=PAIRING_VERSION,
    device_key=b"d" * 32,
    curve_key=b"c" * 32,
    key_bind=b"b" * 64,
    name="bob",
    commitment=commitment(NONCE),
    reply_port=5_000,
    proof=bytes(32),
)
OFFER = JoinOffer(device_key=b"D" * 32, root_key=b"R" * 32, name="ada", nonce=b"N" * 16, proof=bytes(32))
OTHER: dict[str, Any] = {
    "version": 1,
    "device_key": b"x" * 32,
    "curve_key": b"x" * 32,
    "key_bind": b"x" * 64,
    "name": "bo",
    "commitment": b"x" * 32,
    "reply_port": 5_001,
    "root_key": b"x" * 32,
    "nonce": b"x" * 16,
}


@pytest.mark.parametrize("field", [each for each in JoinRequest.__struct_fields__ if each != "proof"])
def test_every_field_of_a_request_changes_its_proof_and_all_that_follows(field: str) -> None:
    changed = msgspec.structs.replace(REQUEST, **{field: OTHER[field]})
    assert request_proof(TOKEN, changed) != request_proof(TOKEN, REQUEST)
    assert introduction(TOKEN, changed, OFFER) != introduction(TOKEN, REQUEST, OFFER)


@pytest.mark.parametrize("field", [each for each in JoinOffer.__struct_fields__ if each != "proof"])
def test_every_field_of_an_offer_changes_its_proof_and_the_words(field: str) -> None:
    changed = msgspec.structs.replace(OFFER, **{field: OTHER[field]})
    before, after = introduction(TOKEN, REQUEST, OFFER), introduction(TOKEN, REQUEST, changed)
    assert offer_proof(TOKEN, before) != offer_proof(TOKEN, after)
    assert check_words(transcript(before, NONCE)) != check_words(transcript(after, NONCE))


def test_the_words_hang_on_a_nonce_that_the_inviter_learns_after_it_named_its_own() -> None:
    """Else whoever sits between two devices tries nonces until both show the same words: some four billion do."""
    assert NONCE not in encode_join(REQUEST)
    introduced = introduction(TOKEN, REQUEST, OFFER)
    assert len({check_words(transcript(introduced, bytes([each]) * 16)) for each in range(100)}) == 100
    assert commitment(b"m" * 16) != REQUEST.commitment


def test_a_yes_is_no_no_and_belongs_to_one_pairing() -> None:
    said = transcript(introduction(TOKEN, REQUEST, OFFER), NONCE)
    proofs = {confirm_proof(TOKEN, said, True), confirm_proof(TOKEN, said, False), confirm_proof(TOKEN, b"x", True)}
    assert len(proofs) == 3


def test_a_token_is_read_back_and_an_older_version_is_told_apart() -> None:
    assert read_token(TOKEN.text()) == TOKEN
    assert "s" * 16 not in repr(TOKEN)
    with pytest.raises(LocalError, match="not a whole token"):
        read_token(TOKEN.text()[:-2])


@pytest.mark.parametrize("name", ["\x1b[31mada", "ada\x00", "a\u202eda", "a\u200bda", "ada\n"])
def test_a_name_that_could_deceive_its_reader_is_refused(name: str) -> None:
    with pytest.raises(FrameError, match="could deceive"):
        decode_join(encode_join(msgspec.structs.replace(OFFER, name=name)))
    assert readable(name).isprintable()


def test_ordinary_names_pass() -> None:
    for name in ("ada's laptop", "Zoë", "工作站", "🍎"):
        assert readable(name) == name
        assert decode_join(encode_join(msgspec.structs.replace(OFFER, name=name)))


def test_a_message_that_is_none_of_pairing_is_refused() -> None:
    for frame in (b"", b"\xc1", b"\x80", encode_join(JoinReveal(nonce=NONCE))[:-1]):
        with pytest.raises(FrameError):
            decode_join(frame)
