"""How near two prompts are, from 0 (unrelated) to 1 (one picture), by simple words and the text encoder's cosine.

Words decide whether it is the same scene at all; the cosine then moves the number up or down. The cosine alone never
links two prompts: its scale differs from model to model, and an unknown noun looks near whatever shares its place.
"""

import math
import struct
from dataclasses import dataclass
from operator import mul

from peerd.planning.words import Frame, frame_of, same_text

SAME_PLACE = 0.6
"""What the same place in the same relation is worth before the subjects are compared."""

_PLACE_KNOWN_ONCE = 0.55
_HEADS_DIFFER = 0.7
_ON_AGAINST_IN = 0.9
_OTHER_RELATION = 0.5
_OTHER_STYLE = 0.4
_OTHER_MANNER = 0.9


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt read once: its frame, and its embedding with length one (empty: the engine was cold)."""

    prompt: str
    frame: Frame
    direction: tuple[float, ...]


def read(prompt: str, embedding: bytes = b"") -> Reading:
    return Reading(prompt, frame_of(prompt), decode_embedding(embedding))


def decode_embedding(embedding: bytes) -> tuple[float, ...]:
    """Little-endian float16 bytes as a direction of length one; rubbish (odd length, not finite, zero) as none."""
    if not embedding or len(embedding) % 2:
        return ()
    values: tuple[float, ...] = struct.unpack(f"<{len(embedding) // 2}e", embedding)
    length = math.hypot(*values)
    if not math.isfinite(length) or length == 0.0:
        return ()
    return tuple(value / length for value in values)


def similarity(first: Reading, second: Reading) -> float:
    """Symmetric, in [0, 1]. Different scenes stay under half of `SAME_PLACE` whatever the cosine says."""
    if same_text(first.prompt, second.prompt):
        return 1.0
    words = words_similarity(first.frame, second.frame)
    if words < SAME_PLACE / 2 or not first.direction or len(first.direction) != len(second.direction):
        return words
    cosine: float = sum(map(mul, first.direction, second.direction))
    return max(0.0, min(1.0, (words + cosine) / 2))


def words_similarity(first: Frame, second: Frame) -> float:
    """Same place in the same relation says most; subject, style and what else was said, the rest."""
    common = _overlap(first.subjects, second.subjects)
    if first.places and second.places:
        near = _scene(first.places, second.places)
        if near == 0.0:
            return 0.0
        score = near * (SAME_PLACE + (1 - SAME_PLACE) * common)
    elif first.places or second.places:
        score = _PLACE_KNOWN_ONCE * common if first.head == second.head else 0.0
    else:
        score = common if first.head == second.head else common * _HEADS_DIFFER
    if first.styles != second.styles:
        score *= _OTHER_STYLE
    elif first.manner != second.manner:
        score *= _OTHER_MANNER
    return score


def _scene(first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...]) -> float:
    """1 for the same first place in the same relation, 0 for another place; what follows it weighs half."""
    (relation, place), (other_relation, other_place) = first[0], second[0]
    if place != other_place:
        return 0.0
    near = 1.0
    if relation != other_relation:
        near = _ON_AGAINST_IN if {relation, other_relation} == {"on", "in"} else _OTHER_RELATION
    if first[1:] != second[1:]:
        near *= 0.5 + 0.5 * _overlap(frozenset(first[1:]), frozenset(second[1:]))
    return near


def _overlap(first: frozenset[object], second: frozenset[object]) -> float:
    """Jaccard: common over all."""
    return len(first & second) / len(first | second) if first or second else 1.0
