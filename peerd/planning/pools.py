"""Kinds of live prompts, by scene and by thing, with how near any two kinds can be; packed into bounded lots.

Comparing all live prompts with all others would take minutes at thousands of them, though most have nothing to do with
each other. Prompts of one scene (places, relations, style) are one kind; two kinds are joined only where a pair of
theirs might reach the bound. Never here: requests, steps, or what a group is worth.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from peerd.planning.frames import Frame, Thing
from peerd.planning.similarity import frames_similarity, moved

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
        self._sorted = True

    def __contains__(self, kind: Kind) -> bool:
        return kind in self._samples

    def add(self, kind: Kind, sample: Frame) -> None:
        """Compare a new kind with all others."""
        sample = self._bare(sample)
        for other, frame in self._samples.items():
            near = self._near(sample, frame)
            if near >= self._similar_min:
                self._links.append((-near, min(kind, other), max(kind, other)))
        self._samples[kind] = sample
        self._sorted = False

    def _near(self, first: Frame, second: Frame) -> float:
        """No pair of prompts of the two kinds is nearer, whatever the encoder says.

        Prompts nobody understands are compared by other means: worth a second look, and never preferred.
        """
        if not (first.known and second.known):
            return self._similar_min
        return moved(frames_similarity(first, second), 1.0)

    def drop(self, kind: Kind) -> None:
        """The last prompt of a kind is gone."""
        del self._samples[kind]
        self._links = [link for link in self._links if kind not in link]

    def pack(self, sizes: Mapping[Kind, int], size_max: int) -> list[list[Kind]]:
        """Join kinds, the nearest first, as long as a lot holds no more than `size_max` prompts.

        What is linked, directly or through others, and small enough, is in one lot. Ties go to the lower kinds.
        """
        if not self._sorted:
            self._links.sort()
            self._sorted = True
        lots = {kind: [kind] for kind in sizes}
        size = dict(sizes)
        lead = {kind: kind for kind in sizes}
        for _, first, second in self._links:
            one, other = lead[first], lead[second]
            if one is other or size[one] + size[other] > size_max:
                continue
            if len(lots[one]) < len(lots[other]):
                one, other = other, one
            size[one] += size.pop(other)
            for kind in lots[other]:
                lead[kind] = one
            lots[one] += lots.pop(other)
        return list(lots.values())
