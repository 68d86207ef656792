"""How near two prompts are, from 0 (unrelated) to 1 (one picture): what their frames say, moved by the text encoder.

Early steps fix the layout, so the scene (place and relation) says most, then what kind of things stand in it, then what
is said of them. The cosine of the encoder moves that number up or down by a bounded part, so it never links two scenes
that the frames tell apart. Of prompts that nobody understands, names and other languages, it decides together with the
letters: how many of the telling words are the same, and whether the words of where are.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul

from peerd.planning.frames import UNKNOWN, Frame, Place, Thing, parse
from peerd.planning.kinship import is_kind, lin
from peerd.planning.senses import understand
from peerd.planning.tongue import telling, where
from peerd.planning.words import folded

READINGS_KEPT_MAX = 1_024
"""Prompts whose frames are kept: a leader sees the same open requests again and again. About 2 KiB each."""

SAME_PLACE = 0.24
"""What the same place in the same relation is worth before the things in it are compared: less than the bound."""

OTHER_STYLE = 0.35
"""What two styles leave of the nearness of anything: less than the bound."""

_PLACE_SAID_ONCE = 0.55
_NEW_THING = 0.35
"""Nearness of two different things of which one is not in the table: an ordinary pair of nouns."""
_PEOPLE = 0.6
"""Least nearness of two people: WordNet tells a king from a cook better than a layout does."""
_ATTRIBUTES = 0.15
_ACCOMPANIED = 0.5
"""What a thing with no counterpart in the other prompt takes from the nearness of the things."""
_OTHER_MANNER = 0.9
_PLACE_FAR = 0.62
"""Places less near than this in Lin's sense have nothing in common but being places."""
_OTHER_RELATION = 0.37
_RELATIONS_NEAR = {
    frozenset(("on", "in")): 0.9,
    frozenset(("near", "behind")): 0.6,
    frozenset(("near", "before")): 0.7,
    frozenset(("near", "on")): 0.5,
}
_IN_IS_NOT_ON = ("container", "building", "vehicle", "enclosure")
"""Kinds that hide what is in them: a cat in a box is not a cat on a box, in grass it is on the grass."""

_ALMOST_ONE = 0.995
"""Two texts, however near: only one text is one picture."""
_COSINE_ADDS = 0.01
"""How far a cosine of one closes the gap to one: as far as the tuning half of the labelled pairs likes best, of .01 to
.2. Little: on nouns that a model never saw its encoder knows the place at best, and the frames know that too; what it
adds there is the order of pairs that the frames find equally near."""
_FEW_IN_COMMON = 1.5
"""Of prompts that nobody understands, half of the words in common is less than half of the picture."""
_COSINE_SPEAKS = 0.9
"""Words that an encoder hardly knows are all alike to it, cats and cars up to here: only what is above says something
of a prompt in another language."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt read once: as a text encoder sees it, its frame, and its embedding with length one (empty: none)."""

    text: str
    frame: Frame
    direction: tuple[float, ...]


def read(prompt: str, embedding: bytes = b"") -> Reading:
    return Reading(folded(prompt), frame_of(prompt), decode_embedding(embedding))


@lru_cache(maxsize=READINGS_KEPT_MAX)
def frame_of(prompt: str) -> Frame:
    """The frame of a prompt with its senses chosen."""
    return understand(parse(prompt))


def decode_embedding(embedding: bytes) -> tuple[float, ...]:
    """Little-endian float16 bytes as a direction of length one; rubbish (odd length, not finite, zero) as none."""
    if not embedding or len(embedding) % 2:
        return ()
    values: tuple[float, ...] = struct.unpack(f"<{len(embedding) // 2}e", embedding)
    length = math.hypot(*values)
    if not math.isfinite(length) or length == 0.0:
        return ()
    return tuple(value / length for value in values)


def similarity(first: Reading, second: Reading, at_least: float = 0.0) -> float:
    """Symmetric, in [0, 1]; 1 only for one text. At least `PlanSettings.similar_min` where two may share.

    Of a pair that stays under `at_least` whatever the encoder says, what the frames say: that costs no cosine.
    """
    if first.text == second.text:
        return 1.0
    near = frames_similarity(first.frame, second.frame)
    if not first.direction or len(first.direction) != len(second.direction):
        return near
    if not first.frame.known and not second.frame.known:
        # Another language, or names: the model's own eyes know best what it would draw.
        seen = max(0.0, min(1.0, (cosine(first, second) - _COSINE_SPEAKS) / (1 - _COSINE_SPEAKS)))
        return _ALMOST_ONE * _same_where(first.frame, second.frame) * (_letters(first.frame, second.frame) + seen) / 2
    return near if moved(near, 1.0) < at_least else moved(near, cosine(first, second))


