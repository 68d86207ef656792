"""The goals, and what was reached of each, and why not. Never here: measuring, or a goal bent to what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from examples.quality.curve import GROUP_SIZES, Course, whole_steps
from examples.quality.curve_report import Curves, plain
from examples.quality.deciding import Compared
from examples.quality.far import Sorted
from examples.quality.sets_report import Fared

CALLS_OF_EIGHT, POINTS_OF_EIGHT = 0.39, 0.01
CALLS_OF_TREES, POINTS_OF_TREES = 0.50, 0.03
SAID = {True: "yes", False: "**no**", None: "not measured"}


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal; `reached` None: not measured yet. `why`: what the figures say of a goal that isn't reached."""

    asked: str
    measured: str
    reached: bool | None
    why: str = ""


def goals(
    curves: Mapping[Course, Curves],
    eights: Sequence[Fared],
    trees: Sequence[Fared],
    sorted_out: Sequence[Sorted],
    compared: Mapping[str, Sequence[Compared]],
) -> list[Goal]:
    """All of them."""
    eight = "sets of 8 near: 39 % fewer calls, within 1 point of alone"
    tree = "trees on sets of 16 to 32: 50 % fewer calls, within 3 points of alone"
    return [
        *_equal_calls(curves),
        *(_saving(f"{kind}, {eight}", rows, CALLS_OF_EIGHT, POINTS_OF_EIGHT) for kind, rows in _by_kind(eights)),
        *(_saving(f"{kind}, {tree}", rows, CALLS_OF_TREES, POINTS_OF_TREES) for kind, rows in _by_kind(trees)),
        *(_far(row) for row in sorted_out if row.kind == "far"),
        *(probe(name, rows) for name, rows in compared.items()),
    ]  # fmt: skip


def goals_table(found: Sequence[Goal]) -> list[str]:
    """As Markdown."""
    rows = [f"| {goal.asked} | {goal.measured} | {SAID[goal.reached]} | {goal.why} |" for goal in found]
    return ["| goal | measured | reached | why not |", "|---|---|---|---|", *rows]


def _equal_calls(measured: Mapping[Course, Curves]) -> Iterator[Goal]:
    for course, curves in measured.items():
        near = curves["near"]
        for size in GROUP_SIZES:
            asked = (
                f"{course.scheduler}, near, {size} members: shared beats alone at equal calls, along the whole curve"
            )
            if not near.pairs:
                yield Goal(asked, "", None)
                continue
            spots = [spot for spot in near.spots if spot.after]
            said = "; ".join(f"{spot.after} of {course.steps}: {spot.against_equal[size].signed()}" for spot in spots)
            least = whole_steps(course.calls(spots[-1].after, size))[0]
            full, few = near.alone[course.steps]["both"].points(), near.alone[least]["both"].points()
            level = max((spot.after for spot in spots if spot.against_equal[size].high >= 0), default=0)
            why = (
                f"level up to {level} of {course.steps}; beyond, the own steps are too few to turn the picture, while "
                f"steps left out alone cost less: as asked {full} with {course.steps}, {few} with {least}"
            )
            reached = all(spot.against_equal[size].low > 0 for spot in spots)
            yield Goal(asked, said, reached, "" if reached else why)
            asked = f"{course.scheduler}, near, {size} members: nearer to the picture made alone, at equal calls"
            said = "; ".join(f"{spot.after} of {course.steps}: {plain(spot.farther[size])}" for spot in spots)
            reached = all(spot.farther[size].high < 0 for spot in spots)
            where = [f"{spot.after}" for spot in spots if spot.farther[size].high < 0]
            yield Goal(
                asked, said, reached, "" if reached else f"nearer at {', '.join(where) or 'none'} of {course.steps}"
            )


def _by_kind(rows: Sequence[Fared]) -> Iterator[tuple[str, list[Fared]]]:
    """The ways of sharing one kind of sets with one scheduler."""
    for kind in dict.fromkeys(row.kind for row in rows):
        yield kind, [row for row in rows if row.kind == kind]


def _saving(asked: str, rows: Sequence[Fared], calls: float, points: float) -> Goal:
    """Reached if one way of sharing saves enough and loses little enough."""
    known = [row for row in rows if row.sets]
    if not known:
        return Goal(asked, "", None)
    said = "; ".join(f"{row.way}: {100 * row.saved.mean:.1f} % fewer, {row.difference.signed()}" for row in known)
    if any(row.saved.mean >= calls and row.difference.mean >= -points for row in known):
        return Goal(asked, said, True)
    within = max((row.saved.mean for row in known if row.difference.mean >= -points), default=0.0)
    enough = max((row.difference.mean for row in known if row.saved.mean >= calls), default=None)
    why = f"within {100 * points:.0f} of alone, {100 * within:.1f} % fewer"
    why += (
        "; no way saved enough" if enough is None else f"; with {100 * calls:.0f} % fewer, {100 * enough:+.1f} points"
    )
    return Goal(asked, said, False, why)


def _far(row: Sorted) -> Goal:
    why = "; ".join(row.linked_ones)
    return Goal("far pairs refused, 100 %", f"{row.pairs - row.linked} of {row.pairs}", row.linked == 0, why)


def probe(scheduler: str, all_rows: Sequence[Compared]) -> Goal:
    """Reached if under no wish it is worse in the mean, and under each it says both: the table's answer and another."""
    asked = f"{scheduler}: the probe at least as good as the table, at equal calls"
    rows = [row for row in all_rows if row.rival == "table"]
    if not all_rows:
        return Goal(asked, "", None)
    if not rows:
        why = "calibrating found no look that is worth its calls, so the table decides: what looks could bring is below"
        return Goal(asked, "nobody is probed", False, why)
    said = "; ".join(
        f"{row.way}, {row.calls:.2f} calls, otherwise than the table for {row.unlike} of {row.difference.pairs}: "
        f"{row.difference.signed()}"
        for row in rows
    )
    worse = [_worse(row) for row in rows if row.difference.mean < 0]
    idle = [f"{row.way} always says what the table says" for row in rows if not row.unlike]
    idle += [f"{row.way} never says what the table says" for row in rows if row.unlike == row.difference.pairs]
    return Goal(asked, said, not worse and not idle, "; ".join(worse + idle))


def _worse(row: Compared) -> str:
    """By how much of its own doing, and how much by what its looks cost."""
    seen = "" if row.difference.high < 0 else " in the mean, though no difference is seen"
    why = f"{row.way} is worse{seen}"
    if row.unpaid is None:
        return f"{why}; were its looks free, it would make fewer calls than any table"
    return f"{why}: what looks foresee brings less than they cost (looks.md); were they free, {row.unpaid.signed()}"
