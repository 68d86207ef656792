"""Who decides how long a pair shares: one fixed number, the calibrated table, or the probe; each at equal calls.

Pairs that the planner keeps apart are not looked at. Never here: the table or the probe's rule (`peerd.planning`,
`peerd.engine.departures`), or how a probe is fitted that is only asked for (`asked_probe.py`); here their answers are
carried out and marked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from examples.quality.curve import Course, Find, member_of
from examples.quality.pairs import Pair
from examples.quality.pictures import Look, Picture
from examples.quality.statistics import Estimate, bootstrapped
from examples.quality.vocabulary import PLACE_NAMES, THINGS
from peerd_protocol.plan import Quality

WISHES: tuple[Quality, ...] = ("strict", "balanced", "fast")
MEMBERS = 2
"""Calls are counted as in a group of so many: it is pairs that are looked at, and a pair leaves together."""
LOOK_CALLS = 0.5
"""A look at one member: a prediction without its negative half."""
FIXED = (0, 3, 5, 7, 9)
"""The numbers of steps that are tried for everyone alike."""

BOUNDS = 10
"""Differences that are tried as the bound between leaving early and late."""

CALLS_APART = 0.005
"""Calls a picture that a rival may make more or fewer before it is said: what rounding hides."""

Steps = Mapping[Pair, int]
Judgement = Callable[[Pair, Quality], int]
"""After which step a pair's member leaves under a wish."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of deciding: after which step each pair's member leaves, and how many looks that took."""

    name: str
    steps: Steps
    looks: int = 0
    wish: Quality | None = None

    def calls(self, total: int) -> float:
        """Mean denoiser calls a picture in a group of MEMBERS."""
        shared = sum(self.steps.values()) / len(self.steps)
        return total - shared * (1 - 1 / MEMBERS) + LOOK_CALLS * self.looks / len(self.steps)


@dataclass(frozen=True, slots=True)
class Compared:
    """A way, and the difference to another one at the same calls."""

    way: str
    calls: float
    asked: Estimate
    rival: str
    rival_asked: Estimate
    difference: Estimate
    wish: Quality | None = None
    rival_calls: float = 0.0
    """What the rivals make, where no mixture of them makes as many calls."""
    unlike: int = 0
    """Pairs for which a rival of the same wish decided otherwise."""
    unpaid: Estimate | None = None
    """The difference if looks cost nothing: what foresight alone brings. None: nobody looked, or no mixture of rivals
    makes so few calls."""

    @property
    def calls_apart(self) -> bool:
        """Whether no mixture of the rivals makes as many calls."""
        return abs(self.rival_calls - self.calls) > CALLS_APART


@dataclass(frozen=True, slots=True)
class Kept:
    """What a wish cost on pairs that calibration never saw: how much less often a picture is as asked than alone."""

    way: str
    wish: Quality
    pairs: int
    shared: float
    """Mean steps."""
    lost: Estimate


def look_of(pair: Pair, course: Course, step: int) -> Look:
    """The probe's look at a pair; any handoff at or after it has the same beginning."""
    return Look(member_of(pair, course, max(step, course.steps - 1)), step)


def pictures(course: Course, ways: Sequence[Way]) -> Iterator[Picture]:
    """All that these ways lead to."""
    for way in ways:
        for pair, step in way.steps.items():
            yield member_of(pair, course, step)


def compare(course: Course, way: Way, rivals: Sequence[Way], rival_name: str, find: Find) -> Compared:
    """The way against the mixture of its two rivals nearest in calls that makes as many calls in the mean."""
    calls = way.calls(course.steps)
    offered = [rival.calls(course.steps) for rival in rivals]
    less, more, share = mixture(calls, offered)
    own, few, many = (_marks(course, one, find) for one in (way, rivals[less], rivals[more]))
    whole = [pair for pair in own if pair in few and pair in many]
    mixed = {pair: (1 - share) * few[pair] + share * many[pair] for pair in whole}
    return Compared(
        way.name, calls, bootstrapped([own[pair] for pair in whole]), rival_name, bootstrapped(list(mixed.values())),
        bootstrapped([own[pair] - mixed[pair] for pair in whole]), way.wish,
        (1 - share) * offered[less] + share * offered[more],
        sum(way.steps[pair] != rival.steps[pair] for rival in rivals if way.wish and rival.wish == way.wish
            for pair in way.steps),
        _unpaid(compare(course, replace(way, looks=0), rivals, rival_name, find)) if way.looks else None,
    )  # fmt: skip


