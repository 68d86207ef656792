"""Far pairs: whether the planner keeps apart what must not share. No picture is needed for that.

Never here: how near two prompts are (`peerd.planning`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from examples.quality.pairs import Scene, kind_of, scenes_for_testing

PAIRS_MAX = 40_000
"""Of each class; more than there are, which takes seconds."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """How the planner's similarity saw one class: how many pairs, how many it would let share, its middle."""

    kind: str
    pairs: int
    linked: int
    lowest: float
    median: float
    highest: float
    linked_ones: tuple[str, ...]


def pairs_of(kind: str) -> list[tuple[Scene, Scene]]:
    """Every pair of one class among the test prompts, or a fixed sample of them."""
    scenes = scenes_for_testing()
    found = [(a, b) for i, a in enumerate(scenes) for b in scenes[:i] if kind_of(a, b) == kind]
    return random.Random(31).sample(found, PAIRS_MAX) if len(found) > PAIRS_MAX else found


def sort_out(
    kind: str, shared_steps: Callable[[Scene, Scene], int], similarity: Callable[[Scene, Scene], float]
) -> Sorted:
    """What the planner does with each pair of this class as a group of two."""
    pairs = pairs_of(kind)
    near = sorted(similarity(a, b) for a, b in pairs)
    linked = [(a, b) for a, b in pairs if shared_steps(a, b) > 0]
    names = tuple(f"{a.prompt} / {b.prompt}" for a, b in linked[:3])
    return Sorted(kind, len(pairs), len(linked), near[0], near[len(near) // 2], near[-1], names)


def table(rows: Sequence[Sorted]) -> list[str]:
    """As Markdown."""
    lines = [
        "| pairs | how many | that the planner lets share | similarity: lowest, median, highest |",
        "|---|---|---|---|",
    ]
    for row in rows:
        share = f"{row.linked} ({row.linked / row.pairs:.1%})"
        lines.append(f"| {row.kind} | {row.pairs} | {share} | {row.lowest:.2f}, {row.median:.2f}, {row.highest:.2f} |")
    return lines
