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
from examples.quality.statistics import Estimate, ranked
from peerd_protocol.plan import Quality

STEPS = 11
SCHEDULERS = ("ddim", "euler_a")
MEMBERS = 204
"""Members of the curve, each with a near, a middle and a far lead: 204 pairs of each class."""
ROUND = 34
SHORT_MEMBERS = 100
LOOKS = (1, 4)
"""Where a look's foresight is measured, whether or not the calibration makes use of it."""
SHORT = tuple(Course(scheduler, steps, blended=True) for scheduler in ("lcm", "tcd") for steps in (4, 8))
EIGHTS, CROWDS, SEEDS = 30, 4, 30
WISHES: tuple[Quality, ...] = ("balanced", "fast")
FIXED = 5
PROBE, ASKED = "probe", "probe asked for"
"""Where calibration found one that is worth its calls, and where it did not."""
DECIDING = ("looks", "who decides")
"""The parts of which the page's section on who decides is made."""
Name = tuple[str, str]
"""The kind of a set with its scheduler, and the way it shares."""
Rounds = Sequence[Iterable[Thing]]


@dataclass
class Study:
    """One model, judge and planner; `archive` grows while parts are made."""

    archive: Archive
    planner: Planner
    asked: Planner
    """The same planner where everyone asks for a probe, worth its calls or not."""

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
            (
                "seeds",
                lambda: [[one for pair in self.all_pairs[:SEEDS] for one in _two_seeds(pair, Course("ddim", STEPS))]],
            ),
            ("short runs", lambda: [list(curve.pictures(course, self.short_pairs)) for course in SHORT]),
            ("curve of the lead's prompt", lambda: self._curve_rounds(blended=False)),
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
        near = sets.eights(EIGHTS)
        return {
            (scheduler, way): found
            for scheduler in SCHEDULERS
            for way, found in (self._planned(scheduler, near) | self._one_group(scheduler, near)).items()
        }

    @cached_property
    def trees(self) -> dict[Name, list[Shared]]:
        """Sets of 16 to 32: wishes said in many ways, and any things."""
        return {
            (f"{scheduler}, {kind}", way): found
            for kind, gatherings in (("ways", sets.wishes(CROWDS)), ("things", sets.crowds(CROWDS)))
            for scheduler in SCHEDULERS
            for way, found in self._planned(scheduler, gatherings).items()
        }

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

        def judgement(prober: Planner) -> deciding.Judgement:
            return lambda pair, wish: prober.probed(
                pair, scheduler, STEPS, wish, lambda step: self._seen(pair, course, step)
            )

        usual = self.planner.probed_wishes(scheduler, STEPS)
        unusual = [wish for wish in self.asked.probed_wishes(scheduler, STEPS) if wish not in usual]
        probes = {PROBE: (judgement(self.planner), usual), ASKED: (judgement(self.asked), unusual)}
        seen = [
            pair for pair in self.linked(scheduler)
            if all(self._seen(pair, course, step) is not None for step in self._probed_steps(scheduler))
        ]  # fmt: skip
        return deciding.ways(seen, table, probes)

    def hindsight(self, scheduler: str) -> list[deciding.Compared]:
        """The best that looks could bring, whatever the calibration makes of them."""
        course, pairs = Course(scheduler, STEPS, blended=True), self.linked(scheduler)
        found = [
            deciding.in_hindsight(
                course, step, {pair: self._seen(pair, course, step) for pair in pairs}, self.archive.find
            )
            for step in LOOKS
        ]
        return [row for row in found if row is not None]

    def foresight(self, scheduler: str, after: int) -> list[tuple[str, Estimate]]:
        """How well each knows beforehand whose picture is as asked after so many blended steps, of those linked."""
        course = Course(scheduler, STEPS, blended=True)
        outcome = {pair: deciding.as_asked(pair, course, after, self.archive.find) for pair in self.linked(scheduler)}
        known = [pair for pair, asked in outcome.items() if asked is not None]
        good = [bool(outcome[pair]) for pair in known]
        found = [("similarity", ranked([self.planner.similarity(pair.lead, pair.member) for pair in known], good))]
        for step in LOOKS:
            seen = {pair: self._seen(pair, course, step) for pair in known}
            if known and None not in seen.values():
                found.append((f"a look in step {step}", ranked([-float(seen[pair] or 0) for pair in known], good)))
        return found if known else []

    def compared(self, scheduler: str) -> list[deciding.Compared]:
        """The table against fixed numbers and the probe against the table, at equal calls."""
        course, (fixed, tables, probes) = Course(scheduler, STEPS, blended=True), self.ways(scheduler)
        if not tables[0].steps:
            return []
        find = self.archive.find
        rows = [deciding.compare(course, way, fixed, "fixed", find) for way in tables]
        rows += [deciding.compare(course, way, [*tables, fixed[0]], "table", find) for way in probes]
        return rows + [deciding.compare(course, way, fixed, "fixed", find) for way in probes]

    def wishes_kept(self, scheduler: str) -> list[deciding.Kept]:
        """What the table's and the probe's answers cost under each wish, by the judge."""
        course, (_, tables, probes) = Course(scheduler, STEPS, blended=True), self.ways(scheduler)
        found = [deciding.kept(course, way, self.archive.find) for way in (*tables, *probes)]
        return [row for row in found if row is not None]

    def _planned(self, scheduler: str, gatherings: Sequence[Gathering]) -> dict[str, list[Shared]]:
        """By wish: as the planner shares them, with what the calibration allows."""
        return {
            f"planned, {wish}": [self.planner.share(one, scheduler, STEPS, wish) for one in gatherings]
            for wish in WISHES
        }

    def _one_group(self, scheduler: str, gatherings: Sequence[Gathering]) -> dict[str, list[Shared]]:
        """Everyone leaves after FIXED steps, of a blended beginning or one by a member's prompt."""
        return {
            f"one group, {FIXED} of {STEPS}{how}": [
                self.planner.one_group(one, scheduler, STEPS, FIXED, blended=blended) for one in gatherings
            ]
            for how, blended in (("", True), (", by the lead's prompt", False))
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
            for step in sorted({*LOOKS, *self._probed_steps(scheduler)})
            for pair in self.linked(scheduler)
        ]

    def _probed_steps(self, scheduler: str) -> set[int]:
        return {step for one in (self.planner, self.asked) for step in one.looks(scheduler, STEPS)}

    def _decided(self) -> Iterator[Thing]:
        for scheduler in SCHEDULERS:
            fixed, tables, probes = self.ways(scheduler)
            yield from deciding.pictures(Course(scheduler, STEPS, blended=True), [*fixed, *tables, *probes])

    def _seen(self, pair: Pair, course: Course, step: int) -> float | None:
        return self.archive.difference(deciding.look_of(pair, course, step))


def _two_seeds(pair: Pair, course: Course) -> list[Picture]:
    return [alone(pair.member.prompt, seed, course.scheduler, course.steps) for seed in (pair.seed, pair.seed + 500)]
