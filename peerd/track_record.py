"""How far this node's promises were off lately, so that a person knows how much the next one is worth.

A picture is promised from the asking on; where others of a named group could keep it waiting, from its plan on. Never
here: what an error is (`planning.errors`), where outcomes are kept (`store`), or a correction.
"""

from collections.abc import Iterable

import msgspec

from peerd.planning.errors import Score, score
from peerd.store import Outcome

LAST = 50
"""The requests that count: what a device was before it slowed, or moved, says nothing of now."""


class TrackRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Middle errors relative to what came: 0.1 is a tenth. None: of that nothing was promised."""

    requests: int
    seconds: float
    denoiser_calls: float | None
    joules: float | None


def track_record(outcomes: Iterable[Outcome]) -> TrackRecord | None:
    """Of these outcomes; None where none of them was promised."""
    known = list(outcomes)
    seconds = score(map(waited, known))
    if seconds is None:
        return None
    return TrackRecord(
        requests=seconds.count,
        seconds=round(seconds.median, 4),
        denoiser_calls=_median(score((one.promised_calls, one.denoiser_calls) for one in known)),
        joules=_median(score((one.promised_joules, one.joules) for one in known)),
    )


def waited(outcome: Outcome) -> tuple[float, float]:
    """Promised and real seconds until the picture; zeros where nothing was promised."""
    if outcome.promised_s <= 0.0:
        return 0.0, 0.0
    if outcome.waits_for_others or outcome.promised_plan_s <= 0.0:
        return outcome.promised_s, outcome.seconds - outcome.planned_s
    return outcome.promised_plan_s + outcome.promised_s, outcome.seconds


def _median(found: Score | None) -> float | None:
    return None if found is None else round(found.median, 4)
