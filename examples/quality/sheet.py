"""A page of pictures, so that a person sees what the numbers mean: one near pair a row, by shared steps.

Never here: numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from examples.quality.curve import Course, member_of
from examples.quality.pairs import Pair
from examples.quality.pictures import alone
from examples.quality.sampler import Sampler
from examples.quality.tools import sheet


def draw_sheet(sampler: Sampler, course: Course, pairs: Sequence[Pair], path: Path) -> None:
    """Each row: the lead's picture, then the member's after 0, .27, .45, .64 and .82 of the steps."""
    pictures = []
    for pair in pairs:
        pictures.append(alone(pair.lead.prompt, pair.seed, course.scheduler, course.steps))
        pictures += [member_of(pair, course, after) for after in course.shared]
    page = sheet(list(sampler.pixels(sampler.latents(pictures))), 1 + len(course.shared))
    page.quantize(128).save(path, optimize=True)
