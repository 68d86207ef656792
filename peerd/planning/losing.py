"""What a measured pair is, and how large the share of lost pictures may be that some way of sharing costs.

Pure arithmetic. A pair's two pictures are not independent, so whole pairs are drawn anew for the 95 % bound. Never
here: which way of sharing (fitting.py by words, probing.py by a look).
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

PAIRS_MIN = 8
"""Fewer pairs say nothing."""
DRAWS = 1_000
CONFIDENCE = 0.95
UNSEEN_LOSS = 0.5
"""Counted beside what was seen: without it, few pairs that lost nothing would promise that none ever does."""

SETS_KEPT = 8
"""Sets of pairs whose draws are kept: all of them, and those without one of five parts."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One side of a pair; `pair` says which. After `largest` shared steps the picture was still its own.

    `differences` are what each look saw of the side that differs more: that one leaves first, and who is left alone in
    a shared beginning leaves too.
    """

    pair: int
    similarity: float
    largest: int
    differences: tuple[float, ...]


class Bound:
    """The 95 % bound of the share that is lost, over the pairs of these pictures, with the same draws every time."""

    def __init__(self, pictures: Iterable[Picture], seed: int) -> None:
        self._seed = seed
        self._sides = Counter(picture.pair for picture in pictures)

    def keeps(self, wish: float, lost: Sequence[Picture]) -> bool:
        """Whether the share stays under the wish, where just these are lost."""
        count = len(self._sides) + 1
        by_pair: dict[int, float] = {}
        for picture in lost:
            by_pair[picture.pair] = by_pair.get(picture.pair, 0.0) + 1 / self._sides[picture.pair]
        if (sum(by_pair.values()) + UNSEEN_LOSS) / count > wish:
            return False  # the mean is over the wish already
        sums = [0.0] * DRAWS
        for pair, loss in by_pair.items():  # those that lose nothing add nothing
            sums = [known + times * loss for known, times in zip(sums, self._times[pair], strict=True)]
        return (sorted(sums)[round(CONFIDENCE * (DRAWS - 1))] + UNSEEN_LOSS) / count <= wish

    @property
    def _times(self) -> dict[int, list[int]]:
        return _drawn(self._seed, tuple(self._sides))


@lru_cache(SETS_KEPT)
def _drawn(seed: int, pairs: tuple[int, ...]) -> dict[int, list[int]]:
    """How often each draw has each pair. The same few sets are asked of for every look that is tried."""
    chance = random.Random(seed)
    times = {pair: [0] * DRAWS for pair in pairs}
    for draw in range(DRAWS):
        for pair in chance.choices(pairs, k=len(pairs)):
            times[pair][draw] += 1
    return times
