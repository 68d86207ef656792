"""How promises are held against what came: the error as people read it."""

import pytest

from peerd.planning.errors import relative_error, score


def test_an_error_is_relative_to_what_really_was_and_has_a_side() -> None:
    assert relative_error(1.1, 1.0) == pytest.approx(0.1)
    assert relative_error(0.5, 1.0) == pytest.approx(-0.5)


def test_the_middle_counts_and_what_was_not_promised_does_not() -> None:
    found = score([(1.1, 1.0), (0.7, 1.0), (3.0, 1.0), (0.0, 1.0), (1.0, 0.0)])
    assert found is not None
    assert (found.count, found.median, found.ninth_of_ten, found.bias) == pytest.approx((3, 0.3, 2.0, 0.1))
    assert score([]) is None
    assert score([(0.0, 1.0)]) is None
