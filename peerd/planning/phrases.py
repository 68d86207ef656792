"""What leaves a device that shares concepts alone: "a red apple on my table, by Ada" -> "edible fruit on table".

A phrase is put together from four closed sources and from nothing else: names of what the things are kinds of, words of
relation, known places, and the manners of `words`. A name is taken only if the prompt says none of its words, so no
subject, no attribute and no unknown word can get through. Never here: who is allowed to see what.
"""

from collections.abc import Sequence
from functools import reduce

from peerd.planning import words
from peerd.planning.frames import UNKNOWN, Thing
from peerd.planning.kinship import TELLING_MIN, common, is_kind
from peerd.planning.nouns import nouns
from peerd.planning.similarity import frame_of

THINGS_MAX = 3
"""More would tell much of a prompt by their number alone."""
LEVELS_MAX = 4
"""A common word so far up is taken before a rare one that is nearer: a mammal rather than a canid."""
COMMON_MIN = 6
"""Frequency from which on a word is common: it was tagged at least twice in the texts that WordNet counted."""

_GLUE = frozenset(("and", "of", "in", "front", *words.RELATIONS, *words.ARTICLES, *words.JOINTS))


def concept_phrase(prompt: str) -> str:
    """The phrase that stands for a prompt; empty where nothing is left of it, and it then has to stay at home."""
    frame = frame_of(prompt)
    secret = private_words(prompt)
    said = {word for token in words.WORD.findall(prompt.casefold()) for word in _forms(token)}
    things = [name for thing in frame.things[:THINGS_MAX] if (name := _general(thing.synset, said))]
    places = [(place.relation, name) for place in frame.places[:1] if (name := _place_name(place.thing, secret, said))]
    manners = frame.styles & set(words.MANNERS.values())
    styles = sorted(style for style in manners if not _forms_of(style) & secret)
    return _put_together(styles, things, places)


def common_phrase(phrases: Sequence[str]) -> str:
    """What phrases that were made here have in common; empty if nothing worth drawing.

    "edible fruit on table" and "vegetable on table" -> "produce on table".
    """
    frames = [frame_of(phrase) for phrase in phrases]
    if not frames:
        return ""
    firsts = [frame.things[0].synset if frame.things else UNKNOWN for frame in frames]
    lowest = UNKNOWN if UNKNOWN in firsts else reduce(common, firsts)
    things = [] if lowest == UNKNOWN else [_best([lowest, *_chain(lowest)], set())]
    places = {(place.relation, _words_of(place.thing)) for frame in frames for place in frame.places[:1]}
    shared = list(places) if len(places) == 1 and all(frame.places for frame in frames) else []
    styles = frozenset.intersection(*(frame.styles for frame in frames))
    return _put_together(sorted(styles & set(words.MANNERS.values())), things, shared)


def private_words(prompt: str) -> frozenset[str]:
    """The words of a prompt that no phrase may hold: subjects, attributes and whatever is not known.

    That is every word but the relations, joints and articles, the place, and the manner of picture.
    """
    frame = frame_of(prompt)
    known_places = [place.thing for place in frame.places if place.thing.synset != UNKNOWN]
    open_words = {form for thing in known_places for form in _forms_of(_words_of(thing))} | words.GROUNDS.keys()
    inner = {word for word in frame.said if not _forms(word) & open_words and word not in words.MANNERS}
    for thing in (*frame.things, *(place.thing for place in frame.places)):
        inner |= thing.attributes
    for thing in frame.things:
        inner |= set(thing.lemma.split("_"))
    return frozenset(form for word in inner for form in _forms(word)) - _GLUE


def _forms(word: str) -> set[str]:
    """A word as it may turn up in a name: itself, its parts, and their singulars."""
    parts = {word, *word.replace("-", "_").replace("'", "_").split("_")}
    return parts | {form for part in parts for form in (*words.singulars(part), nouns().singular(part)) if form}


def _general(synset: int, said: set[str]) -> str:
    """What a thing is a kind of, in words of which the prompt says none; empty if there is no such word."""
    if synset == UNKNOWN:
        return ""
    return _best([above for above in _chain(synset) if not _names(_named(above), synset)], said)


def _best(chain: Sequence[int], said: set[str]) -> str:
    """Of synsets, nearest first, a common name that is near, else the nearest name."""
    found = ""
    for level, above in enumerate(chain):
        name = _named(above)
        if name and not _forms_of(name) & said:
            if level < LEVELS_MAX and _is_common(name, above):
                return name
            found = found or name
    return found


def _chain(synset: int) -> list[int]:
    """What it is a kind of, nearest first; people are people, whatever their trade or sex."""
    table, found = nouns(), list[int]()
    while parents := table.parents(synset):
        synset = parents[0]
        found.append(synset)
    people = [above for above in found if table.name(above) == "person"]
    return people or found


def _named(synset: int) -> str:
    """The name of a synset that says enough to be drawn; empty otherwise."""
    telling = nouns().information(synset) >= TELLING_MIN or is_kind(synset, "person")
    return nouns().name(synset) if telling else ""


def _names(name: str, synset: int) -> bool:
    """Whether the thing itself is called so."""
    return any(sense.synset == synset for sense in nouns().senses(name.replace(" ", "_")))


def _is_common(name: str, synset: int) -> bool:
    """By its head: "edible fruit" is common since fruit is."""
    *first, head = name.split()
    senses = nouns().senses(head)
    often = [sense.frequency for sense in senses if first or sense.synset == synset]
    return bool(often) and max(often) >= COMMON_MIN


def _place_name(thing: Thing, secret: frozenset[str], said: set[str]) -> str:
    """A known place by its own name; a single thing in the world, or one said of the subject too, by its kind."""
    if thing.synset == UNKNOWN:
        return ""
    name = _words_of(thing)
    if nouns().is_instance(thing.synset) or _forms_of(name) & secret:
        return _general(thing.synset, said)
    return name


def _words_of(thing: Thing) -> str:
    return thing.lemma.replace("_", " ")


def _forms_of(name: str) -> set[str]:
    return {form for word in words.WORD.findall(name.casefold()) for form in _forms(word)}


def _put_together(styles: Sequence[str], things: Sequence[str], places: Sequence[tuple[str, str]]) -> str:
    subject = " and ".join(dict.fromkeys(filter(None, things)))
    where = [f"{words.SPOKEN.get(relation, relation)} {name}" for relation, name in places]
    scene = " ".join([subject, *where] if subject else where)
    return f"{' '.join(styles)} of {scene}" if styles and scene else scene
