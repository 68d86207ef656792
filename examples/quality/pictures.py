"""A picture to be made, as the prompts that run its steps: the one shape of alone, shared and branched runs.

Alone is one leg, a member of a group two (the lead's prompt to step k, then its own), a tree's member one more for
each branch. Pictures of one seed that begin with the same legs share those denoiser calls. Never here: making them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

Leg = tuple[str, int]
"""A prompt, and the step before which it stops. Several prompts on lines of one leg run it together (`blend`)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """`legs` go from step 0 to the last; steps are `scheduler.step` calls."""

    legs: tuple[Leg, ...]
    seed: int
    scheduler: str

    @property
    def total(self) -> int:
        """All its steps."""
        return self.legs[-1][1]

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompt of every step."""
        every: list[str] = []
        for prompt, stop in self.legs:
            every += [prompt] * (stop - len(every))
        return tuple(every)

    @property
    def key(self) -> str:
        """What decides it, as text; the model is its keeper's."""
        return json.dumps([self.scheduler, self.seed, self.legs], ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Look:
    """A probe's look during `step` of a blended first leg: how far the second leg's prompt is from it, of all in it."""

    picture: Picture
    step: int

    @property
    def scheduler(self) -> str:
        """The picture's."""
        return self.picture.scheduler

    @property
    def total(self) -> int:
        """All steps of the picture's run."""
        return self.picture.total

    @property
    def seed(self) -> int:
        """The picture's."""
        return self.picture.seed

    @property
    def key(self) -> str:
        """What decides it, as text."""
        return f"look among all {self.step} {self.picture.key}"


def blend(prompts: Iterable[str]) -> str:
    """The words of all of these at once: the mean of what the text encoder makes of each."""
    return "\n".join(sorted(set(prompts)))


def alone(prompt: str, seed: int, scheduler: str, steps: int) -> Picture:
    """All steps with one prompt."""
    return Picture(((prompt, steps),), seed, scheduler)


def shared(lead: str, prompt: str, after: int, seed: int, scheduler: str, steps: int) -> Picture:
    """The lead's prompt to step `after`, then the own one; the lead's own picture is one made alone."""
    if after == 0 or lead == prompt:
        return alone(prompt, seed, scheduler, steps)
    return Picture(((lead, after), (prompt, steps)), seed, scheduler)


def calls_together(pictures: Iterable[Picture]) -> int:
    """Denoiser calls that make all of these, where pictures of one seed share every common beginning once."""
    return len({
        (picture.scheduler, picture.total, picture.seed, prompts[: step + 1])
        for picture in pictures
        for prompts in [picture.prompts]
        for step in range(picture.total)
    })  # fmt: skip


def of_legs(legs: Iterable[Leg], seed: int, scheduler: str) -> Picture:
    """The picture of legs of which some may be empty or go on with the same prompt."""
    kept: list[Leg] = []
    for prompt, stop in legs:
        if kept and kept[-1][1] >= stop:
            continue
        if kept and kept[-1][0] == prompt:
            kept.pop()
        if stop:
            kept.append((prompt, stop))
    return Picture(tuple(kept), seed, scheduler)
