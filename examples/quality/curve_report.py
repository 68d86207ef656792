"""The curve as tables and charts. Never here: measuring it (`curve.py`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from examples.quality.curve import GROUP_SIZES, Course, Curve, Spot
from examples.quality.pairs import KINDS, Kind
from examples.quality.statistics import Estimate, verdict
from examples.quality.svg import Line, Panel, Point, chart

Curves = Mapping[Kind, Curve]
"""One scheduler's curve, by class of pair."""

HEAD = ("pairs", "shared steps", "thing right", "place right", "leak", "distance", "both: against alone",
        "calls saved, 2 / 8 members", "both: against alone at equal calls, 2 members", "8 members")  # fmt: skip

ALONE = {2: "alone, as many calls as 2 members", 8: "alone, as many calls as 8 members"}


def table(course: Course, curves: Curves) -> list[str]:
    """The curve as a Markdown table."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    for kind, found in curves.items():
        for spot in found.spots:
            calls = [course.calls(spot.after, size) for size in GROUP_SIZES]
            equal = [
                f"{spot.against_equal[size].signed()} ({verdict(spot.against_equal[size])})" for size in GROUP_SIZES
            ]
            row = (
                f"{kind}, {found.pairs}", f"{spot.after} of {course.steps}", spot.member["thing"].points(),
                spot.member["place"].points(), spot.member["leak"].points(), plain(spot.member["distance"]),
                spot.against_alone.signed(), " / ".join(f"{100 * (1 - one / course.steps):.1f}" for one in calls),
                *(equal if spot.after else ("", "")),
            )  # fmt: skip
            lines.append("| " + " | ".join(row) + " |")
    return lines


def title(course: Course) -> str:
    """The curve in words."""
    words = ", blended" if course.blended else ", lead's prompt"
    return f"{course.scheduler}, {course.steps} steps{words}"


def plain(estimate: Estimate) -> str:
    """A distance with its interval."""
    return f"{estimate.mean:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def curve_chart(course: Course, curves: Curves) -> str:
    """Accuracy, leak and distance over the shared part, a column for each class of pair."""

    def line(name: str, kind: Kind, ink: int, value: Callable[[Spot], Estimate], dashed: bool = False) -> Line:
        points = [_point(spot.after / course.steps, value(spot)) for spot in curves[kind].spots]
        return Line(name, tuple(points), ink, dashed)

    ticks = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    marks, leaks, distances = [], [], []
    for kind in KINDS:
        marks.append(Panel(f"{kind} pairs: as asked", "shared part of the run", (
            line("thing right", kind, 0, lambda spot: spot.member["thing"]),
            line("place right", kind, 2, lambda spot: spot.member["place"]),
            line(ALONE[2], kind, 1, lambda spot: spot.equal[2]["both"], True),
            line(ALONE[8], kind, 3, lambda spot: spot.equal[8]["both"], True),
        ), ticks))  # fmt: skip
        leaked = line("the other prompt's seen", kind, 1, lambda spot: spot.member["leak"])
        leaks.append(Panel(f"{kind} pairs: leak", "shared part of the run", (leaked,), ticks))
        distances.append(Panel(f"{kind} pairs: distance to alone", "shared part of the run", (
            line("the member's picture", kind, 0, lambda spot: spot.member["distance"]),
            line(ALONE[2], kind, 1, lambda spot: spot.equal[2]["distance"], True),
            line(ALONE[8], kind, 3, lambda spot: spot.equal[8]["distance"], True),
        ), ticks, top=1.6, percent=False))  # fmt: skip
    return chart([marks, leaks, distances], f"What sharing costs with {title(course)}")


def equal_calls_chart(measured: Mapping[Course, Curves], columns: int = 3) -> str:
    """Accuracy over denoiser calls a picture: alone with fewer steps, and shared by 2 and by 8."""
    panels = []
    for course, curves in measured.items():
        for kind, found in curves.items():
            alone = tuple(_point(steps, found.alone[steps]["both"]) for steps in sorted(found.alone))
            lines = [Line("alone with fewer steps", alone, 1, True)]
            for size, ink in zip(GROUP_SIZES, (0, 2), strict=True):
                points = tuple(_point(course.calls(spot.after, size), spot.member["both"]) for spot in found.spots)
                lines.append(Line(f"shared by {size}", points, ink))
            last = 4 * math.ceil(course.steps / 4)
            ticks = tuple(float(tick) for tick in range(0, last + 1, last // 4))
            panels.append(Panel(f"{title(course)}: {kind}", "denoiser calls a picture", tuple(lines), ticks))
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    return chart(rows, "Thing and place right, against denoiser calls a picture")


def _point(x: float, value: Estimate) -> Point:
    return x, value.mean, value.low, value.high
