"""How much of a run prompts may share, as measured on a model: by similarity beforehand, by a probe while it runs.

Pure values and their reading. Steps are `scheduler.step` calls; inside, they are parts of a run, so that one
measurement serves other lengths. Never here: measuring (commands/calibrate.py), or where the file lies.
"""

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import msgspec

from peerd_protocol.errors import UNREADABLE, LocalError
from peerd_protocol.plan import Quality
from peerd_protocol.schedulers import calls_per_run

VERSION = 1
BYTES_MAX = 1024 * 1024
"""A row takes some 600 bytes; nobody calibrates a thousand of them."""

UNMEASURED = ((0.95, 7 / 11), (0.85, 6 / 11), (0.55, 5 / 11), (0.45, 3 / 11))
"""From this similarity on, this part of the run may be shared with a model that nobody has calibrated.

Conservative: at 5 of 11 steps a lemon that began as an apple is a lemon; at 7 it keeps the apple's leaf.
"""
UNMEASURED_STRICT_MAX = 3 / 11
"""A strict wish is not built on a guess: about the part in which only the layout is decided."""
SENSITIVE_PART_MAX = 3 / 11
SENSITIVE = frozenset({"pndm", "lms", "lms_karras"})
"""Their long history belongs to the old prompt and is dropped at the handoff; they need the steps to build another."""

ALIKE = (
    frozenset({"ddim", "ddpm", "euler", "euler_karras", "euler_a", "flow_euler"}),
    frozenset({"heun", "kdpm2", "kdpm2_a", "flow_heun"}),
    frozenset({"dpmpp_2m", "dpmpp_2m_karras", "dpmpp_2m_sde", "dpmpp_2m_sde_karras", "dpmpp_2s", "unipc", "deis"}),
    frozenset({"lcm", "tcd"}),
    SENSITIVE,
)
"""Schedulers whose runs are made alike: one step at a time, two stages, with a history, in a few leaps."""

WISHES: dict[Quality, float] = {"strict": 0.01, "balanced": 0.03, "fast": 0.08}
"""The share of pictures that may be lost to the other prompt by sharing, at the upper end of the 95 % interval."""

_ROUNDING = 1e-9