def _unpaid(free: Compared) -> Estimate | None:
    return None if free.calls_apart else free.difference


def kept(course: Course, way: Way, find: Find) -> Kept | None:
    """What a way's wish cost; None where nothing of it is known."""
    own = _marks(course, way, find)
    alone = _marks(course, Way("alone", dict.fromkeys(own, 0)), find)
    lost = [alone[pair] - own[pair] for pair in alone]
    if way.wish is None or not lost:
        return None
    return Kept(way.name, way.wish, len(lost), sum(way.steps[pair] for pair in alone) / len(lost), bootstrapped(lost))


def mixture(calls: float, offered: Sequence[float]) -> tuple[int, int, float]:
    """Which two of `offered` to mix, and the share of the second, so that the mean is `calls`; the nearest if none."""
    order = sorted(range(len(offered)), key=lambda i: offered[i])
    below = [i for i in order if offered[i] <= calls]
    above = [i for i in order if offered[i] > calls]
    if not below or not above:
        only = below[-1] if below else above[0]
        return only, only, 0.0
    less, more = below[-1], above[0]
    return less, more, (calls - offered[less]) / (offered[more] - offered[less])


def as_asked(pair: Pair, course: Course, after: int, find: Find) -> float | None:
    """Whether the member's picture shows what was asked for; None if it is not known."""
    seen = find(member_of(pair, course, after))
    asked = (pair.member.noun, pair.member.place)
    return None if seen is None else float((THINGS[seen.thing], PLACE_NAMES[seen.place]) == asked)


def in_hindsight(course: Course, step: int, differences: Mapping[Pair, float | None], find: Find) -> Compared | None:
    """The most that a look in this step could bring: the best of all ways in which the nearer pairs leave later.

    Told the outcome, it chooses whatever does best against fixed numbers at equal calls, its looks included: a probe
    that has to choose two of these numbers beforehand does no better. None where too little is known.
    """
    known = {pair: near for pair, near in differences.items() if near is not None}
    fixed = [Way(f"fixed {after}", dict.fromkeys(known, after)) for after in FIXED]
    ordered = sorted(known.values())
    found = [
        compare(course, Way(f"look in step {step}, {late} or {early}", steps, len(steps)), fixed, "fixed", find)
        for early, late in itertools.combinations([after for after in FIXED if after >= step], 2)
        for bound in ordered[:: max(1, len(ordered) // BOUNDS)]
        for steps in [{pair: late if near <= bound else early for pair, near in known.items()}]
    ]
    return max(found, key=lambda row: row.difference.mean, default=None)


def _marks(course: Course, way: Way, find: Find) -> dict[Pair, float]:
    found = {pair: as_asked(pair, course, step, find) for pair, step in way.steps.items()}
    return {pair: asked for pair, asked in found.items() if asked is not None}


def ways(
    pairs: Sequence[Pair], table: Judgement, probes: Mapping[str, tuple[Judgement, Collection[Quality]]]
) -> tuple[list[Way], list[Way], list[Way]]:
    """Fixed numbers, the table under each wish, each probe under the wishes under which it looks."""
    fixed = [Way(f"fixed {step}", dict.fromkeys(pairs, step)) for step in FIXED]
    tables = [Way(f"table, {wish}", {pair: table(pair, wish) for pair in pairs}, wish=wish) for wish in WISHES]
    probed = [
        Way(f"{name}, {wish}", {pair: probe(pair, wish) for pair in pairs},
            sum(table(pair, wish) > 0 for pair in pairs), wish)
        for name, (probe, wishes) in probes.items()
        for wish in wishes
    ]  # fmt: skip
    return fixed, tables, probed
