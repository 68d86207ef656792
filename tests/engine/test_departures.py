"""Who leaves a shared run where, by values alone: a step is a ceiling, and a look may only bring it forward."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd.engine.departures import Departures, stay
from peerd.engine.port import Look
from peerd_protocol.errors import EngineError
from peerd_protocol.plan import Leave

APPLE, LEMON, CAR = "apple on table", "lemon on table", "car on moon"
LOOK = Look(2, ((0.1, 8), (0.5, 5)))
LEAVES = (Leave(name="lead", step=9), Leave(name="near", step=8, prompt=LEMON), Leave(name="far", step=8, prompt=CAR))


def of(*leaves: Leave, probe: tuple[Look, ...] = (LOOK,), start: int = 0, total: int = 11) -> Departures:
    return Departures(APPLE, leaves, probe, start, total)


def test_without_leaves_nobody_leaves() -> None:
    empty = of()
    assert (empty.last, empty.at(3), empty.asked(2), empty.prompts) == (None, (), (), ())


def test_a_look_asks_for_each_prompt_once_and_not_for_the_own() -> None:
    departures = of(*LEAVES, Leave(name="same", step=7, prompt=LEMON), Leave(name="own", step=7, prompt=APPLE))
    assert departures.prompts == departures.asked(2) == (LEMON, CAR)
    assert departures.asked(1) == departures.asked(3) == ()


def test_nearer_prompts_stay_longer() -> None:
    departures = of(*LEAVES)
    departures.learn(2, {LEMON: 0.3, CAR: 0.9})
    assert departures.at(2) == ("far",)
    assert departures.at(5) == ("near",)
    assert departures.at(9) == ("lead",)
    assert departures.last == 9


def test_the_run_ends_when_all_have_left() -> None:
    departures = of(*LEAVES[1:])
    assert departures.last == 8
    departures.learn(2, {LEMON: 0.3, CAR: 0.9})
    assert departures.last == 5


def blend_of(*leaves: Leave) -> Departures:
    return Departures("", leaves, (LOOK,), 0, 11)


def test_nobody_stays_alone_in_a_beginning_that_is_nobodys_own() -> None:
    apple, lemon, car = (Leave(name=prompt, step=8, prompt=prompt) for prompt in (APPLE, LEMON, CAR))
    three = blend_of(apple, lemon, car)
    three.learn(2, {APPLE: 0.05, LEMON: 0.3, CAR: 0.9})
    assert (three.at(2), three.at(5)) == ((CAR,), (APPLE, LEMON))
    two = blend_of(apple, car)
    two.learn(2, {APPLE: 0.05, CAR: 0.9})
    assert two.last == 2


def test_a_branch_is_not_alone() -> None:
    with_branch = blend_of(Leave(name=CAR, step=8, prompt=CAR), Leave(name="branch", step=7))
    with_branch.learn(2, {CAR: 0.9})
    assert (with_branch.at(2), with_branch.at(7)) == ((CAR,), ("branch",))


def test_who_leaves_with_the_look_is_not_asked() -> None:
    assert of(Leave(name="soon", step=2, prompt=CAR)).prompts == ()


def test_a_look_before_the_start_is_over() -> None:
    assert of(*LEAVES, start=2).prompts == ()


def test_who_should_have_left_before_the_start_is_named() -> None:
    assert of(*LEAVES, Leave(name="late", step=3), start=3).early == ("late",)


@pytest.mark.parametrize("step", [0, 12])
def test_a_leaf_outside_the_run_is_refused(step: int) -> None:
    with pytest.raises(EngineError, match="11 scheduler steps; nobody can leave it after step"):
        of(Leave(name="lost", step=step))


@given(st.floats(0, 2), st.floats(0, 2), st.integers(1, 11))
def test_a_greater_difference_never_stays_longer_and_no_look_delays(one: float, other: float, ceiling: int) -> None:
    less, more = sorted((one, other))
    assert stay(LOOK, less) >= stay(LOOK, more) >= LOOK.step
    departures = of(Leave(name="it", step=ceiling, prompt=LEMON))
    departures.learn(2, {LEMON: one})
    assert departures.last is not None and departures.last <= ceiling


def test_what_is_no_number_is_far() -> None:
    assert stay(LOOK, float("nan")) == LOOK.step
