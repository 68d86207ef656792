"""What a look is worth: used where it saves more than it costs, at no more loss than wished, over all it looks at."""

import random
from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from peerd.planning.losing import PAIRS_MIN, Bound, Picture
from peerd.planning.probing import FOLDS, Probing, Table, probing_of, stays_of

TOTAL = 11


def pictures(pairs: int, tells: int = 1, spread: int = 3, noise: float = 0.0) -> list[Picture]:
    """Some pairs keep longer than others; looks before step `tells` see nothing of it, later ones see it."""
    chance, made = random.Random(7), list[Picture]()
    for pair in range(pairs):
        longer = chance.choice((-1, 1))
        seen = 1.3 - 0.2 * longer + chance.uniform(-noise, noise)
        blind = [1.0 + chance.uniform(0.0, 0.6) for _ in range(tells - 1)]
        differences = (*blind, *[seen] * (6 - tells))
        made += [Picture(pair, 0.7, 6 + longer * spread, differences)] * 2
    return made


def by_words(least: int, most: int) -> Callable[[Sequence[Picture]], Table]:
    """All but a twentieth of the pairs may share the least."""
    return lambda known: lambda picture: least if picture.pair % 20 else most


def lost(found: Probing, known: list[Picture]) -> float:
    return sum(picture.largest < found.steps(picture, TOTAL) for picture in known) / len(known)


def test_a_look_that_tells_is_used_and_every_pair_leaves_in_time() -> None:
    known = pictures(80)
    found = probing_of(known, TOTAL, 0.03, 1, by_words(3, 9))
    assert {found.steps(picture, TOTAL) == picture.largest for picture in known} == {True}


def test_a_later_look_is_used_where_earlier_ones_see_nothing() -> None:
    found = probing_of(pictures(80, tells=3), TOTAL, 0.03, 1, by_words(3, 9))
    assert found.look >= 3
    assert min(round(stay.part * TOTAL) for stay in found.stays) >= found.look


def test_a_look_that_brings_less_than_it_costs_is_not_used() -> None:
    assert not probing_of(pictures(80, spread=0), TOTAL, 0.03, 1, by_words(6, 9)).stays


def test_nobody_stays_longer_than_words_may_say_of_anyone() -> None:
    found = probing_of(pictures(80), TOTAL, 0.03, 1, by_words(3, 7))
    assert max(round(stay.part * TOTAL) for stay in found.stays) == 7


def test_what_the_words_keep_apart_is_not_looked_at() -> None:
    assert not probing_of(pictures(80), TOTAL, 0.03, 1, by_words(0, 0)).stays


def test_few_pairs_are_not_enough_to_know_a_look_s_worth() -> None:
    assert not probing_of(pictures(FOLDS * PAIRS_MIN - 1), TOTAL, 0.08, 1, by_words(3, 9)).stays


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 4), st.floats(0, 0.6), st.sampled_from([0.01, 0.03, 0.08]))
def test_all_classes_together_keep_the_wish(pairs: int, look: int, spread: int, noise: float, wish: float) -> None:
    known = pictures(pairs, spread=spread, noise=noise)
    stays = stays_of(known, look, TOTAL, TOTAL - 1, wish, seed=1)
    if not stays:
        return
    found = Probing(look, stays)
    gone = [picture for picture in known if picture.largest < found.steps(picture, TOTAL)]
    assert Bound(known, 1).keeps(wish, gone)
    assert lost(found, known) <= wish
    assert [stay.part for stay in stays] == sorted((stay.part for stay in stays), reverse=True)
    assert [stay.difference for stay in stays] == sorted(stay.difference for stay in stays)
    assert min(found.steps(picture, TOTAL) for picture in known) >= look
