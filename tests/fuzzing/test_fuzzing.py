"""Every door takes thousands of mutated bytes in `make test`, and millions in `make fuzz`."""

from pathlib import Path

import pytest

from peerd.planning import calibration
from peerd_protocol.errors import LocalError, PeerdError
from tests.fuzzing.doors import DOORS, Door

RUNS = 12_000


def test_every_seed_is_let_in() -> None:
    for door in DOORS.values():
        for seed in door.seeds:
            door.knock(seed)


def test_a_door_that_lets_something_through_is_found_out() -> None:
    def knock(data: bytes) -> None:
        raise PeerdError("" if data else "no bytes")

    Door(knock, ()).open(b"")
    with pytest.raises(AssertionError):
        Door(knock, ()).open(b"x")


def test_thousands_of_knocks_at_all_doors(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this machine")
    from tests.fuzzing.campaign import knock

    outcome = knock("all", RUNS, tmp_path / "all", seed=7, timeout_s=120.0)
    assert not outcome.trouble, outcome.trouble
    assert outcome.runs >= RUNS


def test_text_that_is_no_utf_8_is_one_sentence_in_a_calibration() -> None:
    with pytest.raises(LocalError, match="measure again"):
        calibration.parse(b'{"model": "\xa4"}')
