"""From measured pairs to rows: as much as the wish allows and no more, monotone, and never from too few."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerd.planning.calibration import Row, calibrates
from peerd.planning.calibration_pairs import choose, prompts
from peerd.planning.fitting import EDGES, Outcome, fit

TOTAL = 11


def outcomes(count: int, largest: float = 6.0, slope: float = 6.0, noise: float = 0.0) -> list[Outcome]:
    """Pairs whose last harmless step grows with their similarity; the probe sees that step, as a difference."""
    chance = random.Random(3)
    made = []
    for number in range(count):
        near = 0.45 + 0.5 * number / count
        steps = [round(largest + slope * (near - 0.7) + chance.uniform(-noise, noise)) for _ in range(2)]
        kept = tuple(max(0, min(TOTAL - 1, step)) for step in steps)
        made.append(Outcome(near, kept, tuple(((TOTAL - step) / TOTAL,) for step in kept)))
    return made


def row(found: tuple[Row, ...], quality: str) -> Row:
    return next(row for row in found if row.quality == quality)


def steps_of(row: Row) -> list[int]:
    return [round(band.part * row.total) for band in row.bands]


def test_a_clear_case_is_found() -> None:
    """All pairs keep their content up to six steps and lose it at the seventh."""
    found = fit("ddim", TOTAL, outcomes(120, 6.0, slope=0.0), seed=1)
    assert set(steps_of(row(found, "balanced"))) == {6}
    assert not row(found, "balanced").stays, "where all are alike a probe knows no more than the table"


def test_pairs_that_lose_at_once_share_nothing() -> None:
    assert set(steps_of(row(fit("ddim", TOTAL, outcomes(120, 0.0, 0.0), seed=1), "fast"))) == {0}


def test_few_pairs_promise_little() -> None:
    few, many = (fit("ddim", TOTAL, outcomes(count, 6.0, 0.0), seed=1) for count in (12, 320))
    assert max(steps_of(row(few, "strict"))) == 0
    assert min(steps_of(row(many, "strict"))) == 6


def test_nearer_prompts_share_more_where_that_was_measured() -> None:
    steps = steps_of(row(fit("ddim", TOTAL, outcomes(240, 6.0, 10.0), seed=1), "fast"))
    assert steps[0] > steps[-1]


def test_a_probe_that_sees_more_than_words_is_used() -> None:
    """The words say little here, the difference says all."""
    mixed, kin = shuffled(outcomes(240, 6.0, 12.0)), [Outcome(0.96, (8, 8), ((0.2,), (0.2,))) for _ in range(12)]
    found = row(fit("ddim", TOTAL, [*mixed, *kin], seed=1), "fast")
    assert found.look == 1
    assert found.bands[0].part >= found.stays[0].part > found.bands[1].part > 0
    assert found.stays[0].difference < found.stays[-1].difference


def shuffled(pairs: list[Outcome]) -> list[Outcome]:
    nears = [pair.similarity for pair in pairs]
    random.Random(4).shuffle(nears)
    return [Outcome(near, pair.largest, pair.differences) for near, pair in zip(nears, pairs, strict=True)]


def test_pictures_that_fail_alone_say_nothing_of_sharing() -> None:
    good = outcomes(120, 6.0, 0.0)
    spoilt = [*good, *(Outcome(0.7, (-1, -1), ((0.1,), (0.1,))) for _ in range(60))]
    assert fit("ddim", TOTAL, spoilt, seed=1)[1].bands == fit("ddim", TOTAL, good, seed=1)[1].bands


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60), st.floats(0, 10), st.floats(-10, 10), st.floats(0, 4))
def test_rows_are_monotone_whatever_was_measured(count: int, largest: float, slope: float, noise: float) -> None:
    found = fit("ddim", TOTAL, outcomes(count, largest, slope, noise), seed=1)
    for one in found:
        assert steps_of(one) == sorted(steps_of(one), reverse=True)
        assert [stay.part for stay in one.stays] == sorted((stay.part for stay in one.stays), reverse=True)
    strict, balanced, fast = (steps_of(one) for one in found)
    assert all(a <= b <= c for a, b, c in zip(strict, balanced, fast, strict=True))


def test_the_prompts_of_calibration_are_its_own_half() -> None:
    known = prompts()
    assert len(known) == len(set(known)) > 200
    for prompt in known:
        words = prompt.split()
        assert calibrates(words[1], words[-1])


def test_pairs_are_mixed_from_the_first_on_and_the_same_every_time() -> None:
    def similar(one: str, other: str) -> float:
        return (len(one) * len(other)) % 97 / 97

    pairs = choose(prompts(), similar, 60, seed=1)
    assert pairs == choose(prompts(), similar, 60, seed=1)
    assert len({(pair.first, pair.second) for pair in pairs}) == 60
    assert {sum(pair.similarity >= edge for edge in EDGES) for pair in pairs[:6]} == set(range(1, len(EDGES) + 1))
    assert pairs != choose(prompts(), similar, 60, seed=2)


def test_there_is_nothing_to_choose_where_nothing_is_near() -> None:
    assert choose(prompts(), lambda one, other: 0.1, 5, seed=1) == []


@pytest.mark.parametrize("count", [0, 1])
def test_no_pairs_no_promise(count: int) -> None:
    assert all(set(steps_of(one)) == {0} for one in fit("ddim", TOTAL, outcomes(count), seed=1))
