"""Device ids that people type, and the exact bytes that are signed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd_protocol.certificates import (
    ALPHABET,
    certificate_bytes,
    cluster_id,
    device_id,
    key_bind_bytes,
    read_device_id,
    read_signed,
    revocation_bytes,
    roster_digest,
)
from peerd_protocol.errors import FrameError, LocalError


def test_a_device_id_never_changes() -> None:
    assert device_id(b"x" * 32) == "YYXEMFN-5HHRCEO-VZPHIN7-PQQTF22-Q6MWYX5-SAFAR5N-5NMUEFR-MTJE7QY"
    assert cluster_id(b"x" * 32) == "WQMF6CXEZZHOZF2XACDGJPI6IK"


@given(st.binary(min_size=32, max_size=32))
def test_an_id_is_read_back_in_any_case_with_or_without_dashes(key: bytes) -> None:
    node = device_id(key)
    for typed in (node, node.lower(), node.replace("-", ""), node.replace("-", " ")):
        assert read_device_id(typed) == node


@given(st.binary(min_size=32, max_size=32), st.integers(0, 55), st.integers(1, 31))
def test_one_wrong_character_is_always_noticed(key: bytes, place: int, shift: int) -> None:
    plain = device_id(key).replace("-", "")
    wrong = ALPHABET[(ALPHABET.index(plain[place]) + shift) % 32]
    with pytest.raises(LocalError, match="typing error"):
        read_device_id(plain[:place] + wrong + plain[place + 1 :])


@pytest.mark.parametrize("text", ["", "ada", "A" * 55, "!" * 56])
def test_what_is_no_id_at_all_is_told_apart(text: str) -> None:
    with pytest.raises(LocalError, match="is not a device id"):
        read_device_id(text)


def test_every_kind_of_statement_has_its_own_domain() -> None:
    statements = {key_bind_bytes(b"a" * 32, b"b" * 32), certificate_bytes(b"body"), revocation_bytes(b"body")}
    assert len({statement.split(b"\0")[0] for statement in statements}) == 3


def test_a_rosters_digest_forgets_the_order_but_not_the_kind() -> None:
    assert roster_digest([b"a", b"b"], [b"c"]) == roster_digest([b"b", b"a"], [b"c"])
    assert roster_digest([b"a"], [b"b"]) != roster_digest([b"b"], [b"a"])
    assert roster_digest([b"a", b"b"], []) != roster_digest([b"a"], [b"b"])


@given(st.binary(max_size=200))
def test_random_bytes_are_no_signed_statement(data: bytes) -> None:
    with pytest.raises(FrameError):
        read_signed(data)
