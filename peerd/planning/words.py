"""The small closed word lists by which a prompt is taken apart, and one spelling for a word.

Here lives what English says with few words: articles, relations in space, joints, manners of picture. Never here: open
classes. What a noun is comes from `nouns`, and how a prompt is cut by these words is `frames`.
"""

import re

WORD = re.compile(r"\w+(?:['’-]\w+)*")
CLAUSE_END = re.compile(r"[,;.:|!?()\n]+")


def each(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


ARTICLES = frozenset(
    (
        "a", "an", "the", "some", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our",
        "their",
    )
)  # fmt: skip

# Two relations of one class lay a picture out alike: a bird near the river, a bird beside the river.
RELATIONS = {
    **dict.fromkeys(("on", "upon", "onto", "atop", "at", "across", "along"), "on"),
    **dict.fromkeys(("in", "inside", "within", "into", "among", "amid", "amidst", "through"), "in"),
    **dict.fromkeys(("under", "below", "beneath", "underneath"), "under"),
    **dict.fromkeys(("over", "above"), "over"),
    **dict.fromkeys(("near", "beside", "by", "alongside", "against", "around"), "near"),
    "behind": "behind",
    "before": "before",
}
SPOKEN = {"before": "in front of"}
"""Classes of relations that are said otherwise than they are called."""
PHRASES = {
    "in front of": "before",
    "next to": "near",
    "close to": "near",
    "on top of": "on",
    "on the top of": "on",
    "in the middle of": "in",
    "at the edge of": "near",
    "on the edge of": "near",
    "pixel art": "pixel",
    "oil painting": "oil",
    "black and white": "monochrome",
    "black-and-white": "monochrome",
}
"""Said in several words, read as one."""

JOINTS = frozenset(("with", "wearing", "holding", "carrying", "containing", "without"))
"""What follows belongs to the thing before, and hardly moves it."""

POSTURES = frozenset(
    (
        "is", "are", "was", "were", "be", "being", "there", "lies", "lie", "lying", "lay", "sits", "sit", "sitting",
        "sat", "stands", "standing", "stood", "rests", "resting", "placed", "put", "set", "left", "seated", "parked",
        "located", "situated", "seen", "shown", "can", "that", "which",
    )
)  # fmt: skip
"""That a thing is where it is goes without saying."""

MEASURES = frozenset(("bunch", "pile", "stack", "heap", "group", "pair", "couple", "lot", "number", "piece", "kind"))
"""A bunch of grapes shows grapes."""

COLOURS = frozenset(
    (
        "red", "orange", "yellow", "green", "blue", "purple", "violet", "pink", "brown", "black", "white", "grey",
        "gray", "golden", "silver", "turquoise", "beige",
    )
)  # fmt: skip
SIZES = frozenset(
    (
        "big", "large", "huge", "giant", "small", "little", "tiny", "old", "new", "young", "tall", "short", "long",
        "great", "fat", "thin", "beautiful", "cute", "happy", "sad", "empty", "full", "one", "two", "three", "four",
        "five", "six", "seven", "eight", "nine", "ten", "many", "several",
    )
)  # fmt: skip
"""They say more about a noun and are no part of its name: a big apple is no city, a white house no residence."""

GROUNDS = {
    **dict.fromkeys(("lawn", "meadow", "grassland", "pasture"), "grass"),
    **dict.fromkeys(("shore", "seashore", "seaside", "coast", "sand"), "beach"),
    **dict.fromkeys(("street", "highway", "motorway"), "road"),
}
"""Places that look alike to stand on though they are things of different kinds: grass is a plant, a lawn is a field."""

ING_NOUNS = frozenset(
    (
        "awning", "building", "ceiling", "clothing", "crossing", "drawing", "duckling", "dumpling", "earring",
        "evening", "herring", "king", "lightning", "morning", "painting", "pudding", "railing", "ring", "sapling",
        "sling", "starling", "string", "swing", "thing", "viking", "wedding", "wing",
    )
)  # fmt: skip
"""Nouns that only look as if somebody were doing something."""

# "A photo of" is what a picture is anyway; the others change how everything in it looks.
PLAIN_MANNERS = frozenset(("photo", "photograph", "picture", "image", "shot", "view", "photography", "scene"))
MANNERS = {
    **{
        manner: manner
        for manner in (
            "cartoon", "painting", "drawing", "sketch", "watercolor", "oil", "anime", "comic", "pixel", "render",
            "illustration", "engraving", "logo", "poster", "sculpture", "origami", "mosaic", "vector", "3d", "pencil",
            "charcoal", "ink", "manga", "lowpoly", "woodcut", "monochrome", "icon", "sticker", "clipart", "statue",
        )
    },
    "pixel": "pixel art",
    "oil": "oil painting",
    "watercolour": "watercolor",
    "aquarelle": "watercolor",
    "rendering": "render",
}  # fmt: skip
"""Each manner with the one name for it; only these names of a style may leave a device that shares concepts."""

QUALITY = each(
    "masterpiece best quality high highly ultra detailed detail details resolution res hd uhd hdr award winning"
    " trending artstation professional sharp focus realistic photorealistic hyperrealistic cinematic absurdres"
    " intricate intricately amazing stunning perfect highres raw"
)
"""Praise: a clause of nothing else ("masterpiece, best quality, 8k") shows no thing."""


def same_text(first: str, second: str) -> bool:
    """Whether two prompts are one to a text encoder that ignores case and spacing: they give the same picture."""
    return first == second or folded(first) == folded(second)


def folded(prompt: str) -> str:
    """A prompt without what a text encoder ignores: case, and how many spaces."""
    return " ".join(prompt.casefold().split())


def plain(word: str) -> str:
    """One spelling for a word: no case, no possessive."""
    return word.casefold().replace("’", "'").removesuffix("'s")


def singulars(word: str) -> tuple[str, ...]:
    """What the singular of a regular English plural may be, the likeliest first; empty for what is no plural."""
    if len(word) <= 3 or not word.endswith("s") or word.endswith("ss"):
        return ("man".join(word.rsplit("men", 1)),) if word.endswith("men") else ()
    if word.endswith("ies"):
        return (f"{word[:-3]}y", word[:-1])
    if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
        return (word[:-1], word[:-2])
    if word.endswith(("us", "is")):
        return ()
    return (word[:-1],)
