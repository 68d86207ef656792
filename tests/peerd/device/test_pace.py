"""What a device learns from its own pictures, and tells in few numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd.device.pace import MODELS_MAX, SIZES_MAX, Finished, Paces, fit
from peerd.device.stopwatch import Stopwatch
from peerd.store import Store
from peerd_protocol.plan import Call
from peerd_protocol.profile import Pace


def call(side: int = 100, guidance: float = 1.0, model: str = "m") -> Call:
    return Call(model=model, prompt="p", steps=10, seed=1, guidance=guidance, scheduler="ddim", width=side, height=side)


def made(side: int = 100, seconds_a_call: float = 0.1, **changes: object) -> Finished:
    done = {"call": call(side), "steps": 10, "steps_s": 10 * seconds_a_call, **changes}
    return Finished(**done)  # type: ignore[arg-type]


def call_s(pace: Pace, side: int, guided: int = 1) -> float:
    return pace.step_s + pace.step_s_per_mpixel * side * side * guided / 1e6


def test_nothing_learnt_is_nothing_told() -> None:
    assert Paces().of("m") == Pace()
    assert not Paces().knows("m")


def test_one_size_is_taken_as_all_by_the_pixel_and_two_tell_the_parts_apart() -> None:
    paces = Paces()
    paces.learn(made(100, 0.1))
    assert call_s(paces.of("m"), 200) == pytest.approx(0.4)
    paces.learn(made(300, 0.5))
    # 0.05 s whatever the size, and 5 s a million pixels.
    assert (paces.of("m").step_s, paces.of("m").step_s_per_mpixel) == pytest.approx((0.05, 5.0))
    assert call_s(paces.of("m"), 200) == pytest.approx(0.25)


def test_guidance_denoises_each_pixel_twice() -> None:
    paces = Paces()
    paces.learn(made(100, 0.1))
    paces.learn(made(steps_s=1.5, call=call(guidance=3.0)))
    assert call_s(paces.of("m"), 100, guided=2) == pytest.approx(0.15)
    assert paces.of("m").step_s == pytest.approx(0.05)


def test_a_crowded_host_is_no_slow_device() -> None:
    paces = Paces()
    paces.learn(made(100, 0.3, crowd=3.0, decode_s=0.06, prepare_s=0.3))
    pace = paces.of("m")
    assert call_s(pace, 100) == pytest.approx(0.1)
    assert (pace.prepare_s, pace.decode_s_per_mpixel) == pytest.approx((0.1, 2.0))


def test_small_swings_are_smoothed_and_a_device_that_slowed_to_a_quarter_is_known_after_one_picture() -> None:
    paces = Paces()
    for number in range(20):
        paces.learn(made(100, 0.1 if number % 2 else 0.12))
    assert call_s(paces.of("m"), 100) == pytest.approx(0.11, rel=0.03)
    paces.learn(made(100, 0.44))
    assert 3.0 < call_s(paces.of("m"), 100) / 0.11 < 4.0


def test_a_device_that_slowed_is_known_to_be_slow_at_every_size() -> None:
    paces = Paces()
    paces.tried([(call(100), 0.1), (call(300), 0.5)])
    for _ in range(3):
        paces.learn(made(100, 0.1))
    paces.learn(made(300, 0.5))
    paces.learn(made(100, 0.8))
    assert call_s(paces.of("m"), 100) == pytest.approx(0.8, rel=0.25)
    assert call_s(paces.of("m"), 300) == pytest.approx(4.0, rel=0.25)


def test_one_step_that_hung_does_not_make_a_device_slow() -> None:
    watch = Stopwatch(call(), begun_s=0.0, warm=True)
    at_s = 0.0
    for seconds in [*[0.1] * 5, 300.0, *[0.1] * 5]:
        at_s += seconds
        watch.stepped(at_s, seconds, crowd=1.0)
    done = watch.ended(at_s, painted=False, usual_prepare_s=0.0)
    assert done is not None
    assert done.steps_s == pytest.approx(1.3)


def test_a_crowded_trial_is_corrected_at_all_sizes_by_the_first_real_picture() -> None:
    paces = Paces()
    paces.tried([(call(100), 0.3), (call(200), 0.9)])
    assert call_s(paces.of("m"), 200) == pytest.approx(0.9)
    paces.learn(made(100, 0.1))
    assert call_s(paces.of("m"), 100) == pytest.approx(0.1, rel=1e-4)
    assert call_s(paces.of("m"), 200) == pytest.approx(0.3, rel=1e-4)
    paces.tried([(call(100), 9.0)])
    assert call_s(paces.of("m"), 100) == pytest.approx(0.1, rel=1e-4), "real work is worth more than a trial"


def test_a_picture_too_short_to_time_its_steps_leaves_that_to_the_trial() -> None:
    paces = Paces()
    paces.learn(Finished(call=call(100), steps=2, steps_s=None, start_s=7.0))
    assert not paces.knows("m")
    paces.tried([(call(100), 0.1)])
    assert call_s(paces.of("m"), 100) == pytest.approx(0.1)
    assert paces.of("m").start_s == pytest.approx(7.0)


@given(st.lists(st.tuples(st.floats(0.001, 4.0), st.floats(1e-4, 100.0), st.integers(0, 50)), min_size=1, max_size=12))
def test_no_size_is_ever_predicted_for_nothing(points: list[tuple[float, float, int]]) -> None:
    fixed_s, slope_s = fit(points)
    assert fixed_s >= 0.0
    assert slope_s >= 0.0
    assert fixed_s + slope_s > 0.0


@given(st.floats(0.0, 1.0), st.floats(0.01, 10.0), st.lists(st.integers(1, 30), min_size=2, max_size=6, unique=True))
def test_a_straight_line_is_found(fixed_s: float, slope_s: float, sizes: list[int]) -> None:
    points = [(size / 10, fixed_s + slope_s * size / 10, 3) for size in sizes]
    assert fit(points) == pytest.approx((fixed_s, slope_s), rel=1e-3, abs=1e-5)


def test_paces_outlive_the_daemon(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("home")
    store = Store(folder)
    paces = Paces(store)
    paces.learn(made(100, 0.1, decode_s=0.1))
    told = paces.of("m")
    store.close()
    again = Store(folder)
    assert Paces(again).of("m") == told
    again.save_pace("m", b"what another version wrote")
    assert Paces(again).of("m") == Pace()
    again.close()


def test_old_models_and_sizes_are_forgotten() -> None:
    paces = Paces()
    for number in range(MODELS_MAX + 1):
        paces.learn(made(call=call(model=str(number))))
    assert not paces.knows("0")
    assert paces.knows(str(MODELS_MAX))
    for side in range(100, 100 + 2 * SIZES_MAX):
        paces.learn(made(side, side * side / 1e5))
    assert call_s(paces.of("m"), 110) == pytest.approx(0.121, rel=0.01)


def test_a_stopwatch_tells_the_parts_of_an_order() -> None:
    watch = Stopwatch(call(), begun_s=100.0, warm=True)
    assert watch.ended(100.5, painted=True, usual_prepare_s=0.0) is None, "it never made a step"
    for number in range(1, 5):
        watch.stepped(100.2 + 0.1 * number, seconds=0.1, crowd=1.0 if number < 3 else 2.0)
    done = watch.ended(100.9, painted=True, usual_prepare_s=0.0)
    assert done is not None
    assert (done.steps, done.crowd, done.start_s) == (4, 1.5, None)
    assert (done.prepare_s, done.steps_s, done.decode_s) == pytest.approx((0.2, 0.4, 0.3))


def test_a_cold_start_teaches_nothing_but_itself() -> None:
    watch = Stopwatch(call(), begun_s=0.0, warm=False)
    watch.stepped(5.0, seconds=1.0, crowd=1.0)
    done = watch.ended(6.0, painted=False, usual_prepare_s=0.5)
    assert done is not None
    assert (done.start_s, done.prepare_s, done.steps_s, done.decode_s) == (3.5, None, None, None)


def test_a_device_whose_engine_is_cold_for_each_order_learns_its_pace_all_the_same() -> None:
    """Two models take turns, or the owner paints once an hour: no order ever finds the engine warm."""
    paces = Paces()
    watch = Stopwatch(call(), begun_s=0.0, warm=False)
    watch.stepped(5.0, seconds=2.0, crowd=1.0)
    for number in range(1, 4):
        watch.stepped(5.0 + 0.1 * number, seconds=0.1, crowd=1.0)
    done = watch.ended(6.0, painted=True, usual_prepare_s=0.0)
    assert done is not None
    assert (done.steps, done.start_s, done.decode_s) == (4, 3.0, None)
    assert done.steps_s == pytest.approx(0.4), "its slow first step is counted like the others"
    paces.learn(done)
    assert call_s(paces.of("m"), 100) == pytest.approx(0.1)


def test_what_a_probe_takes_is_not_learnt_as_a_step_and_what_a_preview_takes_is() -> None:
    """The planner counts a probe's calls by themselves; a device that once probed is none slower for it."""
    watch = Stopwatch(call(), begun_s=0.0, warm=True, plain=False, looks=frozenset({2}))
    for step, now_s in enumerate((1.0, 4.0, 4.12, 4.24), start=1):
        watch.stepped(now_s, seconds=0.1, crowd=1.0, step=step)
    done = watch.ended(4.24, painted=False, usual_prepare_s=0.0)
    assert done is not None
    assert done.steps_s == pytest.approx(0.1 + 0.1 + 0.12 + 0.12)
    assert (done.prepare_s, done.start_s) == (None, None), "several prompts were read before it"


def test_a_probe_during_a_cold_engines_first_step_is_no_part_of_its_start() -> None:
    for looks, start_s in ((frozenset({1}), None), (frozenset({2}), 4.9)):
        watch = Stopwatch(call(), begun_s=0.0, warm=False, plain=False, looks=looks)
        watch.stepped(5.0, seconds=0.1, crowd=1.0, step=1)
        done = watch.ended(6.0, painted=False, usual_prepare_s=0.0)
        assert done is not None
        assert done.start_s == start_s