def cosine(first: Reading, second: Reading) -> float:
    """The cosine of two embeddings of one length."""
    both: float = sum(map(mul, first.direction, second.direction))
    return both


def moved(near: float, cosine: float) -> float:
    """What the frames say, moved by what the model's own text encoder says: a little up, or down where it objects."""
    if cosine < 0.0:
        return near * (1 + max(-1.0, cosine))
    return min(_ALMOST_ONE, near + _COSINE_ADDS * (1 - near) * cosine)


def frames_similarity(first: Frame, second: Frame) -> float:
    """By words and their meaning alone, in [0, 0.995]."""
    if not first.known and not second.known:
        return _ALMOST_ONE * _same_where(first, second) * _letters(first, second)
    if first.places and second.places:
        near = _scene(first.places, second.places)
        if near:
            near *= SAME_PLACE + (1 - SAME_PLACE) * _things(first.things, second.things)
    else:
        near = _things(first.things, second.things)
        if first.places or second.places:
            near = _PLACE_SAID_ONCE * near**2
    if first.styles != second.styles:
        near *= OTHER_STYLE
    elif first.manner != second.manner:
        near *= _OTHER_MANNER
    return _ALMOST_ONE * near


def _letters(first: Frame, second: Frame) -> float:
    """How many telling words two prompts have in common: enough where each says one of four otherwise, not of three."""
    one, other = telling(first.said), telling(second.said)
    return _overlap(one, other) ** _FEW_IN_COMMON if one and other else 0.0


def _same_where(first: Frame, second: Frame) -> float:
    return 1.0 if where(first.said) == where(second.said) else _OTHER_RELATION


def _scene(first: Sequence[Place], second: Sequence[Place]) -> float:
    """1 for the same places in the same relations; the first one decides, what follows weighs a little."""
    near = _placed(first[0], second[0])
    if near and (len(first) > 1 or len(second) > 1):
        rest = max(len(first), len(second)) - 1
        more = sum(_placed(one, other) for one, other in zip(first[1:], second[1:], strict=False)) / rest
        near *= 0.7 + 0.3 * more
    return near


def _placed(first: Place, second: Place) -> float:
    one, other = first.thing, second.thing
    if one.lemma == other.lemma and one.synset == other.synset:
        near = 1.0
    elif UNKNOWN in (one.synset, other.synset):
        return 0.0
    else:
        near = max(0.0, (lin(one.synset, other.synset) - _PLACE_FAR) / (1 - _PLACE_FAR))
    if first.relation == second.relation:
        return near
    pair = frozenset((first.relation, second.relation))
    if pair == {"on", "in"} and any(is_kind(one.synset, kind) for kind in _IN_IS_NOT_ON if one.synset != UNKNOWN):
        return near * _OTHER_RELATION
    return near * _RELATIONS_NEAR.get(pair, _OTHER_RELATION)


def _things(first: Sequence[Thing], second: Sequence[Thing]) -> float:
    """The best matching of the fewer things to the others, each taken once; what is left over takes its part away."""
    if not first or not second:
        return 1.0 if len(first) == len(second) else 0.0
    if len(first) == len(second) == 1:
        return _alike(first[0], second[0])
    few, many = sorted((list(first), list(second)), key=len)
    pairs = sorted(
        ((_alike(one, other), -at, -to) for at, one in enumerate(few) for to, other in enumerate(many)), reverse=True
    )
    total, used, taken = 0.0, set[int](), set[int]()
    for near, at, to in pairs:
        if at not in used and to not in taken:
            used.add(at)
            taken.add(to)
            total += near
    left = len(many) - len(few)
    return total / (len(few) + _ACCOMPANIED * left)


def _alike(first: Thing, second: Thing) -> float:
    """The nearness of two things by their kind, and a little by what is said of them."""
    if first.lemma == second.lemma and first.synset == second.synset:
        near = 1.0
    elif UNKNOWN in (first.synset, second.synset):
        near = _NEW_THING
    else:
        near = lin(first.synset, second.synset)
        if near < _PEOPLE and is_kind(first.synset, "person") and is_kind(second.synset, "person"):
            near = _PEOPLE
    if first.attributes == second.attributes:
        return near
    return near * (1 - _ATTRIBUTES + _ATTRIBUTES * _overlap(first.attributes, second.attributes))


def _overlap(first: frozenset[str], second: frozenset[str]) -> float:
    """Jaccard: common over all."""
    return len(first & second) / len(first | second) if first or second else 1.0
