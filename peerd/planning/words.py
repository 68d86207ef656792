"""A prompt as a simple frame: what is shown, where, and in which manner.

"A photo of a red apple on the wooden table, soft light" -> head apple, subjects {red, apple}, places ((on, table),),
manner {soft, light}. Early steps fix the layout, so place and relation matter more than the subject. Here live small
closed word lists. Never here: meaning beyond these lists (the text encoder's cosine speaks for that, see `similarity`).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

FRAMES_KEPT_MAX = 1_024
"""Prompts whose frames are kept: a leader sees the same open requests again and again while it plans."""

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_ARTICLES = frozenset(
    (
        "a", "an", "the", "some", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our",
        "their", "one",
    )
)  # fmt: skip

# Two relations of one class lay a picture out alike: a bird near the river, a bird beside the river.
_RELATIONS = {
    **dict.fromkeys(("on", "upon", "onto", "atop", "at", "across"), "on"),
    **dict.fromkeys(("in", "inside", "within", "into", "among", "amid"), "in"),
    **dict.fromkeys(("under", "below", "beneath", "underneath"), "under"),
    **dict.fromkeys(("over", "above"), "over"),
    **dict.fromkeys(("near", "beside", "by", "alongside", "next", "against"), "near"),
    "behind": "behind",
    "before": "before",
}
_PHRASES = (("in front of", "before"), ("next to", "near"), ("close to", "near"), ("on top of", "on"))

_JOINTS = frozenset(("with", "of", "and"))

_SAME_WORD = {
    "lawn": "grass",
    "meadow": "grass",
    "street": "road",
    "highway": "road",
    "seaside": "beach",
    "shore": "beach",
    "kitten": "cat",
    "puppy": "dog",
    "automobile": "car",
}

# "A photo of" is what a picture is anyway; the others change how everything in it looks.
_PLAIN_MANNERS = frozenset(
    (
        "photo", "photograph", "picture", "image", "shot", "view",
    )
)  # fmt: skip
_MANNERS = frozenset(
    (
        "cartoon", "painting", "drawing", "sketch", "watercolor", "watercolour", "oil", "anime", "comic", "pixel",
        "render", "illustration", "engraving", "logo", "poster", "sculpture", "origami", "mosaic", "vector", "3d",
        "pencil", "charcoal", "ink", "manga", "lowpoly", "woodcut",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """`head` is the noun that the subject ends in; `places` pair a relation's class with the head of its phrase."""

    head: str
    subjects: frozenset[str]
    places: tuple[tuple[str, str], ...]
    manner: frozenset[str]
    styles: frozenset[str]


def same_text(first: str, second: str) -> bool:
    """Whether two prompts are one to a text encoder that ignores case and spacing: they give the same picture."""
    return first == second or " ".join(first.casefold().split()) == " ".join(second.casefold().split())


@lru_cache(maxsize=FRAMES_KEPT_MAX)
def frame_of(prompt: str) -> Frame:
    """Read a prompt into its frame. Never fails: what it does not know it takes for a part of the subject."""
    text = prompt.casefold()
    for phrase, word in _PHRASES:
        text = re.sub(rf"\b{phrase}\b", word, text)
    scene, *rest = re.split(r"[,;.|]", text)
    if not _WORD.search(scene) and rest:
        scene, *rest = rest
    words, styles = _without_manner([_plain(word) for word in _WORD.findall(scene) if word not in _ARTICLES])
    subject, places = _cut_at_relations(words)
    manner = {_plain(word) for clause in rest for word in _WORD.findall(clause) if word not in _ARTICLES}
    styles |= manner & _MANNERS
    return Frame(
        head=_head(subject), subjects=frozenset(subject) - _JOINTS, places=places,
        manner=frozenset(manner), styles=frozenset(styles),
    )  # fmt: skip


def _plain(word: str) -> str:
    """One spelling for a word: no plural s, no synonym of the small list."""
    word = word.replace("’", "'").removesuffix("'s")
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return _SAME_WORD.get(word, word)


def _without_manner(words: list[str]) -> tuple[list[str], set[str]]:
    """Split "cartoon of dog" or "dog in style of anime" into its words and its styles."""
    styles: set[str] = set()
    if "of" in words[:4]:
        cut = words.index("of")
        opening = words[:cut]
        if opening and opening[-1] in _MANNERS | _PLAIN_MANNERS:
            styles |= set(opening) & _MANNERS
            words = words[cut + 1 :]
    if "style" in words:
        cut = words.index("style")
        start = cut - 1 if cut and words[cut - 1] in _RELATIONS else cut
        styles |= {word for word in words[cut + 1 :] if word != "of"} or set(words[max(0, cut - 1) : cut])
        words = words[:start]
    return words, styles


def _cut_at_relations(words: list[str]) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """The words before the first relation, and each relation with the head of what follows it."""
    cuts = [index for index, word in enumerate(words) if word in _RELATIONS]
    if not cuts:
        return words, ()
    ends = [*cuts[1:], len(words)]
    places = tuple(
        (_RELATIONS[words[start]], head)
        for start, end in zip(cuts, ends, strict=True)
        if (head := _head(words[start + 1 : end]))
    )
    return words[: cuts[0]], places


def _head(words: list[str]) -> str:
    """English puts the head last, unless a joint says more about it: "cup of tea", "man with hat"."""
    for joint in sorted(_JOINTS):
        if joint in words[1:]:
            words = words[: words.index(joint)]
    return words[-1] if words else ""
