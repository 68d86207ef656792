"""The curve: a member's picture against the number of steps that another prompt ran, and against alone at equal calls.

Never here: drawing or writing down (`report.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from examples.quality.archive import Seen
from examples.quality.pairs import Pair
from examples.quality.pictures import Picture, alone, blend, shared
from examples.quality.statistics import Estimate, bootstrapped
from examples.quality.vocabulary import PLACE_NAMES, THINGS

FRACTIONS = (0.0, 0.27, 0.45, 0.64, 0.82)
GROUP_SIZES = (2, 8)
Find = Callable[[Picture], Seen | None]


@dataclass(frozen=True, slots=True)
class Course:
    """One scheduler and number of steps, and after which of them members leave.

    `blended`: the shared steps run with the mean of both prompts' words instead of the lead's prompt.
    """

    scheduler: str
    steps: int
    blended: bool = False

    @property
    def shared(self) -> tuple[int, ...]:
        """The steps nearest to FRACTIONS."""
        return tuple(dict.fromkeys(round(fraction * self.steps) for fraction in FRACTIONS))

    def calls(self, after: int, size: int) -> float:
        """Denoiser calls a picture in a group of `size` that shares so many steps."""
        return after / size + self.steps - after

    def lengths_alone(self) -> tuple[int, ...]:
        """All numbers of steps at which alone is needed."""
        wanted = {self.steps}
        for after in self.shared:
            for size in GROUP_SIZES:
                wanted |= set(whole_steps(self.calls(after, size))[:2])
        return tuple(sorted(wanted, reverse=True))


def whole_steps(calls: float) -> tuple[int, int, float]:
    """Two numbers of steps, and the share of runs that take the second, so that the mean is `calls`."""
    less = math.floor(calls)
    return less, math.ceil(calls), calls - less


@dataclass(frozen=True, slots=True)
class Mark:
    """One picture against its prompt and the other one, 0 or 1 each; `distance` is the latent's rms from alone's.

    `leak`: the other prompt's thing is seen; of two prompts for one thing, the other's place.
    """

    thing: float
    place: float
    both: float
    leak: float
    distance: float


@dataclass(frozen=True, slots=True)
class Spot:
    """One point of the curve: members that left after `after` steps, and alone with as many calls by group size."""

    after: int
    member: dict[str, Estimate]
    against_alone: Estimate
    equal: dict[int, dict[str, Estimate]]
    against_equal: dict[int, Estimate]
    farther: dict[int, Estimate]
    """Its distance to the picture made alone, minus that of alone at equal calls."""


@dataclass(frozen=True, slots=True)
class Curve:
    """All points, over so many pairs, and alone by its number of steps."""

    pairs: int
    spots: tuple[Spot, ...]
    alone: dict[int, dict[str, Estimate]]


def pictures(course: Course, pairs: Sequence[Pair]) -> Iterator[Picture]:
    """All that the curve looks at, pair by pair."""
    for pair in pairs:
        for after in course.shared:
            yield member_of(pair, course, after)
        for steps in course.lengths_alone():
            yield alone(pair.member.prompt, pair.seed, course.scheduler, steps)


def member_of(pair: Pair, course: Course, after: int) -> Picture:
    """The member's picture after the lead ran `after` steps."""
    words = blend((pair.lead.prompt, pair.member.prompt)) if course.blended else pair.lead.prompt
    return shared(words, pair.member.prompt, after, pair.seed, course.scheduler, course.steps)


def mark(pair: Pair, seen: Seen, whole: Seen) -> Mark:
    """What was asked for, and what was not."""
    thing = float(THINGS[seen.thing] == pair.member.noun)
    place = float(PLACE_NAMES[seen.place] == pair.member.place)
    other_thing, other_place = THINGS[seen.thing] == pair.lead.noun, PLACE_NAMES[seen.place] == pair.lead.place
    leak = float(other_thing if pair.lead.noun != pair.member.noun else other_place)
    return Mark(thing, place, thing * place, leak, float(np.sqrt(np.mean((seen.latent - whole.latent) ** 2))))


def measure(course: Course, pairs: Sequence[Pair], find: Find) -> Curve:
    """The curve over those of `pairs` whose pictures are all there."""
    whole = [pair for pair in pairs if all(find(picture) is not None for picture in pictures(course, [pair]))]
    alone_for = {
        steps: _marks(whole, [_alone(pair, course, steps) for pair in whole], course, find)
        for steps in course.lengths_alone()
    }
    spots = tuple(_spot(course, whole, after, alone_for, find) for after in course.shared)
    return Curve(len(whole), spots, {steps: _estimates(marks) for steps, marks in alone_for.items()})


Marks = dict[str, np.ndarray]
"""Each field of Mark, one number a pair."""


def _spot(course: Course, pairs: Sequence[Pair], after: int, alone_for: dict[int, Marks], find: Find) -> Spot:
    own = _marks(pairs, [member_of(pair, course, after) for pair in pairs], course, find)
    equal, against, farther = {}, {}, {}
    for size in GROUP_SIZES:
        less, more, share = whole_steps(course.calls(after, size))
        rival = {name: (1 - share) * alone_for[less][name] + share * alone_for[more][name] for name in own}
        equal[size] = _estimates(rival)
        against[size] = bootstrapped(own["both"] - rival["both"])
        farther[size] = bootstrapped(own["distance"] - rival["distance"])
    difference = bootstrapped(own["both"] - alone_for[course.steps]["both"])
    return Spot(after, _estimates(own), difference, equal, against, farther)


def _marks(pairs: Sequence[Pair], made: Sequence[Picture], course: Course, find: Find) -> Marks:
    found = []
    for pair, picture in zip(pairs, made, strict=True):
        seen, whole = find(picture), find(_alone(pair, course, course.steps))
        assert seen is not None and whole is not None
        found.append(mark(pair, seen, whole))
    return {name: np.asarray([getattr(one, name) for one in found]) for name in Mark.__dataclass_fields__}


def _alone(pair: Pair, course: Course, steps: int) -> Picture:
    return alone(pair.member.prompt, pair.seed, course.scheduler, steps)


def _estimates(marks: Marks) -> dict[str, Estimate]:
    return {name: bootstrapped(values) for name, values in marks.items()}
