"""The probe of those who ask for one: the look that does best on calibration's half, worth its calls or not.

Fitted as calibration fits a look (`peerd.planning.probing`): the same classes of difference, the same 95 % bound over
all pairs together, the same parts left out. But for two things. It may cost more than it brings. And it must be able to
say both: the table's own answer to those who differ more, and a later step to those who differ less. Never here:
looking (`look_trials.py`), or what becomes of pictures for which it decides (`deciding.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from examples.quality.look_kinds import FULL, TODAY
from examples.quality.look_trials import Tried
from peerd.engine.trial import LOOKS
from peerd.planning.calibration import WISHES, Calibration, Row, Stay, allowed
from peerd.planning.losing import Bound, Picture
from peerd.planning.probing import CLASSES, LOOK_STEPS, Probing, Table, left_out
from peerd_protocol.plan import Quality

SEED = 1
"""Of the draws of pairs, as calibration's usual one."""
FARTHEST = 2.0
"""What a probe can see at most of one of two, in units of their mean."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a probe does that is asked for under one wish, and what that is worth on pairs it was not fitted to."""

    scheduler: str
    wish: Quality
    pairs: int
    probing: Probing
    early: int
    late: int
    lifted: bool
    """Whether the late ones stay longer than the table lets anyone."""
    steps: float
    """Steps shared in the mean by pairs that it was not fitted to."""
    table: float
    """Steps that the table lets these share."""
    lost: float
    """Share of pictures lost among them."""


def pictures_of(tried: Sequence[Tried]) -> list[Picture]:
    """The sides of these pairs as calibration has them, with today's statistic in every step in which it looks."""
    return [
        Picture(number, one.similarity, largest, tuple(one.looks[FULL][TODAY][:LOOKS]))
        for number, one in enumerate(tried)
        for largest in one.largest
        if largest >= 0
    ]


def asked_for(
    scheduler: str, wish: Quality, pictures: Sequence[Picture], table: Table, total: int, seed: int = SEED
) -> Asked | None:
    """The look that lets pairs left out share most; None where none can say two things and keep the wish.

    Nobody stays longer than the table lets the most similar, as in calibration; only where no look under that bound
    has two things to say, up to the last step but one.
    """
    shared = [picture for picture in pictures if table(picture)]  # what the words keep apart stays apart
    answers = sorted({table(picture) for picture in shared})
    for lifted in (False, True):
        longest = total - 1 if lifted else max(answers, default=0)
        found = [
            asked
            for early, late in _pairs_of_steps(answers, longest)
            for look in range(1, min(LOOKS, early) + 1)
            if (asked := _tried(scheduler, wish, shared, table, total, seed, look, early, late, lifted)) is not None
        ]
        if found:
            return max(found, key=lambda one: (one.steps, -one.lost))
    return None


def calibration_of(shipped: Calibration, tried: dict[str, list[Tried]], total: int) -> tuple[Calibration, list[Asked]]:
    """The shipped table with a probe in every row where one can be asked for; and what was found."""
    found = {
        (name, wish): asked
        for name, some in tried.items()
        for wish in WISHES
        if (asked := asked_for(name, wish, pictures_of(some), _shipped_table(shipped, name, total, wish), total))
    }

    def probed(row: Row) -> Row:
        asked = found.get((row.scheduler, row.quality)) if row.total == total else None
        if asked is None:
            return row
        return msgspec.structs.replace(row, look=asked.probing.look, stays=asked.probing.stays)

    rows = tuple(map(probed, shipped.rows))
    pairs = min(map(len, tried.values()))
    return msgspec.structs.replace(shipped, pairs=pairs, seed=SEED, rows=rows), list(found.values())


def table_of_asked(found: Sequence[Asked], total: int) -> list[str]:
    """As Markdown."""
    lines = [
        "| scheduler, wish | pairs | look | whose difference | leave after | others after | steps shared | "
        "the table's | more | must bring | lost |",
        "|---" * 11 + "|",
    ]
    for one in found:
        bound = one.probing.stays[0].difference
        lines.append(
            f"| {one.scheduler}, {one.wish} | {one.pairs} | in step {one.probing.look} | up to {bound:.3f} | "
            f"{one.late} of {total}{' (lifted)' if one.lifted else ''} | {one.early} | {one.steps:.2f} | "
            f"{one.table:.2f} | {one.steps - one.table:+.2f} | {LOOK_STEPS:.2f} | {100 * one.lost:.1f} % |"
        )
    return lines


def _tried(
    scheduler: str, wish: Quality, shared: Sequence[Picture], table: Table, total: int, seed: int,
    look: int, early: int, late: int, lifted: bool,
) -> Asked | None:  # fmt: skip
    """These two answers to a look in this step; None where it says one thing, or the wish is not kept."""
    part = WISHES[wish]

    def fitted(pictures: Sequence[Picture]) -> Probing:
        return _fitted(pictures, part, total, seed, look, early, late)

    def fit(pictures: Sequence[Picture]) -> Callable[[Picture], int]:
        found = fitted(pictures)
        return lambda picture: found.steps(picture, total)

    probing = fitted(shared)
    like = {probing.steps(picture, total) == table(picture) for picture in shared}
    if len(probing.stays) < 2 or like != {True, False}:
        return None
    left = left_out(shared, fit)
    if left.lost > part:
        return None
    return Asked(
        scheduler, wish, len({picture.pair for picture in shared}), probing, early, late, lifted, left.steps,
        sum(map(table, shared)) / len(shared), left.lost,
    )  # fmt: skip


def _fitted(
    pictures: Sequence[Picture], wish: float, total: int, seed: int, look: int, early: int, late: int
) -> Probing:
    """The largest class of difference of which all nearer ones may leave late; everyone early where there is none."""
    bound, seen = Bound(pictures, seed), sorted(picture.differences[look - 1] for picture in pictures)
    everyone = Stay(FARTHEST, early / total)
    for edge in sorted({seen[round(place * len(seen) / CLASSES) - 1] for place in range(1, CLASSES)}, reverse=True):
        probing = Probing(look, (Stay(edge, late / total), everyone))
        if bound.keeps(wish, [one for one in pictures if one.largest < probing.steps(one, total)]):
            return probing
    return Probing(look, (everyone,))


def _pairs_of_steps(answers: Sequence[int], longest: int) -> Iterator[tuple[int, int]]:
    """Early: an answer of the table; late: any later step."""
    return (
        (early, late) for early, late in itertools.product(answers, range(1, longest + 1)) if early < late
    )  # fmt: skip


def _shipped_table(shipped: Calibration, scheduler: str, total: int, wish: Quality) -> Table:
    return lambda picture: allowed(shipped, scheduler, total, wish, picture.similarity)
