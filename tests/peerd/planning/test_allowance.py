"""Whose wish counts where two requests wish different things."""

from peerd.planning.allowance import Allowance
from peerd.planning.calibration import Band, Calibration, Row
from tests.peerd.planning.people import ask


def test_a_guess_for_the_stricter_wish_gives_the_other_no_more_than_was_measured_for_it() -> None:
    nothing = Row(scheduler="ddim", total=11, quality="balanced", bands=(Band(similarity=0.5, part=0.0),))
    measured = Calibration(model="0" * 64, guidance=3.0, pairs=9, seed=0, rows=(nothing,))
    strict, balanced = ask("a", "apple on table", quality="strict"), ask("b", "lemon on table")
    allowance = Allowance(lambda _: measured)
    assert allowance.allowed(strict, strict, 0.8) == 3, "nobody measured it: a guess"
    assert allowance.allowed(balanced, balanced, 0.8) == 0
    assert allowance.allowed(strict, balanced, 0.8) == allowance.allowed(balanced, strict, 0.8) == 0
