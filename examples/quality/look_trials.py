"""What looks see of pairs and how long these may share, as calibration finds out, many pairs in a batch.

The outcome is that of `peerd.engine.trial`: whose picture the model itself says it is, the last harmless step found by
halving. Here live the batches and the file of what is known, so that a run that is cut off goes on. Never here: what a
look tells of the outcome (`look_worth.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from examples.quality.look_kinds import looked_at
from examples.quality.pictures import Picture, alone, blend, shared
from peerd.engine.trial import NOISE_LEVELS, OWN_MARGIN
from peerd.planning.calibration_pairs import Pair

if TYPE_CHECKING:
    from examples.quality.sampler import Sampler

LOOKS = 6
"""During each of the first so many steps there is a look."""
PORTION = 8
"""Pairs a batch."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A pair with one scheduler: after how many shared steps each picture was still its own (-1: not even alone).

    `looks` has each statistic by the way to look, its name, and the step.
    """

    scheduler: str
    first: str
    second: str
    seed: int
    similarity: float
    largest: tuple[int, int]
    looks: dict[str, dict[str, list[float]]]

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What decides it, beside the model and the number of steps."""
        return self.scheduler, self.first, self.second, self.seed


@dataclass(frozen=True, slots=True)
class _Side:
    """One prompt of a pair, and the other."""

    pair: Pair
    mine: str
    theirs: str


class Notebook:
    """The pairs tried so far, a line each."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        found = [Tried(**json.loads(line)) for line in lines if line.endswith("}")]  # one may have been cut off
        self.known = {one.key: one for one in found}

    def of(self, scheduler: str, pairs: Sequence[Pair]) -> list[Tried]:
        """What is known of these, in their order."""
        keys = [(scheduler, pair.first, pair.second, pair.seed) for pair in pairs]
        return [self.known[key] for key in keys if key in self.known]

    def write(self, tried: Sequence[Tried]) -> None:
        """Keep them."""
        with self._path.open("a") as file:
            file.writelines("\n" + json.dumps(asdict(one)) for one in tried)
        self.known |= {one.key: one for one in tried}


def portions(notebook: Notebook, schedulers: Sequence[str], pairs: Sequence[Pair]) -> Iterator[tuple[str, list[Pair]]]:
    """What is still to be tried, the schedulers in turn."""
    for place in range(0, len(pairs), PORTION):
        for scheduler in schedulers:
            some = [
                pair for pair in pairs[place : place + PORTION]
                if (scheduler, pair.first, pair.second, pair.seed) not in notebook.known
            ]  # fmt: skip
            if some:
                yield scheduler, some


@torch.inference_mode()
def try_out(sampler: Sampler, scheduler: str, total: int, pairs: Sequence[Pair]) -> list[Tried]:
    """Look at these pairs, and find out how long each may share."""
    sides = [
        _Side(pair, mine, theirs)
        for pair in pairs
        for mine, theirs in ((pair.first, pair.second), (pair.second, pair.first))
    ]
    largest = _largest(sampler, scheduler, total, sides)
    found = []
    for place, pair in enumerate(pairs):
        words = blend((pair.first, pair.second))
        asked, full, half = ("", words, pair.first, pair.second), [], []
        for latent, time in sampler.inputs(words, pair.seed, scheduler, total, LOOKS):
            rows = torch.cat([latent] * len(asked))
            full.append(sampler.predicted(rows, asked, time).numpy())
            half.append(sampler.predicted(torch.nn.functional.avg_pool2d(rows, 2), asked, time).numpy())
        looks = looked_at(full, half)
        found.append(
            Tried(
                scheduler, pair.first, pair.second, pair.seed, pair.similarity,
                (largest[2 * place], largest[2 * place + 1]), looks,
            )
        )  # fmt: skip
    return found


def _largest(sampler: Sampler, scheduler: str, total: int, sides: Sequence[_Side]) -> list[int]:
    """As `Trial` does it: by halving, against what the picture's margin is alone."""
    whole = [alone(side.mine, side.pair.seed, scheduler, total) for side in sides]
    margins = _margins(sampler, sides, whole)
    kept = [0 if margin > 0.0 else -1 for margin in margins]
    lost = [total if margin > 0.0 else 0 for margin in margins]
    while True:
        open_ = [place for place in range(len(sides)) if lost[place] - kept[place] > 1]
        if not open_:
            return kept
        asked = [(kept[place] + lost[place]) // 2 for place in open_]
        some = [sides[place] for place in open_]
        pictures = [_member(side, after, scheduler, total) for side, after in zip(some, asked, strict=True)]
        for place, after, margin in zip(open_, asked, _margins(sampler, some, pictures), strict=True):
            if margin >= OWN_MARGIN * margins[place]:
                kept[place] = after
            else:
                lost[place] = after


def _member(side: _Side, after: int, scheduler: str, total: int) -> Picture:
    return shared(blend((side.mine, side.theirs)), side.mine, after, side.pair.seed, scheduler, total)


def _margins(sampler: Sampler, sides: Sequence[_Side], pictures: Sequence[Picture]) -> list[float]:
    """By how much the model explains each picture better by its own prompt, over all noise levels."""
    latents = sampler.latents(pictures)
    noises = [torch.Generator().manual_seed(side.pair.seed) for side in sides]
    margins = [0.0] * len(sides)
    signals = sampler.pipe.scheduler.alphas_cumprod
    for level in NOISE_LEVELS:
        timestep = round(level * (len(signals) - 1))
        signal, noise = float(signals[timestep]) ** 0.5, float(1 - signals[timestep]) ** 0.5
        noised, targets, words = [], [], []
        for side, latent, chance in zip(sides, latents, noises, strict=True):
            clean = latent[None]
            drawn = torch.randn(clean.shape, generator=chance)
            for prompt in (side.theirs, side.mine):
                noised.append(signal * clean + noise * drawn)
                targets.append(signal * drawn - noise * clean)  # the embedded model predicts v
                words.append(prompt)
        predicted = sampler.predicted(torch.cat(noised), words, torch.tensor(timestep))
        mistakes = ((predicted - torch.cat(targets)) ** 2).mean((1, 2, 3)).tolist()
        for place in range(len(sides)):
            margins[place] += mistakes[2 * place] - mistakes[2 * place + 1]
    return margins
