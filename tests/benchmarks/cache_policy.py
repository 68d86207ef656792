"""Which rule of eviction saves most denoiser calls: GreedyDual-Size-Frequency, as peerd has it, against LRU and none.

A seeded stream of late requests: scenes and things by Zipf's law, several schedulers, lengths and sizes of picture at
once, and a taste that moves on in the middle. Similarity and allowed steps are those of planning. A request that finds
no start leaves a checkpoint behind the layout, as an earlier group would; some ask for more shared steps, and leave
another one there, which only their like may use. Printed: the part of all denoiser calls that a cache of so many bytes
saves, mean and range over seeds. The program fails if LRU saves more.
Never here: disks or engines, so it takes seconds.
"""

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from peerd.eviction import Weight, make_room, priority
from peerd.planning import calibration
from peerd.planning.cached import layout_steps
from peerd.planning.forecast import checkpoint_bytes
from peerd.planning.settings import PlanSettings
from peerd.planning.similarity import read, similarity
from peerd.planning.split import total_of
from peerd_protocol.plan import Call

THINGS = (
    *("apple", "lemon", "orange", "pear", "dog", "cat", "horse", "sheep", "car", "bus", "bicycle", "boat"),
    *("cup", "bottle", "chair", "lamp", "guitar", "clock", "robot", "castle"),
)
PLACES = ("on the table", "on the beach", "in the forest", "in the snow", "on the street", "under a tree")
PROMPTS = [f"{thing} {place}" for place in PLACES for thing in THINGS]
KINDS = (
    # scheduler, steps, pixels a side, how often
    ("ddim", 11, 128, 0.45),
    ("dpmpp_2m", 25, 256, 0.25),
    ("pndm", 11, 256, 0.10),
    ("euler", 50, 512, 0.10),
    ("lcm", 4, 512, 0.10),
)
ZIPF = 1.0
REQUESTS = 4_000
MIB = 1 << 20
SIZES_MIB = (1, 4, 16, 64)
SEEDS = 5
SIMILAR_MIN = PlanSettings().similar_min
ASK_MORE, ASKED_PART = 0.2, 5 / 11
"""So many ask for shared steps by number, and for so long a part of the run."""


@dataclass(slots=True)
class Kept:
    call: Call
    step: int
    weight: Weight
    hits: int = 0


Use = Callable[[float, int, Kept], float]
"""The priority at a use, from the shelf's age, the number of the request, and the checkpoint."""


def gdsf(age: float, now: int, kept: Kept) -> float:
    return priority(age, kept.step, kept.hits, kept.weight.size_bytes)


def lru(age: float, now: int, kept: Kept) -> float:
    return float(now)


class Shelf:
    """A cache without a disk, under any rule that gives priorities."""

    def __init__(self, bytes_max: int, use: Use) -> None:
        self._bytes_max, self._use, self._age = bytes_max, use, 0.0
        self.kept: dict[int, Kept] = {}
        self._names = itertools.count()

    def keep(self, call: Call, step: int, now: int) -> None:
        kept = Kept(call, step, Weight(checkpoint_bytes(call), 0.0))
        kept.weight = Weight(kept.weight.size_bytes, self._use(self._age, now, kept))
        weights = {str(name): one.weight for name, one in self.kept.items()}
        room = make_room(weights, self._age, self._bytes_max, kept.weight)
        self._age = room.age
        for victim in room.victims:
            del self.kept[int(victim)]
        if room.admitted:
            self.kept[next(self._names)] = kept

    def hit(self, name: int, now: int) -> None:
        kept = self.kept.pop(name)
        kept.hits += 1
        kept.weight = Weight(kept.weight.size_bytes, self._use(self._age, now, kept))
        self.kept[name] = kept


@cache
def nearness(first: str, second: str) -> float:
    return similarity(read(first), read(second))


@cache
def allowed(scheduler: str, steps: int, first: str, second: str) -> int:
    near = nearness(first, second)
    return calibration.allowed(None, scheduler, steps, "balanced", near) if near >= SIMILAR_MIN else 0


def stream(seed: int) -> Iterator[Call]:
    """Late requests; in the middle other scenes and things become the popular ones."""
    draw = random.Random(seed)
    ranks = [1 / rank**ZIPF for rank in range(1, len(PROMPTS) + 1)]
    for half in range(2):
        order = draw.sample(PROMPTS, len(PROMPTS))
        for number in range(REQUESTS // 2):
            (prompt,) = draw.choices(order, ranks)
            ((scheduler, steps, side, _),) = draw.choices(KINDS, [kind[-1] for kind in KINDS])
            yield Call(
                model="model",
                prompt=prompt,
                steps=steps,
                seed=half * REQUESTS + number,
                guidance=5.0,
                scheduler=scheduler,
                width=side,
                height=side,
            )


def saved_part(seed: int, shelf: Shelf) -> float:
    """The part of all denoiser calls that the shelf saves."""
    asks = random.Random(seed + 1)
    drawn: set[tuple[str, int]] = set()
    saved = calls = 0
    for now, call in enumerate(stream(seed)):
        total = total_of(call)
        calls += total
        asked = round(ASKED_PART * total) if asks.random() < ASK_MORE else 0
        best: tuple[int, float, int] | None = None
        for name, kept in shelf.kept.items():
            early = kept.call
            if (early.scheduler, early.steps, early.width) != (call.scheduler, call.steps, call.width):
                continue
            if early.prompt == call.prompt or (call.prompt, early.seed) in drawn or (best and kept.step < best[0]):
                continue  # nobody gets one picture twice
            most = allowed(call.scheduler, call.steps, early.prompt, call.prompt)
            if most and kept.step <= (asked or min(most, layout_steps(call))):
                best = max(best or (0, 0.0, 0), (kept.step, nearness(early.prompt, call.prompt), name))
        if best is not None:
            step, _, name = best
            saved += step
            drawn.add((call.prompt, shelf.kept[name].call.seed))
            shelf.hit(name, now)
            continue
        for step in {layout_steps(call), asked} - {0}:
            shelf.keep(call, step, now)
    return saved / calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    seeds = range(parser.parse_args().seeds)
    began_s = time.monotonic()
    endless = [saved_part(seed, Shelf(1 << 50, lru)) for seed in seeds]
    print(f"{REQUESTS} late requests, {len(PROMPTS)} prompts (Zipf {ZIPF:g}), {len(KINDS)} kinds, {len(seeds)} streams")
    print("part of all denoiser calls saved; without a cache 0 %, without a bound " + _told(endless))
    worse = False
    for size in SIZES_MIB:
        by_rule = {rule.__name__: [saved_part(seed, Shelf(size * MIB, rule)) for seed in seeds] for rule in (lru, gdsf)}
        wins = sum(one > other for one, other in zip(by_rule["gdsf"], by_rule["lru"], strict=True))
        print(
            f"{size:4} MiB   LRU {_told(by_rule['lru'])}   GDSF {_told(by_rule['gdsf'])}"
            f"   GDSF saves more in {wins} of {len(seeds)}"
        )
        worse |= statistics.mean(by_rule["gdsf"]) < statistics.mean(by_rule["lru"])
    print(f"{time.monotonic() - began_s:.0f} s")
    if worse:
        raise SystemExit("LRU saves more somewhere.")


def _told(parts: list[float]) -> str:
    return f"{statistics.mean(parts):6.2%} ({min(parts):.2%} to {max(parts):.2%})"


if __name__ == "__main__":
    main()
