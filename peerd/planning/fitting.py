"""From what was measured of pairs to what may be shared: the largest part whose loss stays under each wish.

Pure arithmetic. Never here: measuring a pair (engine/trial.py), what a look is worth (probing.py), or how the outcome
is asked for (calibration.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from peerd.planning.calibration import WISHES, Band, Row
from peerd.planning.losing import PAIRS_MIN, Bound, Picture
from peerd.planning.probing import Table, probing_of
from peerd_protocol.plan import Quality

EDGES = (0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
"""Where bands of similarity begin. Prompts below the first are not linked, so they need no measurement."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One pair: how near the words are, and for both its sides what engine/trial.py found."""

    similarity: float
    largest: tuple[int, ...]
    differences: tuple[tuple[float, ...], ...]


def fit(scheduler: str, total: int, outcomes: Sequence[Outcome], seed: int) -> tuple[Row, ...]:
    """A row for each wish. Sides that are not their own even alone say nothing of sharing, and are left out."""
    pictures = [
        Picture(number, outcome.similarity, largest, tuple(map(max, *outcome.differences)))
        for number, outcome in enumerate(outcomes)
        for largest in outcome.largest
        if largest >= 0
    ]
    return tuple(_row(scheduler, total, quality, wish, pictures, seed) for quality, wish in WISHES.items())


def bands_of(pictures: Sequence[Picture], total: int, wish: float, seed: int) -> tuple[Band, ...]:
    """By similarity, most similar first.

    Less similar prompts lose no less, so the loss in a band is also bounded by that of the band and all below it: the
    best of these bounds counts. A band with too few pairs of its own shares what the band below it may.
    """
    parts: list[tuple[float, float]] = []
    for place, edge in enumerate(EDGES):
        above = EDGES[place + 1] if place + 1 < len(EDGES) else 2.0
        own = [picture for picture in pictures if edge <= picture.similarity < above]
        if len({picture.pair for picture in own}) < PAIRS_MIN:
            parts.append((edge, parts[-1][1] if parts else 0.0))
            continue
        windows = [[p for p in pictures if low <= p.similarity < above] for low in EDGES[: place + 1]]
        parts.append((edge, max(_part(window, total, wish, seed) for window in windows)))
    # What chance makes larger below than above is taken back.
    bands: list[Band] = []
    most = 1.0
    for edge, part in reversed(parts):
        most = min(most, part)
        bands.append(Band(edge, most))
    return tuple(bands)


def table_of(pictures: Sequence[Picture], total: int, wish: float, seed: int) -> Table:
    """What the words let each picture share, as fitted to these."""
    bands = bands_of(pictures, total, wish, seed)
    return lambda picture: _steps(bands, picture.similarity, total)


def _row(scheduler: str, total: int, quality: Quality, wish: float, pictures: Sequence[Picture], seed: int) -> Row:
    probing = probing_of(pictures, total, wish, seed, lambda known: table_of(known, total, wish, seed))
    return Row(
        scheduler=scheduler, total=total, quality=quality, bands=bands_of(pictures, total, wish, seed),
        look=probing.look, stays=probing.stays,
    )  # fmt: skip


def _part(pictures: Sequence[Picture], total: int, wish: float, seed: int) -> float:
    """The largest part of a run whose loss over these pictures stays under the wish, at its 95 % bound."""
    bound = Bound(pictures, seed)
    # The same draws for every step, so that more steps never seem to lose less.
    for steps in range(total - 1, 0, -1):
        if bound.keeps(wish, [picture for picture in pictures if picture.largest < steps]):
            return steps / total
    return 0.0


def _steps(bands: Sequence[Band], similarity: float, total: int) -> int:
    return next((round(band.part * total) for band in bands if similarity >= band.similarity), 0)
