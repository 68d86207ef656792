"""Kinds of live prompts, by scene and by thing, with how near any two kinds can be; packed into bounded lots.

Comparing all live prompts with all others would take minutes at thousands of them, though most have nothing to do with
each other. Prompts of one scene (places, relations, style) are one kind; two kinds are joined only where a pair of
theirs might reach the bound. Never here: requests, steps, or what a group is worth.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import count

from peerd.planning.frames import Frame, Thing
from peerd.planning.similarity import OTHER_STYLE, frames_similarity, moved

Kind = tuple[str, ...]
"""What prompts of a kind have in common; comparable, so that ties have an order."""

UNKNOWN_SCENE: Kind = ("?",)
"""Prompts without a noun from the table: names, other languages. Any of them may be near to any prompt."""

ANYTHING = Thing("entity", synset=0)
"""Stands for whatever is in a scene: the same in all of them."""


def scene_of(frame: Frame) -> Kind:
    """The places with their relations and what is said of them, and the style."""
    if not frame.known:
        return UNKNOWN_SCENE
    places = (
        f"{place.relation} {place.thing.lemma} {place.thing.synset} {' '.join(sorted(place.thing.attributes))}"
        for place in frame.places
    )
    return (" ".join(sorted(frame.styles)), *places)


def things_of(frame: Frame) -> Kind:
    """What is shown, with what is said of it; the words, where they say nothing to us."""
    if not frame.known:
        return tuple(sorted(frame.said))
    return tuple(f"{thing.lemma} {thing.synset} {' '.join(sorted(thing.attributes))}" for thing in frame.things)


def bare_scene(frame: Frame) -> Frame:
    """A scene as if the same thing stood in every one, said in the same manner."""
    return replace(frame, things=(ANYTHING,), manner=frozenset()) if frame.known else frame


def bare_things(frame: Frame) -> Frame:
    """Things in their scene, as if said in the same manner."""
    return replace(frame, manner=frozenset())


class Pool:
    """The live kinds of one sort, linked where prompts of the two may be near.

    `bare` takes from a frame what prompts of a kind don't have in common, so that no pair of theirs is nearer than it.
    """

    def __init__(self, bare: Callable[[Frame], Frame], similar_min: float) -> None:
        self._bare = bare
        self._similar_min = similar_min
        self._samples: dict[Kind, Frame] = {}
        self._links: list[tuple[float, Kind, Kind]] = []
        self._linked: dict[Kind, set[Kind]] = {}
        self._numbers: dict[Kind, int] = {}
        self._free = count()
        self._pairs: list[tuple[int, int]] = []
        self._sorted = True

    def __contains__(self, kind: Kind) -> bool:
        return kind in self._samples

    def missing(self, kinds: Mapping[Kind, object]) -> list[Kind]:
        """Those that are still to be added, in their order."""
        return sorted(kinds.keys() - self._samples.keys())

    def add(self, kind: Kind, sample: Frame) -> None:
        """Compare a new kind with all others."""
        sample = self._bare(sample)
        self._linked[kind] = {kind}
        for other, frame in self._samples.items():
            near = self._near(sample, frame)
            if near >= self._similar_min:
                self._links.append((-near, min(kind, other), max(kind, other)))
                self._linked[kind].add(other)
                self._linked[other].add(kind)
        self._samples[kind] = sample
        self._numbers[kind] = next(self._free)
        self._sorted = False

    def _near(self, first: Frame, second: Frame) -> float:
        """No pair of prompts of the two kinds is nearer, whatever the encoder says.

        Prompts nobody understands are compared by other means: worth a second look, and never preferred.
        """
        if not (first.known and second.known):
            return self._similar_min
        if first.styles != second.styles and moved(OTHER_STYLE, 1.0) < self._similar_min:
            return 0.0
        return moved(frames_similarity(first, second), 1.0)

    def linked(self, kind: Kind) -> AbstractSet[Kind]:
        """The kinds, itself among them, of which some prompt may be near to one of this kind."""
        return self._linked[kind]

    def drop(self, kind: Kind) -> None:
        """The last prompt of a kind is gone."""
        del self._samples[kind]
        for other in self._linked.pop(kind) - {kind}:
            self._linked[other].remove(kind)
        self._links = [link for link in self._links if kind not in link]
        del self._numbers[kind]
        self._sorted = False

    def pack(self, sizes: Mapping[Kind, int], size_max: int) -> list[list[Kind]]:
        """Join kinds, the nearest first, as long as a lot holds no more than `size_max` prompts.

        What is linked, directly or through others, and small enough, is in one lot. Ties go to the lower kinds.
        """
        if not self._sorted:
            self._links.sort()
            # Numbers, since a kind is slow to look up.
            self._pairs = [(self._numbers[first], self._numbers[second]) for _, first, second in self._links]
            self._sorted = True
        size = {self._numbers[kind]: held for kind, held in sizes.items()}
        lots = {self._numbers[kind]: [kind] for kind in sizes}
        inside: dict[int, list[int]] = {}
        lead: dict[int, int] = {}
        for first, second in self._pairs:
            one, other = lead.get(first, first), lead.get(second, second)
            if one == other or size[one] + size[other] > size_max:
                continue
            if len(lots[one]) < len(lots[other]):
                one, other = other, one
            size[one] += size.pop(other)
            lots[one] += lots.pop(other)
            moved_to = inside.setdefault(one, [one])
            moved_to += (gone := inside.pop(other, [other]))
            lead |= dict.fromkeys(gone, one)
        return list(lots.values())
