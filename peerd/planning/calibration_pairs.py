"""Which prompts a model is calibrated with: everyday things in everyday places, in pairs from near to nearly unlike.

Half of all, chosen by `calibration.calibrates`; the other half is left for tests. Never here: what came of them.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from peerd.planning.calibration import calibrates
from peerd.planning.fitting import EDGES

THINGS = (
    "apple", "lemon", "orange", "pear", "banana", "strawberry", "pineapple", "watermelon", "carrot", "mushroom",
    "bread", "pizza", "doughnut", "cake", "hamburger", "bird", "cat", "dog", "duck", "owl", "penguin", "rabbit",
    "elephant", "turtle", "fish", "horse", "cow", "pig", "butterfly", "man", "robot", "car", "bus", "bicycle",
    "airplane", "train", "boat", "book", "cup", "chair", "clock", "umbrella", "guitar", "ball", "house", "tree",
    "flower",
)  # fmt: skip
PLACES = {
    "table": "on", "desk": "on", "bed": "on", "sofa": "on", "book": "on", "grass": "on", "beach": "on", "snow": "in",
    "road": "on", "river": "near", "forest": "in", "moon": "on",
}  # fmt: skip
DRAWN_A_PAIR = 400
"""Pairs looked at for each one wanted: near ones are rare."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two prompts, how near they are, and the seed of their pictures."""

    first: str
    second: str
    similarity: float
    seed: int


def prompts() -> list[str]:
    """All that calibration may ask."""
    return [
        f"{'an' if thing[0] in 'aeiou' else 'a'} {thing} {relation} the {place}"
        for thing in THINGS
        for place, relation in PLACES.items()
        if thing != place and calibrates(thing, place)
    ]


def choose(known: Sequence[str], similar: Callable[[str, str], float], count: int, seed: int) -> list[Pair]:
    """`count` different pairs, the bands of similarity in turn, so that any number of the first ones is as mixed."""
    chance = random.Random(seed)
    bands: list[list[tuple[str, str, float]]] = [[] for _ in EDGES]
    met: set[tuple[str, str]] = set()
    for _ in range(count * DRAWN_A_PAIR):
        first, second = sorted(chance.sample(list(known), 2))
        near = similar(first, second)
        place = sum(near >= edge for edge in EDGES) - 1
        if place < 0 or (first, second) in met or len(bands[place]) >= count:
            continue
        met.add((first, second))
        # Who comes first is whose name the pair has in the engine; it decides nothing.
        bands[place].append((first, second, near))
        if sum(len(band) for band in bands) >= count * len(EDGES):
            break
    chosen: list[Pair] = []
    turns = max(map(len, bands))
    for turn in range(turns):
        for band in bands:
            if turn < len(band) and len(chosen) < count:
                chosen.append(Pair(*band[turn], seed=seed * 100_000 + len(chosen)))
    return chosen
