"""The goals, and what was reached of each, and why not. Never here: measuring, or a goal bent to what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from examples.quality.curve import GROUP_SIZES, Course, whole_steps
from examples.quality.curve_report import Curves
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
    eight = "8 near: 39 % fewer calls, within 1 point of alone"
    tree = "trees on 16 to 32: 50 % fewer calls, within 3 points of alone"
    return [
        *_equal_calls(curves),
        *(_saving(eight, row, CALLS_OF_EIGHT, POINTS_OF_EIGHT) for row in eights if "calibrated" in row.name),
        *(_saving(tree, row, CALLS_OF_TREES, POINTS_OF_TREES) for row in trees if "calibrated" in row.name),
        *(_far(row) for row in sorted_out if row.kind == "far"),
        *(_probe(name, [row for row in rows if row.rival == "table"]) for name, rows in compared.items()),
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
            why = (
                f"steps left out alone cost this model little: as asked {full} with {course.steps}, {few} with {least}"
            )
            reached = all(spot.against_equal[size].low > 0 for spot in spots)
            yield Goal(asked, said, reached, "" if reached else why)


def _saving(asked: str, row: Fared, calls: float, points: float) -> Goal:
    if not row.sets:
        return Goal(f"{asked} ({row.name})", "", None)
    why = []
    if row.saved.mean < calls:
        why.append("the planner lets them share too few steps for that")
    if row.difference.mean < -points:
        why.append("steps shared beyond that cost more than was wished")
    measured = f"{row.saved.points()} % fewer, {row.difference.signed()} points"
    return Goal(f"{asked} ({row.name})", measured, not why, "; ".join(why))


def _far(row: Sorted) -> Goal:
    why = "; ".join(row.linked_ones)
    return Goal("far pairs refused, 100 %", f"{row.pairs - row.linked} of {row.pairs}", row.linked == 0, why)


def _probe(scheduler: str, rows: Sequence[Compared]) -> Goal:
    asked = f"{scheduler}: the probe at least as good as the table, at equal calls"
    if not rows:
        return Goal(asked, "", None)
    said = "; ".join(f"{row.way}, {row.calls:.2f} calls: {row.difference.signed()}" for row in rows)
    worse = [row.way for row in rows if row.difference.mean < 0]
    return Goal(asked, said, not worse, f"worse: {', '.join(worse)}" if worse else "")
