"""How well prompts that may share a beginning are told from others: by the graph, by the embedding, by both.

`python tests/benchmarks/grouping_auc.py [--json]` reads grouping_pairs.tsv: pairs of prompts about things that the
embedded model never saw, labelled by judgement (same scene and relation, and a subject of like kind and shape) before
any weight was chosen. A hash cuts them in two: weights were tuned on one half, the other is scored, and with it all of
grouping_pairs_more.tsv, labelled later and never tuned on. Prints the area under the ROC curve with its 95 % bootstrap
interval over pairs, and what reading and comparing take. The embedding is that of the embedded model's own text
encoder. Exits with 1 where fewer pairs are scored than the goal wants, or both do not beat each by a clear interval.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from peerd.planning import similarity
from peerd.planning.settings import PlanSettings
from peerd.planning.similarity import Reading
from tests.goals import verdict

HERE = Path(__file__).parent
MODEL = HERE.parents[1] / "peerd" / "engine" / "embedded"
RESAMPLES = 2_000
BATCH = 32
WAYS = ("graph alone", "embedding alone", "both")

Scored = tuple[float, bool]


SCORED_MIN = 500
"""Pairs that the goal wants scored."""


class Pair(NamedTuple):
    kind: str
    may_share: bool
    first: str
    second: str
    scored: bool


def pairs() -> list[Pair]:
    """Those that a hash cuts in two, whatever the order of their prompts, and those that are scored in any case."""

    def by_hash(first: str, second: str) -> bool:
        text = "|".join(sorted((first, second)))
        return hashlib.sha256(text.encode()).digest()[0] % 2 == 1

    found = []
    for name, judge in (("grouping_pairs", by_hash), ("grouping_pairs_more", lambda *_: True)):
        lines = (HERE / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t") for line in lines if line and not line.startswith("#")][1:]
        found += [Pair(kind, said == "yes", one, other, judge(one, other)) for kind, said, one, other in rows]
    return found


def area(scores: Sequence[Scored]) -> float:
    """Area under the ROC curve: how often a pair that may share scores above one that may not; a tie is half."""
    ordered = sorted(scores)
    ranks, at = 0.0, 0
    while at < len(ordered):
        end = at
        while end < len(ordered) and ordered[end][0] == ordered[at][0]:
            end += 1
        ranks += sum(may for _, may in ordered[at:end]) * (at + end + 1) / 2
        at = end
    yes = sum(may for _, may in scores)
    return (ranks - yes * (yes + 1) / 2) / (yes * (len(scores) - yes))


def interval(figure: Callable[[list[int]], float], count: int) -> tuple[float, float]:
    """The middle 95 % of a figure over resampled pairs; one seed for all, so differences are paired."""
    chance = random.Random(5)
    found = sorted(figure(chance.choices(range(count), k=count)) for _ in range(RESAMPLES))
    return found[round(0.025 * RESAMPLES)], found[round(0.975 * RESAMPLES) - 1]


def embed(prompts: Sequence[str]) -> dict[str, bytes]:
    from peerd.engine import pipelines

    pipeline = pipelines.load(MODEL)
    found: dict[str, bytes] = {}
    for at in range(0, len(prompts), BATCH):
        found |= zip(prompts[at : at + BATCH], pipeline.embed(list(prompts[at : at + BATCH])), strict=True)
    return found


def figures(some: Sequence[Pair], words: dict[str, Reading], both: dict[str, Reading]) -> dict[str, list[Scored]]:
    def scored(judge: Callable[[Pair], float]) -> list[Scored]:
        return [(judge(pair), pair.may_share) for pair in some]

    return {
        "graph alone": scored(lambda pair: similarity.similarity(words[pair.first], words[pair.second])),
        "embedding alone": scored(lambda pair: similarity.cosine(both[pair.first], both[pair.second])),
        "both": scored(lambda pair: similarity.similarity(both[pair.first], both[pair.second])),
    }


def told(name: str, some: Sequence[Pair], words: dict[str, Reading], both: dict[str, Reading]) -> dict[str, object]:
    scores = figures(some, words, both)
    yes = sum(pair.may_share for pair in some)
    print(f"{name}: {len(some)} pairs, {yes} may share")
    areas: dict[str, object] = {}
    gains: dict[str, tuple[float, float]] = {}
    for way in WAYS:
        low, high = interval(lambda chosen, way=way: area([scores[way][at] for at in chosen]), len(some))  # type: ignore[misc]
        areas[way] = [area(scores[way]), low, high]
        print(f"  {way:16} {area(scores[way]):.4f}  [{low:.4f}, {high:.4f}]")
    for way in WAYS[:2]:

        def gain(chosen: list[int], way: str = way) -> float:
            return area([scores["both"][at] for at in chosen]) - area([scores[way][at] for at in chosen])

        low, high = gains[way] = interval(gain, len(some))
        print(f"  both over {way}: {gain(list(range(len(some)))):+.4f}  [{low:+.4f}, {high:+.4f}]")
    bound = PlanSettings().similar_min
    false = sum(near >= bound and not may for near, may in scores["both"])
    missed = sum(near < bound and may for near, may in scores["both"])
    print(
        f"  at the bound of {bound}: {false} of {len(some) - yes} share wrongly, {missed} of {yes} stay apart wrongly"
    )
    return {"pairs": len(some), "areas": areas, "gains": gains, "false": false, "missed": missed}


def cost(prompts: Sequence[str], embeddings: dict[str, bytes]) -> dict[str, float]:
    """Microseconds to read a new prompt and to compare two, and what the table adds to a fresh process."""
    similarity.frame_of.cache_clear()
    begun = time.perf_counter()
    words = [similarity.read(prompt) for prompt in prompts]
    read_us = (time.perf_counter() - begun) / len(prompts) * 1e6
    both = [similarity.read(prompt, embeddings[prompt]) for prompt in prompts]
    found = {"read_us": read_us}
    for name, readings in (("compare_words_us", words[:200]), ("compare_both_us", both[:200])):
        some = list(combinations(readings, 2))
        for _ in range(2):  # the first round fills the cache of pairs, as a leader's is
            begun = time.perf_counter()
            for first, second in some:
                similarity.similarity(first, second)
            found[name] = (time.perf_counter() - begun) / len(some) * 1e6
    look = (
        "import gc, json, psutil, sys\n"
        "from peerd.planning import similarity\n"
        "prompts = json.load(sys.stdin)\n"
        "me = psutil.Process(); before = me.memory_info()\n"
        "from peerd.planning.nouns import nouns; nouns().senses('apple')\n"
        "opened = me.memory_info()\n"
        "for prompt in prompts: similarity.read(prompt)\n"
        "after = me.memory_info()\n"
        "print(json.dumps([(seen.rss - seen.shared) - (before.rss - before.shared) for seen in (opened, after)]"
        " + [seen.rss - before.rss for seen in (opened, after)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], input=json.dumps(list(prompts)), capture_output=True, text=True, check=True
    )
    own_table, own_all, table, all_ = json.loads(done.stdout)
    mib = 1 / 1024 / 1024
    found |= {
        "table_mib": table * mib,
        "own_mib": own_all * mib,
        "resident_mib": all_ * mib,
        "own_table_mib": own_table * mib,
    }
    print(
        f"a new prompt is read in {found['read_us']:.0f} us; two are compared in {found['compare_words_us']:.1f} us by"
        f" words, {found['compare_both_us']:.1f} us with embeddings"
    )
    print(
        f"resident memory: the opened table adds {table * mib:.2f} MiB; after {len(prompts)} prompts it and all caches"
        f" add {all_ * mib:.2f} MiB, of which {(all_ - own_all) * mib:.2f} MiB are pages of the file, not its own"
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON value at the end")
    as_json = parser.parse_args().json
    known = pairs()
    prompts = sorted({prompt for pair in known for prompt in (pair.first, pair.second)})
    embeddings = embed(prompts)
    words = {prompt: similarity.read(prompt) for prompt in prompts}
    both = {prompt: similarity.read(prompt, embeddings[prompt]) for prompt in prompts}
    answer: dict[str, Any] = {
        "tuning": told("tuning half", [pair for pair in known if not pair.scored], words, both),
        "scored": told("scored half", [pair for pair in known if pair.scored], words, both),
        "cost": cost(prompts, embeddings),
    }
    count, gains = answer["scored"]["pairs"], answer["scored"]["gains"]
    if as_json:
        print(json.dumps(answer))
    goals = {f"at least {SCORED_MIN} pairs scored: {count}": count >= SCORED_MIN}
    goals |= {f"both beat {way}: 95 % of the gain from {low:+.4f} up": low > 0 for way, (low, _) in gains.items()}
    return verdict(goals)


if __name__ == "__main__":
    sys.exit(main())
