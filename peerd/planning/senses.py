"""Which sense of each noun a prompt means, chosen for all its nouns at once.

"Table" alone is most often an array of numbers; under an apple it is furniture. A choice is worth how usual its senses
are, how far they are things that one can see, and how well every two of them go together: by what they are kinds of,
and by a small table of who lives where, since no bird is a kind of lake. Never here: the similarity of two prompts.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from peerd.planning.frames import UNKNOWN, Frame, Place, Thing
from peerd.planning.kinship import broad_kinds, is_kind, lin
from peerd.planning.nouns import nouns
from peerd.planning.words import COLOURS, SIZES

_Role = Literal["thing", "place", "context"]
"""What is shown; where; a noun said of either."""

SENSES_MAX = 9
"""The common seal is the ninth; later senses of a noun are hardly ever drawn."""
NOUNS_MAX = 6
"""Nouns whose senses are weighed together; what comes after them takes its likeliest sense."""
CHOICES_KEPT_MAX = 12
"""Partial choices that go on to the next noun (a beam): at most 12 x 9 x 6 comparisons a noun."""
CONTEXT_MAX = 3
"""Nouns said of others ("construction" crane) that are heard as well."""

_USUAL = 0.8
_LATER, _LATE = 0.04, 5
_SEEN = 0.4
_NAMED = 0.8
_DRAWN = (("person", -0.05), ("animal", 0.1), ("plant", 0.1), ("produce", 0.28))
"""People draw an animal rather than whoever is called after it, and a fruit rather than its wood."""
_KIN_ALIKE, _KIN_PLACED, _KIN_SAID = 1.8, 0.2, 0.8
_NOT_YET = 0.2
"""Two artefacts, or two living things, are so near whatever they are; only what is nearer says something."""
_LIVES = 0.25
_ALIVE = frozenset(
    (
        "flying", "sleeping", "running", "walking", "sitting", "eating", "drinking", "swimming", "jumping", "hunting",
        "hiding", "perched", "perching", "nesting", "grazing", "hanging", "wading", "singing", "barking", "resting",
    )
)  # fmt: skip

# Who is at home where, and how much more it is seen there than chance has it.
_HOME = (
    ("animal", "nature", 0.25), ("animal", "plant", 0.25), ("plant", "nature", 0.12), ("plant", "container", 0.25),
    ("produce", "container", 0.25), ("produce", "furniture", 0.25), ("device", "furniture", 0.15),
    ("device", "structure", 0.25), ("device", "device", 0.45), ("vehicle", "structure", 0.25),
    ("container", "furniture", 0.25), ("container", "structure", 0.25), ("furniture", "structure", 0.25),
)  # fmt: skip


def understand(frame: Frame) -> Frame:
    """The same frame with the sense of every known noun chosen. Deterministic; bounded by the limits above.

    A frame that is not known stays as it is: its words are no English nouns, whatever they look like.
    """
    if not frame.known:
        return frame
    spots = [*frame.things, *(place.thing for place in frame.places)]
    said = {word for thing in spots for word in thing.attributes} - COLOURS - SIZES
    context = [word for word in sorted(said) if nouns().senses(word)][:CONTEXT_MAX]
    things = [thing.lemma for thing in frame.things]
    grounds = [place.thing.lemma for place in frame.places]
    roles = dict[str, _Role]()
    heard_as: tuple[tuple[_Role, list[str]], ...] = (("thing", things), ("place", grounds), ("context", context))
    for role, lemmas in heard_as:
        for lemma in lemmas:
            roles.setdefault(lemma, role)
    alive = not _ALIVE.isdisjoint(frame.said)
    heard = list(roles.items())[: NOUNS_MAX + CONTEXT_MAX]
    chosen = dict(zip(roles, _choose(heard, alive), strict=False))
    for lemma, role in roles.items():
        if lemma not in chosen:
            chosen[lemma] = _choose([(lemma, role)], alive)[0]
    return replace(
        frame,
        things=tuple(_settled(thing, chosen) for thing in frame.things),
        places=tuple(Place(place.relation, _settled(place.thing, chosen)) for place in frame.places),
    )


def _settled(thing: Thing, chosen: dict[str, int]) -> Thing:
    return replace(thing, synset=chosen[thing.lemma])


def _choose(lemmas: Sequence[tuple[str, _Role]], alive: bool) -> list[int]:
    """A synset for every lemma (`UNKNOWN`: none known), the best found by a beam over the lemmas in their order."""
    choices: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for at, (lemma, role) in enumerate(lemmas):
        candidates = _candidates(lemma, alive) or [(UNKNOWN, 0.0)]
        weights = [_kin_weight(role, before) for _, before in lemmas[:at]]
        grown = [
            (
                worth + usual + sum(goes_with(synset, other, kin) for other, kin in zip(taken, weights, strict=True)),
                (*taken, synset),
            )
            for worth, taken in choices
            for synset, usual in candidates
        ]
        grown.sort(key=lambda choice: (-choice[0], choice[1]))
        choices = grown[:CHOICES_KEPT_MAX]
    return list(choices[0][1])


def _kin_weight(one: _Role, other: _Role) -> float:
    """A bat and a ball are of one kind; a knight in a castle and a table under an apple are not."""
    if "context" in (one, other):
        return _KIN_SAID
    return _KIN_ALIKE if one == other else _KIN_PLACED


def _candidates(lemma: str, alive: bool) -> list[tuple[int, float]]:
    """The senses of a lemma with what each is worth by itself."""
    table, found = nouns(), []
    for rank, sense in enumerate(table.senses(lemma)[:SENSES_MAX]):
        worth = _USUAL * sense.frequency / 63 - _LATER * min(rank, _LATE)
        worth += _SEEN * is_kind(sense.synset, "physical")
        worth += next((more for kind, more in _DRAWN if is_kind(sense.synset, kind)), 0.0)
        worth -= _NAMED * table.is_instance(sense.synset)
        if alive and (is_kind(sense.synset, "animal") or is_kind(sense.synset, "person")):
            worth += _LIVES
        found.append((sense.synset, worth))
    return found


def goes_with(first: int, second: int, kin: float = 1.0) -> float:
    """How well two senses go together in one picture, from 0; `kin` is what being of one kind counts."""
    if UNKNOWN in (first, second):
        return 0.0
    return kin * max(0.0, lin(first, second) - _NOT_YET) + _at_home(first, second)


def _at_home(first: int, second: int) -> float:
    one, other = broad_kinds(first), broad_kinds(second)
    return max(
        (worth for guest, home, worth in _HOME if (guest in one and home in other) or (guest in other and home in one)),
        default=0.0,
    )
