"""How well sets of requests fare: the planner's trees, carried out, against everyone alone and alone at equal calls.

Never here: which sets there are (`sets.py`) or the pictures themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from examples.quality.archive import Seen
from examples.quality.curve import whole_steps
from examples.quality.pairs import Scene
from examples.quality.pictures import Picture, alone, calls_together
from examples.quality.sets import Gathering
from examples.quality.statistics import Estimate, bootstrapped, verdict
from examples.quality.vocabulary import PLACE_NAMES, THINGS

Find = Callable[[Picture], Seen | None]
HEAD = ("how they share", "sets", "pictures", "calls saved", "as asked, alone", "as asked, shared", "shared - alone",
        "another member's thing seen", "shared - alone at equal calls")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shared:
    """One gathering carried out one way: the pictures in the order of its scenes."""

    gathering: Gathering
    pictures: tuple[Picture, ...]

    @property
    def total(self) -> int:
        """Steps of each run."""
        return self.pictures[0].total

    @property
    def calls(self) -> int:
        """Denoiser calls of all of it, counted as they are made."""
        return calls_together(self.pictures)

    def alone(self, steps: int) -> list[Picture]:
        """The same pictures made alone."""
        scheduler = self.pictures[0].scheduler
        return [alone(scene.prompt, self.gathering.seed, scheduler, steps) for scene in self.gathering.scenes]

    @property
    def equal(self) -> tuple[int, int, float]:
        """Steps that each may run alone with as many calls: two numbers, and the share of the second."""
        return whole_steps(self.calls / len(self.pictures))


@dataclass(frozen=True, slots=True)
class Fared:
    """What became of all sets shared one way; every mean is over sets, redrawn whole, since one seed joins a set."""

    kind: str
    way: str
    sets: int
    pictures: int
    saved: Estimate
    alone: Estimate
    shared: Estimate
    difference: Estimate
    leak: Estimate
    against_equal: Estimate


def pictures(sets: Iterable[Shared], *, equal_calls: bool) -> Iterator[Picture]:
    """All that is looked at; alone at equal calls, where that is wanted."""
    for one in sets:
        yield from one.pictures
        yield from one.alone(one.total)
        if equal_calls:
            yield from one.alone(one.equal[0])
            yield from one.alone(one.equal[1])


def fared(name: tuple[str, str], sets: Sequence[Shared], find: Find) -> Fared:
    """The figures over those sets whose pictures are all there; `name` is their kind and the way they share."""
    whole = [one for one in sets if all(find(picture) for picture in pictures([one], equal_calls=False))]
    rivalled = [one for one in whole if all(find(picture) for picture in pictures([one], equal_calls=True))]
    own = {one: [_asked(*both, find) for both in zip(one.gathering.scenes, one.pictures, strict=True)] for one in whole}
    full = {one: _alone(one, one.total, find) for one in whole}
    equal = {one: _at_equal_calls(one, find) for one in rivalled}

    def over_sets(values: Callable[[Shared], Sequence[float]], those: Sequence[Shared] = whole) -> Estimate:
        return bootstrapped({one: values(one) for one in those})

    return Fared(
        *name, len(whole), sum(len(one.pictures) for one in whole),
        over_sets(lambda one: [1 - one.calls / (one.total * len(one.pictures))]),
        over_sets(lambda one: full[one]), over_sets(lambda one: own[one]),
        over_sets(lambda one: [a - b for a, b in zip(own[one], full[one], strict=True)]),
        over_sets(lambda one: _leaks(one, find)),
        over_sets(lambda one: [a - b for a, b in zip(own[one], equal[one], strict=True)], rivalled),
    )  # fmt: skip


def table(rows: Sequence[Fared]) -> list[str]:
    """As Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    for row in rows:
        rival = f"{row.against_equal.signed()} ({verdict(row.against_equal)})" if row.against_equal.pairs else ""
        cells = (f"{row.kind}: {row.way}", str(row.sets), str(row.pictures), row.saved.points(), row.alone.points(),
                 row.shared.points(), row.difference.signed(), row.leak.points(), rival)  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _asked(scene: Scene, picture: Picture, find: Find) -> float:
    seen = find(picture)
    assert seen is not None
    return float((THINGS[seen.thing], PLACE_NAMES[seen.place]) == (scene.noun, scene.place))


def _alone(one: Shared, steps: int, find: Find) -> list[float]:
    return [_asked(*both, find) for both in zip(one.gathering.scenes, one.alone(steps), strict=True)]


def _at_equal_calls(one: Shared, find: Find) -> list[float]:
    less, more, share = one.equal
    both = zip(_alone(one, less, find), _alone(one, more, find), strict=True)
    return [(1 - share) * few + share * many for few, many in both]


def _leaks(one: Shared, find: Find) -> list[float]:
    others = {scene.noun for scene in one.gathering.scenes}
    found = []
    for scene, picture in zip(one.gathering.scenes, one.pictures, strict=True):
        seen = find(picture)
        assert seen is not None
        found.append(float(THINGS[seen.thing] in others - {scene.noun}))
    return found
