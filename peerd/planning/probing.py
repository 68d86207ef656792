"""What a probe's look is worth: who may stay how long by the difference it sees, and whether that beats the words.

A look tells the members of one group apart. Of a pair both leave together, when the one that differs more has to: that
one's difference counts for both (`losing.Picture`). What is lost is bounded over all of them together; a band of words
may be all that a group has, so bands are bounded each. Nobody stays longer than
the most similar may by their words: the model that looks is also the one that judged the outcome, so whom it picks it
judges too kindly, and late steps forgive nothing. A look is used where, over pairs that it was not fitted to, it saves
more calls than the words do, its own included, and loses no more than wished.

Pure arithmetic. Never here: bands of similarity (fitting.py), or looking (engine/probe.py).
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from peerd.planning.calibration import Stay
from peerd.planning.losing import PAIRS_MIN, Bound, Picture

CLASSES = 5
"""Classes of difference, each with as many pictures."""
FOLDS = 5
LOOK_CALLS = 0.5
"""What a look at one prompt costs: a prediction without its negative half."""
GROUP = 2
"""Members of a group by which calls are counted: a shared step saves each of them all but so many parts of one. What
was measured are pairs; in larger groups a look costs each member as much and brings more."""
LOOK_STEPS = LOOK_CALLS / (1 - 1 / GROUP)
"""Shared steps that a look must bring each member."""

Table = Callable[[Picture], int]
"""Steps that a picture may share, by its words or by what a look saw of it."""


@dataclass(frozen=True, slots=True)
class Probing:
    """What a look during step `look` lets prompts share; none without `stays`."""

    look: int = 1
    stays: tuple[Stay, ...] = ()

    def steps(self, picture: Picture, total: int) -> int:
        """After which step this one leaves."""
        seen = picture.differences[self.look - 1]
        return next((round(stay.part * total) for stay in self.stays if seen <= stay.difference), self.look)


@dataclass(frozen=True, slots=True)
class Tried:
    """Of pictures that a rule was not fitted to: the mean of the steps that they share by it, and the share lost."""

    steps: float
    lost: float


def probing_of(
    pictures: Sequence[Picture], total: int, wish: float, seed: int, table_of: Callable[[Sequence[Picture]], Table]
) -> Probing:
    """The look that saves most on pairs it was not fitted to, where one saves more than the words do."""
    table = table_of(pictures)
    shared = [picture for picture in pictures if table(picture)]  # what the words keep apart stays apart
    most = max(map(table, shared), default=0)
    looks = min((most, *(len(picture.differences) for picture in shared)))
    if len({picture.pair for picture in shared}) < FOLDS * PAIRS_MIN:
        return Probing()
    best = LOOK_STEPS + left_out(shared, table_of).steps
    found = Probing()
    for look in range(1, looks + 1):
        tried = left_out(shared, fitter(look, total, most, wish, seed))
        if tried.steps <= best or tried.lost > wish:
            continue
        fitted = Probing(look, stays_of(shared, look, total, most, wish, seed))
        # Words that were fitted to all pairs share more than those that were fitted to some.
        if fitted.stays and sum(fitted.steps(picture, total) - table(picture) - LOOK_STEPS for picture in shared) > 0:
            best, found = tried.steps, fitted
    return found


def left_out(pictures: Sequence[Picture], fit: Callable[[Sequence[Picture]], Table]) -> Tried:
    """What `fit` gives those that it was not fitted to: each part of the pairs left out once."""
    steps, lost = 0, 0
    for rest, left in _folds(pictures):
        fitted = fit(rest)
        after = [fitted(picture) for picture in left]
        steps += sum(after)
        lost += sum(picture.largest < step for picture, step in zip(left, after, strict=True))
    return Tried(steps / len(pictures), lost / len(pictures))


def fitter(look: int, total: int, most: int, wish: float, seed: int) -> Callable[[Sequence[Picture]], Table]:
    """How what a look during `look` lets prompts share is fitted to pairs."""

    def fit(pictures: Sequence[Picture]) -> Table:
        fitted = Probing(look, stays_of(pictures, look, total, most, wish, seed))
        return lambda picture: fitted.steps(picture, total)

    return fit


def stays_of(pictures: Sequence[Picture], look: int, total: int, most: int, wish: float, seed: int) -> tuple[Stay, ...]:
    """By the difference seen during `look`, nearest first; nothing where even leaving with the look loses too much.

    Beginning there, a class and all nearer ones are let stay a step longer, wherever that loses least for what it
    saves, up to step `most`, as long as all classes together keep the wish.
    """
    seen = sorted(picture.differences[look - 1] for picture in pictures)
    # What is as near as the last of a class belongs to it.
    edges = sorted({_upwards(seen[round(place * len(seen) / CLASSES) - 1]) for place in range(1, CLASSES + 1)})
    classes: list[list[Picture]] = [[] for _ in edges]
    for picture in pictures:
        classes[bisect_left(edges, picture.differences[look - 1])].append(picture)
    bound, steps = Bound(pictures, seed), [look] * len(edges)
    if not bound.keeps(wish, _lost(classes, steps)):
        return ()
    tried = True
    while tried:
        tried = False
        for longer in sorted(_longer(steps, most), key=lambda longer: _price(classes, steps, longer)):
            if bound.keeps(wish, _lost(classes, longer)):
                steps, tried = longer, True
                break
    return tuple(_stays(edges, steps, total))


def _stays(differences: Sequence[float], steps: Sequence[int], total: int) -> Iterator[Stay]:
    """Neighbours that stay as long are one."""
    for place, (difference, step) in enumerate(zip(differences, steps, strict=True)):
        if step not in steps[place + 1 :]:
            yield Stay(difference, step / total)


def _longer(steps: Sequence[int], most: int) -> Iterator[list[int]]:
    """All ways to let a class stay a step longer; nearer ones stay no shorter."""
    for place, step in enumerate(steps):
        if step < most:
            yield [max(known, step + 1) if other <= place else known for other, known in enumerate(steps)]


def _price(classes: Sequence[Sequence[Picture]], steps: Sequence[int], longer: Sequence[int]) -> tuple[float, int]:
    """Pictures lost for each step saved; of equals the one that saves more."""
    saved = sum(len(kin) * (new - old) for kin, old, new in zip(classes, steps, longer, strict=True))
    return (len(_lost(classes, longer)) - len(_lost(classes, steps))) / saved, -saved


def _lost(classes: Sequence[Sequence[Picture]], steps: Sequence[int]) -> list[Picture]:
    return [picture for kin, step in zip(classes, steps, strict=True) for picture in kin if picture.largest < step]


def _upwards(difference: float) -> float:
    """Rounded so that a class still holds its last one."""
    return math.ceil(difference * 10_000) / 10_000


def _folds(pictures: Sequence[Picture]) -> Iterator[tuple[list[Picture], list[Picture]]]:
    """Each part of the pairs left out once: the rest, and what was left out."""
    for fold in range(FOLDS):
        left = [picture for picture in pictures if picture.pair % FOLDS == fold]
        yield [picture for picture in pictures if picture.pair % FOLDS != fold], left
