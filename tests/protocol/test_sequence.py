"""Each frame counts once, in order, in the life of its sender that was heard last."""

import pytest

from peerd_protocol.errors import FrameError
from peerd_protocol.sequence import HEADER_BYTES, Hearing, pack_header, read_header

NOW, BEFORE = b"now, 16 bytes...", b"before, 16 bytes"


def test_a_header_is_read_back_and_must_have_its_length() -> None:
    assert read_header(pack_header(NOW, 2**63)) == (NOW, 2**63)
    for header in (b"", bytes(HEADER_BYTES - 1), bytes(HEADER_BYTES + 1)):
        with pytest.raises(FrameError):
            read_header(header)


def test_nothing_counts_before_a_hello() -> None:
    hearing = Hearing()
    assert not hearing.accept(NOW, 1, is_hello=False)
    assert hearing.accept(NOW, 2, is_hello=True)
    assert hearing.accept(NOW, 3, is_hello=False)


def test_echoes_and_late_frames_do_not_count_and_gaps_do() -> None:
    hearing = Hearing()
    heard = [hearing.accept(NOW, number, number == 1) for number in (1, 2, 2, 1, 5, 4, 6)]
    assert heard == [True, True, False, False, True, False, True]
    assert hearing.lost == 2


def test_a_new_life_retires_the_one_before_for_ever() -> None:
    hearing = Hearing()
    assert hearing.accept(BEFORE, 100, is_hello=True)
    assert hearing.accept(NOW, 1, is_hello=True)
    assert not hearing.accept(BEFORE, 101, is_hello=False)
    assert not hearing.accept(BEFORE, 102, is_hello=True)
    assert hearing.accept(NOW, 2, is_hello=False)


def test_a_reconnect_of_the_same_life_goes_on_counting() -> None:
    hearing = Hearing()
    assert hearing.accept(NOW, 1, is_hello=True) and hearing.accept(NOW, 2, is_hello=False)
    assert hearing.accept(NOW, 9, is_hello=True)
    assert not hearing.accept(NOW, 3, is_hello=False)  # left over from the connection before


def test_a_retired_name_that_says_something_new_is_noticed_once_for_each_frame() -> None:
    hearing = Hearing()
    assert hearing.accept(b"a" * 16, 1, True) and hearing.accept(b"a" * 16, 2, False)
    assert not hearing.says_more(b"a" * 16, 9), "it is not retired"
    assert hearing.accept(b"b" * 16, 1, True)
    assert not hearing.says_more(b"a" * 16, 2), "an echo"
    assert hearing.says_more(b"a" * 16, 3) and not hearing.says_more(b"a" * 16, 3)
    assert not hearing.says_more(b"c" * 16, 3), "nobody knows it"
