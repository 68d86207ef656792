"""What a look at two prompts might tell of how long they may share, and what each look costs.

A look has four predictions on one latent: of no words, of the mean of both prompts, and of each prompt. Here lives the
arithmetic on them. Never here: making predictions, or what a number of these is worth (`look_worth.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Predictions = np.ndarray
"""4 x channels x height x width: no words, the mean, and the two prompts."""

FULL, HALF, NONE = "in place of the step", "at half the resolution", "the run's own predictions"
CALLS = {FULL: 0.25, HALF: 0.125, NONE: 0.0}
"""Denoiser calls a member of a pair, if every way to look more cheaply came true. In place of the step: no words and
both prompts in one batch, whose mean is the step's prediction, are three rows where the step has two. At half the
resolution a row is a quarter. No look at all has what the step predicts anyway."""

TODAY = "the farther one, by the mean of both"
"""What the product's probe goes by."""

COARSE = 4
"""Numbers to a side of a block whose mean is the low frequency: a quarter of the latent's side of 16."""
PEAK = 0.1
"""The part of all places that counts as the peak."""


def of_one(seen: Predictions) -> dict[str, float]:
    """Every statistic of a look that has all four predictions."""
    plain, mean, first, second = np.asarray(seen, np.float64)
    guided, apart = mean - plain, first - second
    farther, nearer = sorted((_norm(first - mean), _norm(second - mean)), reverse=True)
    energy = np.sort((apart**2).sum(0).ravel())[::-1]
    middle = (first + second) / 2
    return {
        TODAY: farther / ((farther + nearer) / 2),
        "how far apart": _norm(apart),
        "how far apart, by the guidance": _norm(apart) / _norm(guided),
        "low frequency, by the guidance": _norm(_coarse(apart)) / _norm(_coarse(guided)),
        "share of low frequency": _norm(_coarse(apart)) / _norm(apart),
        "angle between the guidances": 1 - _cosine(first - plain, second - plain),
        "angle at the mean": 1 + _cosine(first - mean, second - mean),
        "stronger guidance by weaker": _ratio(_norm(first - plain), _norm(second - plain)),
        "bend: the mean off the middle": _norm(middle - mean) / _norm(apart),
        "lean: the mean nearer to one": abs(float(((mean - middle) * apart).sum())) / _norm(apart) ** 2,
        "peak: apart in few places": float(energy[: round(PEAK * len(energy))].sum() / energy.sum()),
    }


def of_the_run(seen: Predictions) -> dict[str, float]:
    """What needs no look: the predictions of a blended step itself."""
    plain, mean = np.asarray(seen[:2], np.float64)
    return {
        "guidance": _norm(mean - plain),
        "guidance's share of low frequency": _norm(_coarse(mean - plain)) / _norm(mean - plain),
    }


def over_steps(by_step: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Statistics of looks in every step up to each: their growth since the first, and their sum."""
    found: dict[str, list[float]] = {}
    for name in (TODAY, "how far apart"):
        values = by_step[name]
        found[f"growth: {name}"] = [value / values[0] for value in values]
        found[f"sum: {name}"] = np.cumsum(values).tolist()
    return found


def looks_for(name: str, step: int) -> int:
    """How many looks that statistic takes up to this step."""
    return step if name.startswith("sum: ") else min(step, 2) if name.startswith("growth: ") else 1


def looked_at(full: list[Predictions], half: list[Predictions]) -> dict[str, dict[str, list[float]]]:
    """For each way to look, each statistic by step. `half` are the predictions on the latent averaged two by two."""
    ways: dict[str, tuple[list[Predictions], Callable[[Predictions], dict[str, float]]]] = {
        FULL: (full, of_one), HALF: (half, of_one), NONE: (full, of_the_run),
    }  # fmt: skip
    found: dict[str, dict[str, list[float]]] = {}
    for way, (seen, statistics) in ways.items():
        each = [statistics(one) for one in seen]
        found[way] = {name: [one[name] for one in each] for name in each[0]}
    found[FULL] |= over_steps(found[FULL])
    return found


def _norm(values: np.ndarray) -> float:
    return float(np.linalg.norm(values))


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / (_norm(one) * _norm(other)))


def _ratio(one: float, other: float) -> float:
    return max(one, other) / min(one, other)


def _coarse(values: np.ndarray) -> np.ndarray:
    """Means of blocks, each repeated so that a norm of it is a part of the whole's; half a latent has half as many."""
    side = COARSE * values.shape[-1] // 16
    channels, height, width = values.shape
    blocks = values.reshape(channels, height // side, side, width // side, side).mean((2, 4))
    return np.kron(blocks, np.ones((1, side, side)))
