"""Means with 95 % intervals, by drawing prompt pairs anew (never pictures: those of one pair are not independent).

Pure arithmetic. Never here: where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 4_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % interval over `pairs` prompt pairs."""

    mean: float
    low: float
    high: float
    pairs: int

    def points(self, digits: int = 1) -> str:
        """As percents: `97.1 [95.0, 98.9]`."""
        return f"{100 * self.mean:.{digits}f} [{100 * self.low:.{digits}f}, {100 * self.high:.{digits}f}]"

    def signed(self, digits: int = 1) -> str:
        """As percents with a sign, for differences."""
        return f"{100 * self.mean:+.{digits}f} [{100 * self.low:+.{digits}f}, {100 * self.high:+.{digits}f}]"


def bootstrapped(by_pair: Mapping[object, Sequence[float]] | Sequence[float] | np.ndarray, seed: int = 5) -> Estimate:
    """The mean over pairs of each pair's mean; the interval is the middle 95 % of DRAWS such means of redrawn pairs."""
    groups = by_pair.values() if isinstance(by_pair, Mapping) else [[value] for value in by_pair]
    values = np.asarray([np.mean(group) for group in groups], np.float64)
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    rng = np.random.default_rng(seed)
    drawn = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def ranked(scores: Sequence[float], good: Sequence[bool], seed: int = 5) -> Estimate:
    """The chance that a good one has a higher score than one that isn't (area under the curve); ties count a half."""
    values, labels = np.asarray(scores, np.float64), np.asarray(good, bool)
    rng = np.random.default_rng(seed)
    drawn = [_area(values[some], labels[some]) for some in rng.integers(0, len(values), (DRAWS // 4, len(values)))]
    known = [area for area in drawn if not np.isnan(area)]
    low, high = np.quantile(known, (0.025, 0.975)) if known else (float("nan"), float("nan"))
    return Estimate(_area(values, labels), float(low), float(high), len(values))


def _area(scores: np.ndarray, good: np.ndarray) -> float:
    if good.all() or not good.any():
        return float("nan")
    above = scores[good][:, None] - scores[~good][None]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def verdict(difference: Estimate, first: str = "shared", second: str = "alone") -> str:
    """In words, whether a difference of the first minus the second is one."""
    if difference.low > 0:
        return f"{first} better"
    return f"{second} better" if difference.high < 0 else "no difference seen"