Part = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]
Similarity = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Difference = Annotated[float, msgspec.Meta(ge=0.0)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From this similarity on, `part` of the run may be shared."""

    similarity: Similarity
    part: Part


class Stay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to this difference of predictions, in units of the mean of a group's, `part` of the run may be shared."""

    difference: Difference
    part: Part


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was measured with one scheduler, number of `scheduler.step` calls and wish.

    `bands` begin with the most similar. `stays`, nearest first, hold for a look during step `look`; without them this
    model can not be probed, or a probe knows no more than the bands.
    """

    scheduler: str
    total: Annotated[int, msgspec.Meta(ge=1)]
    quality: Quality
    bands: tuple[Band, ...]
    look: Annotated[int, msgspec.Meta(ge=1)] = 1
    stays: tuple[Stay, ...] = ()


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that was measured of one model. `pairs` and `seed` say how, so that it can be done again."""

    version: int = VERSION
    model: Digest
    guidance: float
    pairs: int
    seed: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Glance:
    """What a probe does in one run: during `step` it looks; up to each difference, after which step one leaves."""

    step: int
    stays: tuple[tuple[float, int], ...]


def parse(data: bytes) -> Calibration:
    """The calibration in a file's bytes; LocalError in one sentence if it is none."""
    advice = "measure again with peerd models calibrate"
    if len(data) > BYTES_MAX:
        raise LocalError(f"A calibration of {len(data)} bytes is larger than any; {advice}.")
    try:
        found = msgspec.json.decode(data, type=Calibration)
    except UNREADABLE as error:
        raise LocalError(f"The calibration is not readable ({error}); {advice}.") from None
    if found.version != VERSION:
        raise LocalError(f"The calibration has version {found.version}, this peerd reads {VERSION}; {advice}.")
    for row in found.rows:
        if not _falls((-band.similarity, band.part) for band in row.bands):
            raise LocalError(f"The calibration of {row.scheduler} lets less similar prompts share more; {advice}.")
        if not _falls((stay.difference, stay.part) for stay in row.stays):
            raise LocalError(f"The calibration of {row.scheduler} lets prompts that differ more stay longer; {advice}.")
    return found


def dump(calibration: Calibration) -> bytes:
    """The calibration as a file's bytes, one that a person can read."""
    return msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n"


def allowed(calibration: Calibration | None, scheduler: str, steps: int, quality: Quality, similarity: float) -> int:
    """The table's answer: how many steps of a run of `steps` prompts so similar may share; never all of them."""
    total = _total(scheduler, steps)
    row = _row(calibration, scheduler, total, quality)
    return _steps(_unmeasured(scheduler, quality, similarity) if row is None else _part(row, similarity), total)


def ceiling(calibration: Calibration | None, scheduler: str, steps: int, quality: Quality, similarity: float) -> int:
    """Where a member that a probe looks at leaves at the latest; the table's answer where there is no probe.

    Prompts that the table keeps apart stay apart; to others a probe may give more than the table, or less.
    """
    total = _total(scheduler, steps)
    row = _row(calibration, scheduler, total, quality)
    table = allowed(calibration, scheduler, steps, quality, similarity)
    if row is None or not row.stays or table < 1:
        return table
    return max(table, _steps(row.stays[0].part, total))


def looks(calibration: Calibration | None, scheduler: str, steps: int, quality: Quality) -> tuple[Glance, ...]:
    """What a probe does in such a run; nothing where nothing was measured."""
    total = _total(scheduler, steps)
    row = _row(calibration, scheduler, total, quality)
    if row is None or not row.stays:
        return ()
    # A look belongs to a noise level, so it moves with the run's length.
    step = max(1, round(row.look * total / row.total))
    return (Glance(step, tuple((stay.difference, _steps(stay.part, total)) for stay in row.stays)),)


def calibrates(noun: str, place: str) -> bool:
    """Whether calibration may use this noun in this place; the other half of all is left for tests of its outcome."""
    return hashlib.sha256(f"{noun} {place}".encode()).digest()[0] % 2 == 1


def _total(scheduler: str, steps: int) -> int:
    try:
        return calls_per_run(scheduler, steps)
    except LocalError:
        return steps  # a scheduler that only its origin knows is taken for an ordinary one


def _row(calibration: Calibration | None, scheduler: str, total: int, quality: Quality) -> Row | None:
    """The measurement nearest to this: the same scheduler or else one alike, then the nearest length."""
    rows = [] if calibration is None else [row for row in calibration.rows if row.quality == quality]
    same: tuple[Callable[[Row], bool], ...] = (
        lambda row: row.scheduler == scheduler,
        lambda row: any({scheduler, row.scheduler} <= kind for kind in ALIKE),
    )
    for fits in same:
        near = [row for row in rows if fits(row)]
        if near:
            return min(near, key=lambda row: (abs(math.log(row.total / total)), row.scheduler, row.total))
    return None


def _part(row: Row, similarity: float) -> float:
    return next((band.part for band in row.bands if similarity >= band.similarity), 0.0)


def _unmeasured(scheduler: str, quality: Quality, similarity: float) -> float:
    part = next((part for bound, part in UNMEASURED if similarity >= bound), 0.0)
    if quality == "strict":
        part = min(part, UNMEASURED_STRICT_MAX)
    return min(part, SENSITIVE_PART_MAX) if scheduler in SENSITIVE else part


def _steps(part: float, total: int) -> int:
    """A part of a run in whole steps, rounded to the careful side."""
    return min(math.floor(part * total + _ROUNDING), total - 1)


def _falls(points: Iterable[tuple[float, float]]) -> bool:
    """Whether the second falls or stays while the first grows."""
    return all(a[0] < b[0] and a[1] >= b[1] for a, b in pairwise(points))
