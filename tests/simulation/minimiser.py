"""A failing story made as short as it can be while it still breaks the same invariant.

Whole stretches of faults and requests are left out first, then single ones. Never here: playing a story.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TypeVar

from tests.simulation.play import play
from tests.simulation.stories import Story

PLAYS_MAX = 200
T = TypeVar("T")


def minimised(story: Story, invariant: str, plays_max: int = PLAYS_MAX) -> Story:
    left = plays_max

    def fails(candidate: Story) -> bool:
        nonlocal left
        left -= 1
        violation = play(candidate).violation if left >= 0 else None
        return violation is not None and violation.invariant == invariant

    shorter = replace(story, faults=_fewest(story.faults, lambda part: fails(replace(story, faults=part))))
    return replace(shorter, asks=_fewest(shorter.asks, lambda part: fails(replace(shorter, asks=part))))


def _fewest(things: tuple[T, ...], fail: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Leave out stretches, each half as long as the last, as long as the rest still fails."""
    stretch = max(1, len(things) // 2)
    while things:
        start = 0
        while start < len(things):
            rest = things[:start] + things[start + stretch :]
            if fail(rest):
                things = rest
            else:
                start += stretch
        if stretch == 1:
            break
        stretch //= 2
    return things


def as_test(story: Story, invariant: str) -> str:
    """The story as a constant of `test_kept_stories.py`."""
    lines = [f"# broke {invariant}", "Story("]
    for each in fields(story):
        value = getattr(story, each.name)
        if isinstance(value, tuple) and each.name in ("faults", "asks"):
            lines += [f"    {each.name}=(", *(f"        {one!r}," for one in value), "    ),"]
        else:
            lines.append(f"    {each.name}={value!r},")
    return "\n".join([*lines, ")"])
