"""How near two meanings are by what they are kinds of, and to which of a few broad kinds each belongs.

Lin's similarity (ICML 1998): twice the information of the most telling common ancestor over the information of both,
with intrinsic information content (see `nouns`). Never here: words, prompts.
"""

from functools import lru_cache

from peerd.planning.nouns import nouns

TELLING_MIN = 0.25
"""Information below which a hypernym says nothing about a picture: object, artifact, organism."""
PAIRS_KEPT_MAX = 2_048
"""Pairs of live concepts whose nearness is kept; about 200 bytes each. A pair that is not kept takes 2 microseconds."""

KINDS_KEPT_MAX = 4_096
"""Live concepts with all their senses; about 100 bytes each."""


def lin(first: int, second: int) -> float:
    """Nearness of two synsets in [0, 1]; 1 for the same."""
    return 1.0 if first == second else _lin(first, second) if first < second else _lin(second, first)


@lru_cache(maxsize=PAIRS_KEPT_MAX)
def _lin(first: int, second: int) -> float:
    table = nouns()
    both = table.information(first) + table.information(second)
    return 2 * table.information(common(first, second)) / both if both else 0.0


def common(first: int, second: int) -> int:
    """The most telling synset that both are kinds of; of equals the one with the lower number."""
    others = nouns().ancestors(second)
    return next(synset for synset in nouns().ancestors(first) if synset in others)


def kinds(synset: int) -> list[int]:
    """What a synset is a kind of through its first-named parents, nearest first, as far as that says something."""
    table, found = nouns(), list[int]()
    while parents := table.parents(synset):
        synset = parents[0]
        if table.information(synset) < TELLING_MIN:
            break
        found.append(synset)
    return found


# Each broad kind with the noun that names it and the number of its sense.
_KINDS = {
    "person": (("person", 0),),
    "animal": (("animal", 0),),
    "plant": (("plant", 1),),
    "food": (("food", 0), ("food", 1)),
    "produce": (("produce", 0),),
    "vehicle": (("vehicle", 0),),
    "building": (("building", 0),),
    "structure": (("structure", 0),),
    "container": (("container", 0), ("pot", 0)),
    "enclosure": (("enclosure", 0),),
    "furniture": (("furniture", 0), ("shelf", 0)),
    "device": (("device", 0), ("implement", 0)),
    "nature": (
        ("body_of_water", 0), ("geological_formation", 0), ("vegetation", 0), ("land", 1), ("land", 3), ("field", 0),
        ("park", 0), ("garden", 0), ("sky", 0), ("grass", 0), ("tree", 0), ("precipitation", 2), ("ice", 1),
        ("earth", 1),
    ),
    "physical": (("physical_entity", 0), ("vegetation", 0), ("people", 0), ("imaginary_being", 0)),
}  # fmt: skip


@lru_cache(maxsize=1)
def _roots() -> dict[str, frozenset[int]]:
    table = nouns()
    return {
        kind: frozenset(table.senses(lemma)[number].synset for lemma, number in named) for kind, named in _KINDS.items()
    }


def is_kind(synset: int, kind: str) -> bool:
    """Whether a synset is one of the broad kinds: person, animal, plant, food, vehicle, building, container, …"""
    return kind in broad_kinds(synset)


@lru_cache(maxsize=KINDS_KEPT_MAX)
def broad_kinds(synset: int) -> frozenset[str]:
    """All the broad kinds that a synset is of."""
    ancestors = nouns().ancestors(synset)
    found = frozenset(kind for kind, roots in _roots().items() if not roots.isdisjoint(ancestors))
    return _COMBINATIONS.setdefault(found, found)


_COMBINATIONS: dict[frozenset[str], frozenset[str]] = {}
"""Each combination of broad kinds once; there are a few dozen."""
