"""The notice board: its bound, whose refusals take no place, and how a request ended."""

import pytest

from peerd.noticeboard import PAGES_MAX, NoticeBoard
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import RequestId
from peerd_protocol.notices import Failed, Finished, Queued


def full_board() -> NoticeBoard:
    board = NoticeBoard()
    for number in range(PAGES_MAX):
        board.open_page(RequestId(str(number)))
    return board


def test_one_request_too_many_is_refused_in_a_sentence() -> None:
    with pytest.raises(LocalError, match=f"has {PAGES_MAX} open requests; wait for one to end or cancel it"):
        full_board().open_page(RequestId("more"))


def test_one_that_ended_makes_room() -> None:
    board = full_board()
    board.tell(RequestId("7"), Failed(reason="cancelled"))
    board.open_page(RequestId("more"))
    with pytest.raises(LocalError):
        board.must_know(RequestId("7"))


def test_one_that_was_refused_after_all_makes_room() -> None:
    board = full_board()
    board.close_page(RequestId("7"))
    board.open_page(RequestId("more"))


def test_a_request_has_an_ending_once_it_has_its_picture() -> None:
    board, request = NoticeBoard(), RequestId("one")
    with pytest.raises(LocalError, match="knows no request 'one'"):
        board.finished(request)
    board.tell(request, Queued(leader=None))
    with pytest.raises(LocalError, match="no picture of request 'one' yet"):
        board.finished(request)
    end = Finished(path="/one.png", pixels_sha256="ab" * 32, denoiser_calls=2, exact=True, seconds=1.5)
    board.tell(request, end)
    assert board.finished(request) == end
