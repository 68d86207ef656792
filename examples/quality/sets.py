"""Sets of requests as people around one table make them: eight kin things in one place, or 16 to 32 things.

Here live the sets, always the same ones, from the test half of all prompts, and the road from a planner's tree to
pictures. Never here: the grouping (`peerd.planning`), or how well it went (`sets_report.py`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from examples.quality.pairs import Scene, scenes_for_testing
from examples.quality.pictures import Leg, Picture, blend, of_legs
from examples.quality.vocabulary import BY_NAME, NEAR_PLACES
from peerd.planning.trees import Branch
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Call, Request

FAMILIES = (frozenset({"animal"}), frozenset({"fruit", "food"}))
"""The kinds with enough members for a set of eight of their own."""
PLAIN = ("small", "big", "old", "nice", "new", "pretty")
"""Adjectives of which all but the last are known to the model as words that change little."""
SIZES = (16, 24, 32)


@dataclass(frozen=True, slots=True)
class Gathering:
    """Scenes that are asked for together; a group has one seed."""

    name: str
    scenes: tuple[Scene, ...]
    seed: int


def eights(count: int) -> list[Gathering]:
    """Sets of eight different kin things in one place."""
    rng = random.Random(21)
    pools = [pool for pool in _kin_pools() if len(pool) >= 8]
    return [
        Gathering(f"8 kin, {pools[i % len(pools)][0].place}", tuple(rng.sample(pools[i % len(pools)], 8)), 7000 + i)
        for i in range(count)
    ]


def crowds(each: int) -> list[Gathering]:
    """Sets of 16 different things in one place, and of 24 and 32 in two places that are alike; kin or not."""
    rng, found = random.Random(22), list[Gathering]()
    places = list(dict.fromkeys(scene.place for scene in scenes_for_testing()))
    twins = sorted(tuple(sorted(pair)) for pair in NEAR_PLACES)
    for i in range(each):
        for size in SIZES:
            where = (places[i % len(places)],) if size == 16 else twins[i % len(twins)]
            pool = [scene for scene in scenes_for_testing() if scene.place in where]
            name = f"{size}, {' and '.join(where)}"
            found.append(Gathering(name, tuple(rng.sample(pool, size)), 8000 + 40 * i + size))
    return found


def wishes(each: int) -> list[Gathering]:
    """Sets of 16, 24 and 32 wishes for kin things in one place, each thing asked for in several ways."""
    rng, found = random.Random(23), list[Gathering]()
    pools = [pool for pool in _kin_pools() if len(pool) >= 5]
    rng.shuffle(pools)
    for i in range(each):
        for j, size in enumerate(SIZES):
            things = pools[(3 * i + j) % len(pools)]
            said = [scene for thing in things for scene in _ways(thing)]
            name = f"{size} ways, {len(things)} kin, {things[0].place}"
            found.append(Gathering(name, tuple(rng.sample(said, size)), 9000 + 40 * i + size))
    return found


def _kin_pools() -> list[list[Scene]]:
    scenes = scenes_for_testing()
    places = dict.fromkeys(scene.place for scene in scenes)
    return [
        [scene for scene in scenes if scene.place == place and BY_NAME[scene.noun].kind in family]
        for family in FAMILIES
        for place in places
    ]


def _ways(thing: Scene) -> list[Scene]:
    """By its name, its other names, its colours, and with words that say little."""
    noun = BY_NAME[thing.noun]
    said = (noun.name, *noun.synonyms, *(f"{colour} {noun.name}" for colour in noun.colours),
            *(f"{plain} {noun.name}" for plain in PLAIN))  # fmt: skip
    return [Scene(thing.noun, thing.place, words) for words in said]


def requests_of(
    gathering: Gathering, embeddings: Mapping[str, bytes], scheduler: str, steps: int, model: str
) -> list[Request]:
    """The gathering as the planner sees it: nobody names a seed, everybody shares the prompt within the cluster."""
    return [
        Request(
            id=RequestId(f"{i:04d}"), origin=NodeId(f"node{i:04d}"), seed_free=True, embedding=embeddings[scene.prompt],
            call=Call(model=model, prompt=scene.prompt, steps=steps, seed=gathering.seed, guidance=3.0,
                      scheduler=scheduler, width=128, height=128),
        )
        for i, scene in enumerate(gathering.scenes)
    ]  # fmt: skip


def pictures_of_tree(
    tree: Branch,
    prompts: Mapping[RequestId, str],
    seed: int,
    scheduler: str,
    total: int,
    *,
    blended: bool = False,
    before: Sequence[Leg] = (),
) -> dict[RequestId, Picture]:
    """Each member's picture: the shared steps of every branch above it, then its own prompt to the end.

    `blended`: the shared steps run with the mean of the branch's prompts instead of its lead's.
    """
    words = blend(prompts[member] for member in tree.members) if blended else prompts[tree.lead]
    found = {
        request: of_legs([*before, (words, step), (prompts[request], total)], seed, scheduler)
        for request, step in tree.leaves
    }
    for branch in tree.branches:
        legs = [*before, (words, branch.start)]
        found |= pictures_of_tree(branch, prompts, seed, scheduler, total, blended=blended, before=legs)
    return found
