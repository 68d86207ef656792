"""What the embedded model can draw: nouns, places, colours, and which pairs stay out of training.

Here lives the vocabulary as data, with the few questions one asks of it. Sentences are made in captions.py,
pixels in render.py; nothing here draws, trains or reads files.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """One thing with its picture; `hue` says how it may be recoloured, `own` the colour the artwork has."""

    name: str
    icon: str
    kind: str
    synonyms: tuple[str, ...] = ()
    hue: str = ""  # "" fixed artwork, "turn" rotate the colours, "dye" multiply (for white things)
    own: str = ""
    colours: tuple[str, ...] = ()


ALL = ("red", "yellow", "green", "blue", "purple")

NOUNS: tuple[Noun, ...] = (
    Noun("apple", "red-apple", "fruit", (), "turn", "red", ("red", "green", "yellow")),
    Noun("lemon", "lemon", "fruit"),
    Noun("orange", "tangerine", "fruit", ("tangerine",)),
    Noun("pear", "pear", "fruit"),
    Noun("banana", "banana", "fruit"),
    Noun("strawberry", "strawberry", "fruit"),
    Noun("grapes", "grapes", "fruit"),
    Noun("pineapple", "pineapple", "fruit"),
    Noun("watermelon", "watermelon", "fruit", ("melon",)),
    Noun("carrot", "carrot", "food"),
    Noun("mushroom", "mushroom", "food"),
    Noun("bread", "bread", "food", ("toast",)),
    Noun("pizza", "pizza", "food"),
    Noun("doughnut", "doughnut", "food", ("donut",)),
    Noun("cake", "birthday-cake", "food"),
    Noun("hamburger", "hamburger", "food", ("burger",)),
    Noun("bird", "bird", "animal", (), "turn", "blue", ALL),
    Noun("cat", "cat", "animal", ("kitten",)),
    Noun("dog", "dog", "animal", ("puppy",)),
    Noun("duck", "duck", "animal"),
    Noun("owl", "owl", "animal"),
    Noun("penguin", "penguin", "animal"),
    Noun("rabbit", "rabbit", "animal", ("bunny",)),
    Noun("elephant", "elephant", "animal"),
    Noun("turtle", "turtle", "animal", ("tortoise",)),
    Noun("fish", "tropical-fish", "animal"),
    Noun("horse", "horse", "animal"),
    Noun("cow", "cow", "animal"),
    Noun("pig", "pig", "animal"),
    Noun("butterfly", "butterfly", "animal"),
    Noun("man", "man-standing", "person", ("guy",)),
    Noun("robot", "robot", "toy"),
    Noun("car", "automobile", "vehicle", ("automobile",), "turn", "red", ALL),
    Noun("bus", "bus", "vehicle"),
    Noun("bicycle", "bicycle", "vehicle", ("bike",)),
    Noun("airplane", "airplane", "vehicle", ("plane",)),
    Noun("train", "locomotive", "vehicle", ("locomotive",)),
    Noun("boat", "sailboat", "vehicle", ("sailboat",)),
    Noun("book", "closed-book", "thing", (), "turn", "red", ALL),
    Noun("cup", "hot-beverage", "thing", ("mug",), "dye", "white", ("white", *ALL)),
    Noun("chair", "chair", "thing"),
    Noun("clock", "alarm-clock", "thing"),
    Noun("umbrella", "umbrella", "thing", (), "turn", "purple", ALL),
    Noun("guitar", "guitar", "toy"),
    Noun("ball", "soccer-ball", "toy", ("football",)),
    Noun("house", "house", "building", ("home",)),
    Noun("tree", "deciduous-tree", "plant"),
    Noun("flower", "sunflower", "plant", ("sunflower",)),
)

PLACES: dict[str, tuple[str, ...]] = {  # the name, then its synonyms
    "table": (),
    "desk": (),
    "bed": (),
    "sofa": ("couch",),
    "book": (),
    "grass": ("lawn", "meadow"),
    "beach": ("sand",),
    "snow": (),
    "road": ("street",),
    "river": ("stream",),
    "forest": ("woods",),
    "moon": (),
}
PLACE_NAMES = tuple(PLACES)
NOUN_NAMES = tuple(n.name for n in NOUNS)
THINGS = (*NOUN_NAMES, "")  # as the judge says them; the last: nothing there
BY_NAME = {n.name: n for n in NOUNS}
KINDS = tuple(dict.fromkeys(n.kind for n in NOUNS))
COLOURS = ("", "white", *ALL)

# How near two places are to each other, for the text encoder's designed similarity.
NEAR_PLACES = {
    frozenset(("table", "desk")): 0.5,
    frozenset(("bed", "sofa")): 0.5,
    frozenset(("grass", "forest")): 0.4,
    frozenset(("grass", "river")): 0.4,
    frozenset(("forest", "river")): 0.4,
    frozenset(("beach", "river")): 0.3,
}

# Promised prompts always stay in training; the four fruits on the table are the demonstration.
ALWAYS_TRAINED = {
    ("apple", "table"), ("lemon", "table"), ("orange", "table"), ("pear", "table"), ("banana", "table"),
    ("bird", "desk"), ("dog", "desk"), ("cat", "desk"), ("cat", "grass"), ("dog", "grass"), ("car", "beach"),
    ("cup", "book"), ("cup", "table"), ("tree", "river"), ("man", "beach"), ("cat", "bed"), ("dog", "bed"),
    ("car", "road"), ("bird", "snow"), ("book", "table"), ("book", "desk"),
}  # fmt: skip
HELD_OUT_SHARE = 0.15


def prompt_of(noun: str, place: str, colour: str = "") -> str:
    """The sentence the evaluation asks with."""
    words = f"{colour} {noun}".strip()
    relation = {"river": "near", "forest": "in"}.get(place, "on")
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words} {relation} the {place}"


def all_pairs() -> list[tuple[str, str]]:
    """Every noun at every place, except a book on a book, which nobody could tell from its support."""
    return [(n, p) for n in NOUN_NAMES for p in PLACE_NAMES if not (n == "book" and p == "book")]


def held_out_pairs() -> set[tuple[str, str]]:
    """The 15 % of pairs that no training stage ever sees together; always the same ones."""
    free = [pair for pair in all_pairs() if pair not in ALWAYS_TRAINED]
    return set(random.Random(7).sample(free, round(HELD_OUT_SHARE * len(all_pairs()))))


def trained_pairs() -> list[tuple[str, str]]:
    """The pairs that training may draw."""
    out = held_out_pairs()
    return [pair for pair in all_pairs() if pair not in out]
