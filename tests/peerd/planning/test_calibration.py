"""What a calibration allows: measured parts of a run, careful where nobody measured, one clear sentence for rubbish."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd.planning.calibration import (
    BYTES_MAX,
    Band,
    Calibration,
    Row,
    Stay,
    allowed,
    calibrates,
    ceiling,
    dump,
    looks,
    parse,
)
from peerd_protocol.errors import LocalError

BANDS = (Band(0.85, 7 / 11), Band(0.65, 5 / 11), Band(0.45, 2 / 11))
ROW = Row(
    scheduler="ddim", total=11, quality="balanced", bands=BANDS, look=2, stays=(Stay(0.3, 8 / 11), Stay(0.6, 4 / 11))
)
TABLE_ONLY = Row(scheduler="dpmpp_2m", total=11, quality="balanced", bands=(Band(0.45, 3 / 11),))
MEASURED = Calibration(model="a" * 64, guidance=3.0, pairs=120, seed=1, rows=(ROW, TABLE_ONLY))
SCHEDULERS = st.sampled_from(["ddim", "euler_a", "heun", "pndm", "dpmpp_2m", "lcm", "one of tomorrow"])
QUALITIES = st.sampled_from(["strict", "balanced", "fast"])


def test_the_table_answers_by_band() -> None:
    assert [allowed(MEASURED, "ddim", 11, "balanced", near) for near in (0.9, 0.7, 0.5, 0.3)] == [7, 5, 2, 0]


def test_another_length_is_the_same_part_rounded_to_the_careful_side() -> None:
    assert allowed(MEASURED, "ddim", 20, "balanced", 0.9) == 12
    assert allowed(MEASURED, "ddim", 4, "balanced", 0.7) == 1


def test_the_nearest_measurement_answers_for_a_scheduler_alike() -> None:
    assert allowed(MEASURED, "euler", 11, "balanced", 0.9) == 7
    assert allowed(MEASURED, "unipc", 11, "balanced", 0.9) == 3


def test_where_nothing_was_measured_the_careful_table_answers() -> None:
    for scheduler, quality in (("heun", "balanced"), ("ddim", "fast")):
        assert allowed(MEASURED, scheduler, 11, quality, 0.9) == allowed(None, scheduler, 11, quality, 0.9)
    assert allowed(None, "ddim", 11, "balanced", 0.7) == 5
    assert allowed(None, "ddim", 11, "strict", 0.97) == 3
    assert allowed(None, "pndm", 11, "fast", 0.97) == 3


def test_a_probed_member_may_stay_beyond_the_table_and_the_unlike_stay_apart() -> None:
    assert [ceiling(MEASURED, "ddim", 11, "balanced", near) for near in (0.9, 0.5, 0.3)] == [8, 8, 0]
    assert ceiling(MEASURED, "dpmpp_2m", 11, "balanced", 0.5) == 3
    assert ceiling(None, "ddim", 11, "balanced", 0.7) == 5


def test_a_look_moves_with_the_length_of_the_run() -> None:
    assert looks(MEASURED, "ddim", 11, "balanced")[0].step == 2
    assert looks(MEASURED, "ddim", 11, "balanced")[0].stays == ((0.3, 8), (0.6, 4))
    assert looks(MEASURED, "ddim", 22, "balanced")[0].step == 4
    assert looks(MEASURED, "ddim", 22, "balanced")[0].stays == ((0.3, 16), (0.6, 8))
    assert looks(MEASURED, "dpmpp_2m", 11, "balanced") == looks(None, "ddim", 11, "balanced") == ()


@given(SCHEDULERS, st.integers(2, 100), QUALITIES, st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_more_similar_prompts_never_share_less_and_nobody_shares_all(
    scheduler: str, steps: int, quality: str, one: float, other: float, measured: bool
) -> None:
    known, (low, high) = MEASURED if measured else None, sorted((one, other))
    less, more = (allowed(known, scheduler, steps, quality, near) for near in (low, high))  # type: ignore[arg-type]
    assert 0 <= less <= more
    assert more <= ceiling(known, scheduler, steps, quality, high) < 2 * steps  # type: ignore[arg-type]


def test_a_file_is_read_as_it_was_written() -> None:
    assert parse(dump(MEASURED)) == MEASURED


def changed(**row: object) -> bytes:
    return dump(msgspec.structs.replace(MEASURED, rows=(msgspec.structs.replace(ROW, **row),)))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not readable"),
        (b"[]", "not readable"),
        (b"\xff\x00", "not readable"),
        (dump(MEASURED).replace(b'"total"', b'"totals"', 1), "not readable"),
        (changed(total=0), "not readable"),
        (changed(bands=(Band(0.5, 1.0),)), "not readable"),
        (changed(quality="best"), "not readable"),
        (changed(bands=BANDS[::-1]), "less similar prompts share more"),
        (changed(stays=(Stay(0.3, 0.2), Stay(0.6, 0.4))), "prompts that differ more stay longer"),
        (dump(msgspec.structs.replace(MEASURED, version=2)), "version 2, this peerd reads 1"),
        (b" " * (BYTES_MAX + 1), "larger than any"),
    ],
)
def test_rubbish_is_one_sentence_with_what_to_do(data: bytes, sentence: str) -> None:
    with pytest.raises(LocalError, match=sentence) as caught:
        parse(data)
    assert "measure again with peerd models calibrate" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_of_all_prompts_are_left_for_tests() -> None:
    places = ("table", "desk", "beach", "moon")
    chosen = [calibrates(f"thing {number}", place) for number in range(100) for place in places]
    assert 160 < sum(chosen) < 240
