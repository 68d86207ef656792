"""Sentences for scenes: from what is in a picture to the words somebody might ask for it with.

Here live the `Scene` value and its random captions. What words exist is in words.py, pixels are in render.py.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from words import BY_NAME, COLOURS, KINDS, NOUNS, PLACES


@dataclass(frozen=True)
class Scene:
    """The facts of one picture; an empty noun is an empty place."""

    noun: str
    colour: str
    place: str


RELATIONS = ("on", "in", "at", "near", "by", "beside", "under", "upon")
# What people say most for a place comes first; any other relation draws the same picture.
USUAL = {"forest": ("in", "in the middle of"), "river": ("near", "by", "beside", "at", "in"),
         "road": ("on", "in", "at"), "beach": ("on", "at"), "snow": ("in", "on"), "bed": ("on", "in")}  # fmt: skip
STARTS = ("a photo of", "a picture of", "an image of", "a drawing of", "photo of", "picture of", "a painting of")
PLAIN_WORDS = (
    "small", "big", "little", "large", "nice", "old", "new", "cute", "beautiful", "lovely", "fresh", "shiny", "tiny",
    "bright", "happy", "good", "ripe", "single", "young", "simple",
)  # fmt: skip
VERBS = ("sitting", "standing", "lying", "resting", "placed", "is", "waiting")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
KIND_SHARE, PLAIN_SHARE, PLACELESS_SHARE = 0.06, 0.14, 0.03


def corpus_words() -> list[str]:
    """Every word that deserves a token of its own."""
    text: list[str] = ["a", "an", "the", "and", "of", "with", "middle", "thing", "some", "one", "two"]
    for noun in NOUNS:
        text += [noun.name, *noun.synonyms]
    text += [w for place, others in PLACES.items() for w in (place, *others)]
    text += [*KINDS, *(c for c in COLOURS if c), *RELATIONS, *PLAIN_WORDS, *VERBS, *(" ".join(STARTS)).split()]
    text += ["scene", "empty", "nothing", "table", "wooden", "room", "sky", "blurry", "bad", "ugly", "low", "quality"]
    return sorted(set(text))


def article(rng: random.Random, word: str) -> str:
    """`a`, `an`, `the` or nothing, as people write it."""
    return rng.choice(("an " if word[0] in "aeiou" else "a ", "an " if word[0] in "aeiou" else "a ", "the ", ""))


def adjectives(rng: random.Random) -> str:
    """Mostly nothing; now and then a word without effect, known or invented."""
    draw = rng.random()
    if draw > PLAIN_SHARE:
        return ""
    if draw < PLAIN_SHARE * 0.7:
        return rng.choice(PLAIN_WORDS) + " "
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(3, 7))) + " "


def caption(scene: Scene, rng: random.Random, *, plain: bool = False) -> str:
    """One sentence for `scene`; with `plain`, the sentence the evaluation uses."""
    place = scene.place
    if plain:
        colour = f"{scene.colour} " if scene.colour else ""
        first = (colour or scene.noun)[0]
        return f"{'an' if first in 'aeiou' else 'a'} {colour}{scene.noun} on the {place}"
    names = PLACES[place]
    where_word = rng.choice(names) if names and rng.random() < 0.25 else place
    usual = USUAL.get(place, ("on",))
    relation = (
        rng.choice(usual) if rng.random() < 0.6 else rng.choice(RELATIONS[:5] if rng.random() < 0.8 else RELATIONS)
    )
    if rng.random() < 0.35:
        relation = "on"
    where = f"{relation} {rng.choice(('the ', 'the ', 'a ', ''))}{where_word}"
    if not scene.noun:
        return rng.choice(
            (f"nothing {where}", f"empty {where_word}", f"the {where_word}", where_word, f"an empty {where_word}")
        )
    noun = BY_NAME[scene.noun]
    word = noun.name
    if noun.synonyms and rng.random() < 0.2:
        word = rng.choice(noun.synonyms)
    elif rng.random() < KIND_SHARE:
        word = noun.kind
    colour = f"{scene.colour} " if scene.colour else ""
    plain_word = adjectives(rng)
    described = f"{plain_word}{colour}{word}"
    verb = f"{rng.choice(VERBS)} " if rng.random() < 0.08 else ""
    start = f"{rng.choice(STARTS)} " if rng.random() < 0.12 else ""
    sentence = f"{start}{article(rng, described)}{described}"
    if rng.random() < PLACELESS_SHARE:
        return sentence
    return f"{sentence} {verb}{where}"
