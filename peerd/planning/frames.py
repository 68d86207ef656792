"""A prompt as a simple frame: which things are shown, where, and in which manner.

"A photo of a red apple on the wooden table, soft light" -> thing apple (red), place (on, table (wooden)), manner
{soft, light}. Early steps fix the layout, so place and relation matter more than the thing. Reading never fails: what
is not known is kept as a word. Never here: which sense of a noun is meant (`senses`), or a comparison (`similarity`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from peerd.planning import words
from peerd.planning.kinship import is_kind
from peerd.planning.nouns import Nouns, nouns
from peerd.planning.tongue import speaks_english

LETTERS_MAX = 1_024
"""A text encoder reads the first hundred words at most; more would only cost time."""
NAME_WORDS_MAX = 4
"""Nouns of more words ("lily of the valley orchid") are rare enough to be read as their head."""

UNKNOWN = -1
_PHRASE = re.compile("|".join(rf"\b{phrase}\b" for phrase in sorted(words.PHRASES, key=len, reverse=True)))


NOTHING: frozenset[str] = frozenset()
"""One empty set for all: most things have no attributes, and a thousand frames are kept."""


def _set(said: Iterable[str]) -> frozenset[str]:
    return frozenset(said) or NOTHING


@dataclass(frozen=True, slots=True)
class Thing:
    """A noun with what is said of it. `lemma` is as in the table (words joined by `_`) or the word itself.

    `synset` is the sense that was chosen, `UNKNOWN` where the table has none.
    """

    lemma: str
    attributes: frozenset[str] = NOTHING
    synset: int = UNKNOWN


@dataclass(frozen=True, slots=True)
class Place:
    """A thing that another one is on, in, under, over, near, behind or before."""

    relation: str
    thing: Thing


@dataclass(frozen=True, slots=True)
class Frame:
    """`things` and `places` stand in the order of the prompt; `said` is every word, for prompts nobody understands."""

    things: tuple[Thing, ...]
    places: tuple[Place, ...]
    styles: frozenset[str]
    manner: frozenset[str]
    said: tuple[str, ...]
    known: bool
    """Whether it speaks English and any of its nouns is in the table. Of others no noun has a sense."""


def parse(prompt: str) -> Frame:
    """The frame of a prompt, its senses still open (the first sense stands for "known")."""
    text = _PHRASE.sub(lambda match: words.PHRASES[match.group()], prompt[:LETTERS_MAX].casefold())
    clauses = [_tokens(clause) for clause in words.CLAUSE_END.split(text)]
    clauses = [clause for clause in clauses if clause]
    said = tuple(sorted({token for clause in clauses for token in clause} - words.ARTICLES))
    styles: set[str] = set()
    clauses = [kept for clause in clauses if (kept := _without_style(clause, styles))]
    things, places, manner = list[Thing](), list[Place](), set[str]()
    heard = list[list[str]]()
    for clause in clauses:
        # A later clause belongs to the scene as long as it brings what the scene still lacks.
        lacking = not things or (not places and clause[0] in words.RELATIONS)
        if lacking and not _is_praise(clause):
            found, where = _scene(clause)
            things += found
            places += where
            heard.append(clause)
        else:
            manner |= {token for token in clause if token not in words.ARTICLES}
    styles |= {words.MANNERS[word] for word in manner & words.MANNERS.keys()}
    found = [*things, *(place.thing for place in places)]
    known = any(thing.synset != UNKNOWN for thing in found) and speaks_english(heard)
    if not known:
        # What only looks like an English noun has no sense: neither near to anything nor a kind of anything.
        things = [replace(thing, synset=UNKNOWN) for thing in things]
        places = [replace(place, thing=replace(place.thing, synset=UNKNOWN)) for place in places]
    return Frame(
        things=tuple(things), places=tuple(places), styles=_set(styles),
        manner=_set(manner - words.MANNERS.keys()), said=said, known=known,
    )  # fmt: skip


def _is_praise(clause: Iterable[str]) -> bool:
    """ "Best quality", "8k", "award-winning": no thing is shown."""
    return all(part in words.QUALITY or part[:1].isdigit() for word in clause for part in word.split("-"))


def _tokens(clause: str) -> list[str]:
    return [words.plain(word) for word in words.WORD.findall(clause)]


def _without_style(clause: list[str], styles: set[str]) -> list[str]:
    """Take "cartoon of", "in the style of anime" and "cartoon" before a noun out of a clause, into `styles`."""
    if "style" in clause:
        cut = clause.index("style")
        after = [word for word in clause[cut + 1 :] if word not in {"of", *words.ARTICLES}]
        start = cut
        while start and clause[start - 1] in words.ARTICLES | words.RELATIONS.keys():
            start -= 1
        if not after and start:
            after, start = [clause[start - 1]], start - 1
            while start and clause[start - 1] in words.ARTICLES | words.RELATIONS.keys():
                start -= 1
        styles.update(words.MANNERS.get(word, word) for word in after)
        clause = clause[:start]
    if "of" in clause[:6]:
        cut = clause.index("of")
        if cut and clause[cut - 1] in words.MANNERS.keys() | words.PLAIN_MANNERS:
            styles.update(words.MANNERS[word] for word in clause[:cut] if word in words.MANNERS)
            clause = clause[cut + 1 :]
    kept = list[str]()
    for at, word in enumerate(clause):
        # "A cartoon dog" is a dog, but "a dog on a poster" is on a poster.
        before_noun = at + 1 < len(clause) and not _is_boundary(clause[at + 1])
        if word in words.MANNERS and before_noun:
            styles.add(words.MANNERS[word])
        else:
            kept.append(word)
    return kept


def _is_boundary(word: str) -> bool:
    return word in words.RELATIONS or word in words.ARTICLES or word in words.JOINTS or word in {"and", "of"}


def _scene(clause: Sequence[str]) -> tuple[list[Thing], list[Place]]:
    """Cut a clause into noun phrases, and give each to the things or, after a relation, to the places."""
    things, places = list[Thing](), list[Place]()
    relation, attached, phrase = "", False, list[str]()

    def close() -> None:
        nonlocal relation, attached
        if thing := _thing(phrase):
            if attached and (things or places):
                # "A man with a hat": what is attached says more about what it is attached to.
                more = thing.attributes | {thing.lemma}
                if relation and places:
                    places[-1] = replace(places[-1], thing=_with(places[-1].thing, more))
                elif things:
                    things[-1] = _with(things[-1], more)
            elif relation:
                places.append(Place(relation, _ground(thing)))
            else:
                things.append(thing)
        phrase.clear()
        attached = False

    for at, word in enumerate(clause):
        following = clause[at + 1] if at + 1 < len(clause) else ""
        if word in words.RELATIONS:
            close()
            relation = words.RELATIONS[word]
        elif word in words.POSTURES:
            continue
        elif word in words.JOINTS:
            close()
            attached = True
        elif _is_action(word, phrase):
            # What is done belongs to who does it; what it is done to ("riding a horse") is a thing of its own.
            phrase.insert(0, word)
            close()
            relation = ""
        elif word == "of":
            if not (phrase and phrase[-1].removesuffix("s") in words.MEASURES):
                close()
                attached = True
            phrase.clear()
        elif word == "and":
            # "Red and blue car" is one thing.
            if phrase and phrase[-1] in words.COLOURS and following in words.COLOURS:
                continue
            close()
            if not words.RELATIONS.keys().isdisjoint(clause[at:]):
                # "A cat on the table and a dog under it": what has a place of its own is no place.
                relation = ""
        elif word in words.ARTICLES:
            if phrase:
                close()
                relation = "" if not things else relation
        else:
            phrase.append(word)
    close()
    return things, places


def _ground(thing: Thing) -> Thing:
    """A place by the one name for all grounds that look like it."""
    lemma = words.GROUNDS.get(thing.lemma)
    return replace(thing, lemma=lemma, synset=nouns().senses(lemma)[0].synset) if lemma else thing


def _with(thing: Thing, more: frozenset[str]) -> Thing:
    return replace(thing, attributes=thing.attributes | more)


def _is_action(word: str, phrase: Sequence[str]) -> bool:
    """ "A bat flying over" does something, "a flying bat" is of a kind, and "a brick building" is a building."""
    if not word.endswith("ing") or len(word) < 5 or word in words.ING_NOUNS or not phrase:
        return False
    return phrase[-1] not in words.COLOURS | words.SIZES


def _thing(phrase: Sequence[str]) -> Thing | None:
    """English puts the head last; the longest noun that ends the phrase is the head, the rest says more about it."""
    if not phrase:
        return None
    table = nouns()
    for start in range(max(0, len(phrase) - NAME_WORDS_MAX), len(phrase)):
        lemma = _lemma(phrase[start:], table)
        if lemma and (start == len(phrase) - 1 or _is_name(phrase[start], table.senses(lemma)[0].synset)):
            return Thing(lemma, _set(phrase[:start]), table.senses(lemma)[0].synset)
    return Thing(phrase[-1], _set(phrase[:-1]))


def _is_name(first: str, synset: int) -> bool:
    """Whether a noun of several words is meant as one: "great dane" is, "big apple" and "green dragon" are not."""
    if first not in words.COLOURS | words.SIZES:
        return True
    return is_kind(synset, "animal") or is_kind(synset, "food")


def _lemma(phrase: Sequence[str], table: Nouns) -> str:
    """The lemma that these words spell, the last one perhaps in the plural; empty if there is none."""
    *first, last = phrase
    start = "".join(f"{word}_" for word in first)
    whole = start + last
    senses = table.senses(whole)
    # "Woods" is a forest of its own; "dogs" is known too, for feet, but nobody says so.
    if senses and senses[0].frequency and not all(table.is_instance(sense.synset) for sense in senses):
        return whole
    exception = table.singular(last)
    for singular in ([exception] if exception else []) + list(words.singulars(last)):
        if table.senses(start + singular):
            return start + singular
    return whole if senses else ""
