"""Looks told apart from dice: a statistic that knows the outcome is worth its calls, one that knows nothing is not."""

import numpy as np
import pytest

from examples.quality import look_worth
from examples.quality.look_kinds import FULL, HALF, NONE, TODAY, looked_at, of_one
from examples.quality.look_trials import LOOKS, Tried

TOTAL = 11
PAIRS = 80


def tried(knows: bool) -> list[Tried]:
    """Pairs of which half bear 4 steps and half 9; the look knows which, or is dice."""
    chance = np.random.default_rng(2)
    found = []
    for number in range(PAIRS):
        largest = (4, 9)[number % 2]
        seen = [float(-largest + chance.random() if knows else chance.random()) for _ in range(LOOKS)]
        looks = {FULL: {TODAY: seen}}
        found.append(Tried("ddim", f"a {number}", f"b {number}", number, 0.7, (largest, largest), looks))
    return found


def test_a_look_that_knows_is_worth_its_calls_unless_the_words_bound_it() -> None:
    rows = list(look_worth.worth("ddim", tried(knows=True), TOTAL, "balanced", 0.03))
    assert {row.bound: any(look_worth.is_worth(row, one) for one in row.best) for row in rows} == {
        "bounded": False, "free": True,
    }  # fmt: skip
    (best,) = next(row for row in rows if row.bound == "free").best
    assert best.gain == pytest.approx(2.5, abs=0.5)


def test_dice_are_worth_nothing() -> None:
    rows = list(look_worth.worth("ddim", tried(knows=False), TOTAL, "balanced", 0.03))
    assert rows
    assert not any(look_worth.is_worth(row, one) for row in rows for one in row.best)


def test_a_mean_half_way_between_both_neither_leans_nor_bends() -> None:
    chance = np.random.default_rng(1)
    plain, first, second = chance.normal(size=(3, 4, 16, 16))
    middle = of_one(np.stack([plain, (first + second) / 2, first, second]))
    assert middle["lean: the mean nearer to one"] == pytest.approx(0, abs=1e-9)
    assert middle["bend: the mean off the middle"] == pytest.approx(0, abs=1e-9)
    assert middle["the farther one, by the mean of both"] == pytest.approx(1)
    at_first = of_one(np.stack([plain, 0.9 * first + 0.1 * second, first, second]))
    assert at_first["lean: the mean nearer to one"] == pytest.approx(0.4)
    assert at_first["the farther one, by the mean of both"] == pytest.approx(1.8)


def test_every_way_to_look_has_a_number_for_every_step() -> None:
    chance = np.random.default_rng(1)
    full = list(chance.normal(size=(LOOKS, 4, 4, 16, 16)))
    half = list(chance.normal(size=(LOOKS, 4, 4, 8, 8)))
    found = looked_at(full, half)
    assert set(found) == {FULL, HALF, NONE}
    assert all(len(values) == LOOKS for named in found.values() for values in named.values())
