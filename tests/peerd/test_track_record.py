"""What `peerd plan` says of how far promises were off. Pure numbers and a sentence."""

import pytest

from peerd.commands.plan import trust
from peerd.store import Outcome
from peerd.track_record import TrackRecord, track_record, waited
from peerd_protocol.ids import GroupId, RequestId


def came(seconds: float, **more: object) -> Outcome:
    """Asked, planned half a second later, and promised two seconds from there, a quarter of one until there."""
    told = {
        "request": RequestId("r"), "group": GroupId("g"), "denoiser_calls": 11, "planned_s": 0.5, "promised_s": 2.0,
        "promised_plan_s": 0.25, "promised_calls": 11, "joules": 8.0, "promised_joules": 10.0, **more,
    }  # fmt: skip
    return Outcome(seconds=seconds, **told)  # type: ignore[arg-type]


def test_a_person_waits_from_the_asking_and_not_from_the_plan() -> None:
    assert waited(came(2.5)) == (2.25, 2.5)


def test_the_wait_for_others_of_a_named_group_is_no_error_of_ours() -> None:
    assert waited(came(32.5, planned_s=30.0, waits_for_others=True)) == (2.0, 2.5)


def test_what_an_older_peerd_recorded_counts_from_the_plan() -> None:
    assert waited(came(2.5, promised_plan_s=0.0)) == (2.0, 2.0)


def test_seconds_calls_and_joules_have_a_middle_error_each() -> None:
    record = track_record([came(2.25), came(2.5), came(4.5)])
    assert record == TrackRecord(requests=3, seconds=0.1, denoiser_calls=0.0, joules=0.25)


def test_nothing_promised_is_nothing_said() -> None:
    assert track_record([]) is None
    assert track_record([came(2.0, promised_s=0.0)]) is None
    record = track_record([came(2.25, promised_calls=0, promised_joules=0.0)])
    assert record is not None
    assert (record.denoiser_calls, record.joules) == (None, None)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            {"requests": 12, "seconds": 0.084, "denoiser_calls": 0.0, "joules": 0.25},
            "Promises of the last 12 requests from here were off, in the median: the seconds by 8%, the denoiser calls"
            " by 0% and the watt-hours by 25%.",
        ),
        (
            {"requests": 1, "seconds": 0.084, "denoiser_calls": None, "joules": None},
            "Promises of the last request from here were off, in the median: the seconds by 8%.",
        ),
    ],
)
def test_a_person_reads_one_sentence(record: dict[str, object], said: str) -> None:
    assert trust(record) == said
