"""From what was measured of pairs to what may be shared: the largest part whose loss stays under each wish.

Pure arithmetic. A pair's two pictures are not independent, so whole pairs are drawn anew for the 95 % bound. Never
here: measuring a pair (engine/trial.py), or how the outcome is asked for (calibration.py).
"""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from peerd.planning.calibration import WISHES, Band, Row, Stay
from peerd_protocol.plan import Quality

EDGES = (0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
"""Where bands of similarity begin. Prompts below the first are not linked, so they need no measurement."""
PAIRS_MIN = 8
"""A band with fewer pairs of its own shares what the band below it may."""
STAYS = 5
"""Classes of difference, each with as many pictures."""
LOOK_CALLS = 0.5
"""What a look at one prompt costs: a prediction without its negative half."""
DRAWS = 1_000
CONFIDENCE = 0.95
UNSEEN_LOSS = 0.5
"""Counted beside what was seen: without it, few pairs that lost nothing would promise that none ever does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One pair: how near the words are, and for both its sides what engine/trial.py found."""

    similarity: float
    largest: tuple[int, ...]
    differences: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class _Picture:
    """One side of a pair; `pair` says which."""

    pair: int
    similarity: float
    largest: int
    differences: tuple[float, ...]


def fit(scheduler: str, total: int, outcomes: Sequence[Outcome], seed: int) -> tuple[Row, ...]:
    """A row for each wish. Sides that are not their own even alone say nothing of sharing, and are left out."""
    pictures = [
        _Picture(number, outcome.similarity, largest, differences)
        for number, outcome in enumerate(outcomes)
        for largest, differences in zip(outcome.largest, outcome.differences, strict=True)
        if largest >= 0
    ]
    return tuple(_row(scheduler, total, quality, wish, pictures, seed) for quality, wish in WISHES.items())


def bands_of(pictures: Sequence[_Picture], total: int, wish: float, seed: int) -> tuple[Band, ...]:
    """By similarity, most similar first.

    Less similar prompts lose no less, so the loss in a band is also bounded by that of the band and all below it: the
    best of these bounds counts.
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


def stays_of(
    pictures: Sequence[_Picture], total: int, wish: float, seed: int, seen: Callable[[_Picture], float]
) -> tuple[Stay, ...]:
    """By the difference that a probe sees, nearest first; from the other side, as bands are."""
    ordered = sorted(pictures, key=seen)
    cuts = [round(place * len(ordered) / STAYS) for place in range(STAYS + 1)]
    stays: list[Stay] = []
    most = 1.0
    for begin, end in itertools.pairwise(cuts):
        if begin == end or len({picture.pair for picture in ordered[begin:end]}) < PAIRS_MIN:
            continue
        # More different prompts lose no less, so a class is bounded by itself with all beyond it too.
        windows = [ordered[begin:stop] for stop in cuts[1:] if stop >= end]
        most = min(most, max(_part(window, total, wish, seed) for window in windows))
        bound = round(seen(ordered[end - 1]), 4)
        if not stays or bound > stays[-1].difference:
            stays.append(Stay(bound, most))
    return tuple(stays)


def _row(scheduler: str, total: int, quality: Quality, wish: float, pictures: Sequence[_Picture], seed: int) -> Row:
    """The look that lets all of them together share most, where any lets them share more than the bands do."""
    bands = bands_of(pictures, total, wish, seed)
    # A look at a member costs half a denoiser call, which must come back.
    best = sum(_by_bands(bands, picture.similarity) + LOOK_CALLS / total for picture in pictures)
    look, stays = 1, tuple[Stay, ...]()
    for place in range(min((len(picture.differences) for picture in pictures), default=0)):

        def seen(picture: _Picture, place: int = place) -> float:
            return picture.differences[place]

        found = stays_of(pictures, total, wish, seed, seen)
        shared = sum(_by_stays(found, seen(picture)) for picture in pictures)
        if shared > best and all(stay.part * total >= place + 1 for stay in found):
            best, look, stays = shared, place + 1, found
    return Row(scheduler=scheduler, total=total, quality=quality, bands=bands, look=look, stays=stays)


def _part(pictures: Sequence[_Picture], total: int, wish: float, seed: int) -> float:
    """The largest part of a run whose loss over these pictures stays under the wish, at its 95 % bound."""
    by_pair: dict[int, list[int]] = {}
    for picture in pictures:
        by_pair.setdefault(picture.pair, []).append(picture.largest)
    chance = random.Random(seed)
    pairs = list(by_pair.values())
    # The same draws for every step, so that more steps never seem to lose less.
    draws = [chance.choices(range(len(pairs)), k=len(pairs)) for _ in range(DRAWS)]
    for steps in range(total - 1, 0, -1):
        lost = [sum(largest < steps for largest in pair) / len(pair) for pair in pairs]
        if (sum(lost) + UNSEEN_LOSS) / (len(pairs) + 1) > wish:
            continue  # the mean is over the wish already
        means = sorted((sum(lost[number] for number in draw) + UNSEEN_LOSS) / (len(pairs) + 1) for draw in draws)
        if means[round(CONFIDENCE * (DRAWS - 1))] <= wish:
            return steps / total
    return 0.0


def _by_bands(bands: Sequence[Band], similarity: float) -> float:
    return next((band.part for band in bands if similarity >= band.similarity), 0.0)


def _by_stays(stays: Sequence[Stay], difference: float) -> float:
    return next((stay.part for stay in stays if difference <= stay.difference), 0.0)
