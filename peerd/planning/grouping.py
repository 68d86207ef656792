"""Who may share a beginning: groups in which every pair is near enough (complete linkage).

A pair links if nothing forbids it and its similarity reaches the bound. Links make a graph; each of its components is
cut on its own, so that a new request touches one component only. Never here: how many steps, or on which device.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import networkx

from peerd.planning.similarity import Reading, read, similarity
from peerd.planning.words import same_text
from peerd_protocol.ids import RequestId
from peerd_protocol.plan import GROUP_MEMBERS_MAX, Request
from peerd_protocol.schedulers import SCHEDULERS

Pair = frozenset[RequestId]
Links = Mapping[Pair, float]
"""The similarity of every pair that may share; a pair that is missing must not."""


def cannot_link(first: Request, second: Request) -> str:
    """Why these two must not share whatever their prompts say; empty if nothing forbids it."""
    one, other = first.call, second.call
    for name in ("model", "width", "height", "steps", "scheduler", "guidance", "negative"):
        if getattr(one, name) != getattr(other, name):
            return f"another {name}"
    if "nothing" in (first.share, second.share):
        return "one of them shares nothing"
    if first.shared == 0 or second.shared == 0:
        return "one of them wants no shared steps"
    if first.group_name and second.group_name and first.group_name != second.group_name:
        return "another group's name"
    if one.scheduler not in SCHEDULERS:
        return "a scheduler this leader does not know"
    both_named = not first.seed_free and not second.seed_free
    if both_named and one.seed != other.seed:
        return "another seed"
    if not both_named and same_text(one.prompt, other.prompt):
        # One seed and one prompt make one picture; nobody gets the same picture twice unless they name the seed.
        return "the same prompt without naming a seed"
    return ""


def link_all(requests: Sequence[Request], similar_min: float) -> dict[Pair, float]:
    """Every pair that may share, with its similarity."""
    readings: dict[RequestId, Reading] = {
        request.id: read(request.call.prompt, request.embedding) for request in requests
    }
    links: dict[Pair, float] = {}
    for first, second in combinations(requests, 2):
        if not cannot_link(first, second):
            near = similarity(readings[first.id], readings[second.id])
            if near >= similar_min:
                links[frozenset((first.id, second.id))] = near
    return links


def components(names: Iterable[RequestId], links: Links) -> list[list[RequestId]]:
    """The connected parts of the link graph, each sorted, in the order of their lowest ids."""
    graph = networkx.Graph()
    graph.add_nodes_from(names)
    graph.add_edges_from((first, second) for first, second in links)
    return sorted(sorted(part) for part in networkx.connected_components(graph))


def group(names: Iterable[RequestId], links: Links) -> list[tuple[RequestId, ...]]:
    """Groups in which every pair is linked, each sorted, the nearest merged first; every name is in exactly one.

    Ties go to the lower ids, so the answer is the same whatever the order of arrival.
    """
    groups: list[tuple[RequestId, ...]] = []
    for part in components(names, links):
        groups.extend(_merge([(name,) for name in part], links))
    return sorted(groups)


def _merge(groups: list[tuple[RequestId, ...]], links: Links) -> list[tuple[RequestId, ...]]:
    """Merge the two groups whose farthest pair is nearest, until no two groups are wholly linked."""
    farthest: dict[tuple[tuple[RequestId, ...], tuple[RequestId, ...]], float] = {}
    for one, other in combinations(groups, 2):
        near = links.get(frozenset(one + other))
        if near is not None:
            farthest[one, other] = near
    alive = set(groups)
    while farthest:
        (one, other), _ = min(farthest.items(), key=lambda item: (-item[1], item[0]))
        merged = tuple(sorted(one + other))
        alive -= {one, other}
        kept = {pair: near for pair, near in farthest.items() if one not in pair and other not in pair}
        for third in alive:
            sides = [farthest.get(_ordered(third, side)) for side in (one, other)]
            if len(merged) + len(third) <= GROUP_MEMBERS_MAX and sides[0] is not None and sides[1] is not None:
                kept[_ordered(third, merged)] = min(sides[0], sides[1])
        alive.add(merged)
        farthest = kept
    return list(alive)


def _ordered(
    one: tuple[RequestId, ...], other: tuple[RequestId, ...]
) -> tuple[tuple[RequestId, ...], tuple[RequestId, ...]]:
    return (one, other) if one <= other else (other, one)


def nearest_to_all(members: Sequence[RequestId], links: Links) -> RequestId:
    """The member whose prompt is nearest to all others: it leads. Ties go to the lowest id."""
    return max(
        sorted(members),
        key=lambda name: sum(links[frozenset((name, other))] for other in members if other != name),
    )


def farthest_pair(members: Sequence[RequestId], links: Links) -> float:
    """The similarity of the two members least alike; 1.0 for a member alone."""
    return min((links[frozenset(pair)] for pair in combinations(members, 2)), default=1.0)
