"""The study: what is made, in which order, and the report that comes of it.

Each part says which pictures it needs (given what is known so far) and writes its lines from what there is. Never
here: making pictures (`making.py`), or any one part's arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from examples.quality import curve, deciding, far, sets, sets_report
from examples.quality.archive import Archive
from examples.quality.curve import Course, Curve
from examples.quality.making import Thing
from examples.quality.pairs import KINDS, Kind, Pair, pairs
from examples.quality.pictures import Picture, alone
from examples.quality.planners import Planner
from examples.quality.sets import Gathering
from examples.quality.sets_report import Fared, Shared
from peerd_protocol.plan import Quality

STEPS = 11
SCHEDULERS = ("ddim", "euler_a")
MEMBERS = 204
"""Members of the curve, each with a near, a middle and a far lead: 204 pairs of each class."""
ROUND = 34
SHORT_MEMBERS = 100
SHORT = tuple(Course(scheduler, steps, blended=True) for scheduler in ("lcm", "tcd") for steps in (4, 8))
EIGHTS, CROWDS, SEEDS = 30, 4, 30
Way = tuple[str, Quality, int | None, bool]
"""A name, the wish, a fixed number of steps instead of the calibrated one, and whether blended."""
CALIBRATED: tuple[Way, ...] = (
    ("calibrated, balanced", "balanced", None, True),
    ("calibrated, fast", "fast", None, True),
)
FIXED: tuple[Way, ...] = (
    ("5 of 11 for all", "balanced", 5, True),
    ("5 of 11 for all, by the lead's prompt", "balanced", 5, False),
)
Name = tuple[str, str]
"""The kind of a set with its scheduler, and the way it shares."""
Rounds = Sequence[Iterable[Thing]]


@dataclass
class Study:
    """One model, judge and planner; `archive` grows while parts are made."""

    archive: Archive
    planner: Planner

    @property
    def parts(self) -> list[tuple[str, Callable[[], Rounds]]]:
        """What to make, in the order of weight; a part is asked when those before it are made."""
        return [
            ("curve", lambda: self._curve_rounds(blended=True)),
            (
                "sets of 8",
                lambda: [list(sets_report.pictures(self.eights[name], equal_calls=True)) for name in self.eights],
            ),
            ("trees", lambda: [list(sets_report.pictures(self.trees[name], equal_calls=False)) for name in self.trees]),
            ("looks", lambda: [self._looks()]),
            ("who decides", lambda: [list(self._decided())]),
            ("curve of the lead's prompt", lambda: self._curve_rounds(blended=False)),
            (
                "seeds",
                lambda: [[one for pair in self.all_pairs[:SEEDS] for one in _two_seeds(pair, Course("ddim", STEPS))]],
            ),
            ("short runs", lambda: [list(curve.pictures(course, self.short_pairs)) for course in SHORT]),
        ]

    @cached_property
    def all_pairs(self) -> list[Pair]:
        """Of all classes, member by member."""
        return pairs(MEMBERS)

    @cached_property
    def short_pairs(self) -> list[Pair]:
        """The near pairs of the first members."""
        return [pair for pair in self.all_pairs[: 3 * SHORT_MEMBERS] if pair.kind == "near"]

    def curves(self, course: Course) -> dict[Kind, Curve]:
        """The curve as far as it is known, by class."""
        return {
            kind: curve.measure(course, [pair for pair in self.all_pairs if pair.kind == kind], self.archive.find)
            for kind in KINDS
        }

    def short_curves(self, course: Course) -> dict[Kind, Curve]:
        """The curve of a short run, over near pairs."""
        return {"near": curve.measure(course, self.short_pairs, self.archive.find)}

    def seeds_apart(self) -> float:
        """The mean distance of two seeds of one prompt, over the first members."""
        course = Course(SCHEDULERS[0], STEPS)
        found = []
        for pair in self.all_pairs[:SEEDS]:
            seen = [self.archive.find(one) for one in _two_seeds(pair, course)]
            if None not in seen:
                found.append(float(np.sqrt(np.mean((seen[0].latent - seen[1].latent) ** 2))))  # type: ignore[union-attr]
        return float(np.mean(found)) if found else float("nan")

    @cached_property
    def eights(self) -> dict[Name, list[Shared]]:
        """Sets of eight kin things, each scheduler and way."""
        return self._carried_out(sets.eights(EIGHTS), (*CALIBRATED, *FIXED))

    @cached_property
    def trees(self) -> dict[Name, list[Shared]]:
        """Sets of 16 to 32: wishes said in many ways, and any things."""
        wished = self._carried_out(sets.wishes(CROWDS), (*CALIBRATED, FIXED[0]))
        any_things = self._carried_out(sets.crowds(CROWDS), CALIBRATED)
        named = {(f"{scheduler}, ways", way): found for (scheduler, way), found in wished.items()}
        return named | {(f"{scheduler}, things", way): found for (scheduler, way), found in any_things.items()}

    def fared(self, shared: dict[Name, list[Shared]]) -> list[Fared]:
        """What became of the sets, a row each way."""
        return [sets_report.fared(name, found, self.archive.find) for name, found in shared.items()]

    def sorted_out(self) -> list[far.Sorted]:
        """What the planner lets share, by class."""
        return [
            far.sort_out(
                kind, lambda a, b: self.planner.steps(a, b, SCHEDULERS[0], STEPS, "fast"), self.planner.similarity
            )
            for kind in KINDS
        ]

    def linked(self, scheduler: str) -> list[Pair]:
        """Near and middle pairs that the planner lets share."""
        return [
            pair for pair in self.all_pairs
            if pair.kind != "far" and self.planner.steps(pair.lead, pair.member, scheduler, STEPS, "fast") > 0
        ]  # fmt: skip

    def ways(self, scheduler: str) -> tuple[list[deciding.Way], list[deciding.Way], list[deciding.Way]]:
        """Who may decide, with this scheduler: fixed numbers, the table, the probe."""
        course = Course(scheduler, STEPS, blended=True)

        def table(pair: Pair, wish: Quality) -> int:
            return self.planner.steps(pair.lead, pair.member, scheduler, STEPS, wish)

        def probe(pair: Pair, wish: Quality) -> int:
            return self.planner.probed(pair, scheduler, STEPS, wish, lambda step: self._seen(pair, course, step))

        seen = [
            pair for pair in self.linked(scheduler)
            if all(self._seen(pair, course, step) is not None for step in self.planner.looks(scheduler, STEPS))
        ]  # fmt: skip
        return deciding.ways(seen, table, probe if self.planner.looks(scheduler, STEPS) else None)

    def compared(self, scheduler: str) -> list[deciding.Compared]:
        """The table against fixed numbers and the probe against the table, at equal calls."""
        course, (fixed, tables, probes) = Course(scheduler, STEPS, blended=True), self.ways(scheduler)
        if not tables[0].steps:
            return []
        find = self.archive.find
        rows = [deciding.compare(course, way, fixed, "fixed", find) for way in tables]
        rows += [deciding.compare(course, way, [*tables, fixed[0]], "table", find) for way in probes]
        return rows + [deciding.compare(course, way, fixed, "fixed", find) for way in probes]

    def _carried_out(self, gatherings: Sequence[Gathering], ways: Sequence[Way]) -> dict[Name, list[Shared]]:
        return {
            (scheduler, name): [
                self.planner.share(one, scheduler, STEPS, wish, fixed=fixed, blended=blended) for one in gatherings
            ]
            for scheduler in SCHEDULERS
            for name, wish, fixed, blended in ways
        }

    def _curve_rounds(self, *, blended: bool) -> Rounds:
        courses = [Course(scheduler, STEPS, blended) for scheduler in SCHEDULERS]
        step = 3 * ROUND
        return [
            [picture for course in courses for picture in curve.pictures(course, self.all_pairs[i : i + step])]
            for i in range(0, len(self.all_pairs), step)
        ]

    def _looks(self) -> list[Thing]:
        return [
            deciding.look_of(pair, Course(scheduler, STEPS, blended=True), step)
            for scheduler in SCHEDULERS
            for step in self.planner.looks(scheduler, STEPS)
            for pair in self.linked(scheduler)
        ]

    def _decided(self) -> Iterator[Thing]:
        for scheduler in SCHEDULERS:
            fixed, tables, probes = self.ways(scheduler)
            yield from deciding.pictures(Course(scheduler, STEPS, blended=True), [*fixed, *tables, *probes])

    def _seen(self, pair: Pair, course: Course, step: int) -> float | None:
        return self.archive.difference(deciding.look_of(pair, course, step))


def _two_seeds(pair: Pair, course: Course) -> list[Picture]:
    return [alone(pair.member.prompt, seed, course.scheduler, course.steps) for seed in (pair.seed, pair.seed + 500)]
