"""How long to wait, as tables."""

import pytest

from peerd_protocol.profile import PowerClass
from peerd_protocol.timing import (
    LATE_FACTOR_MAX,
    Patience,
    announced_interval_s,
    backoff_s,
    join_s,
    late_factor,
    own_interval_s,
    silence_s,
    slept,
    stagger_s,
    suspicion_s,
)


@pytest.mark.parametrize(
    ("power", "interval_s"), [(PowerClass.MAINS, 1.0), (PowerClass.BATTERY, 2.0), (PowerClass.LOW, 2.0)]
)
def test_a_device_on_battery_speaks_half_as_often(power: PowerClass, interval_s: float) -> None:
    assert own_interval_s(1.0, power) == interval_s


@pytest.mark.parametrize(("announced_ms", "interval_s"), [(1_000, 1.0), (0, 0.05), (-5, 0.05), (10**12, 10.0)])
def test_nobody_can_announce_itself_immortal(announced_ms: int, interval_s: float) -> None:
    assert announced_interval_s(announced_ms) == interval_s


@pytest.mark.parametrize(
    ("gap_s", "interval_s", "factor"),
    [
        (0.0, 1.0, 1.0),
        (0.1, 1.0, 1.0),
        (0.5, 1.0, 1.0),
        (0.75, 1.0, 1.5),
        (1.0, 1.0, 2.0),
        (60.0, 1.0, 2.0),
        (1.0, 2.0, 1.0),
    ],
)
def test_a_late_tick_stretches_patience_to_twice_at_most(gap_s: float, interval_s: float, factor: float) -> None:
    assert late_factor(gap_s, interval_s) == pytest.approx(factor)


@pytest.mark.parametrize(("gap_s", "interval_s", "asleep"), [(2.4, 1.0, False), (2.6, 1.0, True), (4.0, 2.0, False)])
def test_a_gap_above_two_and_a_half_intervals_is_sleep(gap_s: float, interval_s: float, asleep: bool) -> None:
    assert slept(gap_s, interval_s) is asleep


@pytest.mark.parametrize(
    ("waits_s", "seconds"),
    [
        (join_s(1.0), 2.2),
        (join_s(2.0), 4.4),
        (suspicion_s(1.0), 2.0),
        (silence_s(1.0), 3.5),
        (silence_s(2.0), 7.0),
        (silence_s(1.0, LATE_FACTOR_MAX), 7.0),
        (stagger_s(0), 0.0),
        (stagger_s(3), 0.75),
        (backoff_s(1.0, 0), 0.5),
        (backoff_s(2.0, 2), 1.5),
    ],
)
def test_the_waits(waits_s: float, seconds: float) -> None:
    assert waits_s == pytest.approx(seconds)


def test_patience_ends_two_intervals_after_the_late_tick() -> None:
    patience = Patience()
    patience.ticked(10.0, 1.0)
    assert patience.factor(10.0) == 1.0
    patience.ticked(11.0, 1.0)
    assert patience.factor(11.0) == LATE_FACTOR_MAX
    patience.ticked(11.1, 1.0)
    assert patience.factor(12.9) == LATE_FACTOR_MAX, "a tick in time does not take it back"
    assert patience.factor(13.0) == 1.0


def test_a_little_late_after_very_late_does_not_shorten_patience() -> None:
    patience = Patience()
    for now_s in (0.0, 1.0, 1.6):
        patience.ticked(now_s, 1.0)
    assert patience.factor(3.5) == LATE_FACTOR_MAX
