"""Who may share with whom, and for how many steps: pairs, as stories."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd.planning.grouping import cannot_link
from peerd.planning.nearness import HIDDEN_SIMILAR_MAX, Nearness, asked
from peerd.planning.similarity import similarity
from peerd_protocol.plan import Request
from tests.peerd.planning.crowd import crowd
from tests.peerd.planning.people import SETTINGS, UNCALIBRATED, ask

NEAR = Nearness(SETTINGS.similar_min, UNCALIBRATED.allowed)


def steps(first: Request, second: Request) -> int:
    """What the two may share, whoever comes first."""
    one, other = asked(first), asked(second)
    assert NEAR(one, other) == NEAR(other, one)
    return int(NEAR(one, other))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "other"}, "another model"),
        ({"steps": 12}, "another steps"),
        ({"negative": "blurry"}, "another negative"),
        ({"share": "nothing"}, "it shares nothing"),
        ({"shared": 0}, "it wants no shared steps"),
        ({"seed": 42}, "another seed"),
        ({"group_name": "y"}, "another group's name"),
        ({"prompt": "Apple on  table", "seed_free": True}, "the same prompt without naming a seed"),
        ({"quality": "strict"}, ""),
        ({"quality": "fast"}, ""),
        ({"share": "concepts"}, ""),
        ({"share": "concepts", "prompt": "apple on table", "seed_free": True}, ""),
        ({"seed": 42, "seed_free": True}, ""),
        ({"prompt": "Apple on  table"}, ""),
    ],
)
def test_what_forbids_sharing(change: dict[str, Any], why: str) -> None:
    first, second = ask("a", "apple on table", group_name="x"), ask("b", **{"prompt": "lemon on table", **change})
    assert cannot_link(first, second) == cannot_link(second, first) == why


def test_a_scheduler_of_a_newer_peer_is_left_to_its_origin() -> None:
    both = [ask(name, f"{name} on table", scheduler="of a newer peer") for name in ("apple", "lemon")]
    assert cannot_link(*both) == "a scheduler this leader does not know"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a cat on the table", "a cat under the table"),
        ("photo of a dog", "cartoon of a dog"),
        ("a photo of a dog on the grass", "a cartoon of a dog on the grass"),
        ("a bat in a cave", "a baseball bat in a stadium"),
        ("a bat hanging in a cave at night", "a player with a bat in the stadium"),
        ("a crane near the lake", "a crane at the construction site"),
        ("a mouse next to the keyboard", "a mouse in the field"),
        ("apple on table", "a red car on the beach"),
        ("a cup on the desk", "a river in the forest"),
    ],
)
def test_pairs_that_only_look_alike_stay_apart(first: str, second: str) -> None:
    assert steps(ask("a", first), ask("b", second)) == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a red car on the road", "a blue car on the road"),
        ("apple on table", "lemon on table"),
        ("a bird on the desk", "a dog on the desk"),
        ("a photo of a cat on the sofa", "picture of a dog on a sofa"),
        ("a bat flying over the trees", "an owl flying over the trees"),
        ("a mouse on the grass", "a rat on the grass"),
    ],
)
def test_pairs_of_one_scene_share_a_part_but_never_most(first: str, second: str) -> None:
    assert 1 <= steps(ask("a", first), ask("b", second)) <= 7


def test_a_red_and_a_blue_car_may_share_more_than_a_car_and_a_cat() -> None:
    red = asked(ask("a", "a red car on the road"))
    blue, cat = asked(ask("b", "a blue car on the road")), asked(ask("c", "a black cat on the road"))
    assert NEAR.similar(red, blue) > NEAR.similar(red, cat)


def test_the_stricter_of_two_wishes_counts() -> None:
    strict, fast = ask("a", "apple on table", quality="strict"), ask("b", "lemon on table", quality="fast")
    assert 0 < steps(strict, fast) == steps(strict, strict_lemon := ask("c", "lemon on table", quality="strict"))
    assert steps(strict, strict_lemon) < steps(fast, ask("d", "apple on table", quality="fast"))


@pytest.mark.parametrize(("one", "other", "shared"), [(9, 7, 7), (99, 99, 10), (1, 9, 1), (3, None, 3), (0, 9, 0)])
def test_the_least_asked_number_counts_and_never_all_steps(one: int | None, other: int | None, shared: int) -> None:
    assert steps(ask("a", "apple on table", shared=one), ask("b", "lemon on table", shared=other)) == shared


def test_what_one_asks_takes_nothing_from_the_other() -> None:
    usual = steps(ask("a", "apple on table"), ask("b", "lemon on table"))
    assert steps(ask("a", "apple on table", shared=10), ask("b", "lemon on table")) == usual < 10


def test_one_picture_asked_twice_shares_all_but_one_step() -> None:
    assert steps(ask("a", "apple on table"), ask("b", "Apple on  table")) == 10
    assert steps(ask("a", "apple on table", shared=4), ask("b", "Apple on  table")) == 4


def test_two_that_hide_under_one_phrase_are_taken_for_two_things_in_one_place() -> None:
    both = [ask(name, "edible fruit on table", share="concepts", seed_free=True) for name in "ab"]
    assert NEAR.similar(*map(asked, both)) == HIDDEN_SIMILAR_MAX
    assert 0 < steps(*both) <= 5


CROWD = crowd(random.Random(5), 400)


@given(st.sampled_from(CROWD), st.sampled_from(CROWD))
def test_the_bound_before_the_cosine_hides_no_pair_that_is_near(first: Request, second: Request) -> None:
    one, other = asked(first), asked(second)
    exact = similarity(one.reading, other.reading)
    assert NEAR.similar(one, other) == exact or max(NEAR.similar(one, other), exact) < SETTINGS.similar_min
