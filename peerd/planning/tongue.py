"""Whether a prompt speaks English, so that its frame may be believed: "un gato sobre la mesa" is no cat on a mesa.

Many words of other languages are spelled as English nouns (mesa, table, pain, chat, gift), so nouns alone prove little.
The small words give a language away: the articles and prepositions of others against those of English, and where
these say little, how many of the other words English has at all. Names and new words may stand in an English prompt.
Never here: what a prompt of another language means.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from peerd.planning import words
from peerd.planning.nouns import nouns

NAME_WORDS_MAX = 4
"""Words of a name in the table ("rio de janeiro", "creme brulee") that is looked up as one."""
WORDS_KEPT_MAX = 1_024
"""Words of which it is kept whether English has them; about 100 bytes each."""
STEM_MIN = 3

ELSEWHERE_WHERE = words.each(
    # Spanish, Portuguese, Catalan, French, Italian, Romanian
    "en sobre bajo encima debajo junto detrás delante dentro em na nas nos sob atrás sota sur sous dans"
    " devant derrière près dessus dessous au aux sopra sotto dietro davanti nel nella nello nei nelle sul"
    " sulla sullo sui sulle al alla pe sub lângă în"
    # German, Dutch, Danish, Swedish, Norwegian
    " auf unter über im neben vor hinter bei op onder naast achter voor bij på ved bakom bredvid hos"
    # Polish, Czech, Turkish, Hungarian, Indonesian
    " nad przy obok przed za ve vedle üzerinde üstünde altında içinde yanında alatt fölött mellett atas bawah"
)
"""What other languages say of where a thing is; two prompts with different ones may mean different relations."""

ELSEWHERE = ELSEWHERE_WHERE | words.each(
    "un una uno unos unas une um uma el la las los le les lo il gli del de des du di della dello dei degli"
    " delle da das dos e y et con com avec pour para por der dem den ein eine einen einem einer und mit zu"
    " vom zum een het ett och og med er bir ile egy az és i z w ze se je sebuah seekor dan o os ao şi cu și"
    " est ist es qui que l d"
)
"""Small words of other languages that English does not have, or hardly."""

ANYWHERE = words.each("die as do no van pod son me men her to war hat")
"""Small words elsewhere that are English words too: they speak for neither side."""

_WHERE = ELSEWHERE_WHERE | words.RELATIONS.keys() | {"pod", "no"}
_NOT_ALONE = words.each("a an in at under over by is was are be that")
"""Small words of English that another language has too, or a town in Denmark is."""
_OF_ENGLISH_ALONE = (
    words.each("and of from for who while or")
    | (words.ARTICLES | words.JOINTS | words.RELATIONS.keys() | words.POSTURES)
) - (_NOT_ALONE | words.each("can set lie her"))
_SMALL = _OF_ENGLISH_ALONE | _NOT_ALONE
_NOT_TELLING = _SMALL | ELSEWHERE | words.QUALITY

_COMMON = words.each(
    "abandoned ancient bright broken calm cheerful clean clear colourful colorful cosy cozy dark deep dense dim dry"
    " elegant enormous epic evil fancy fantastic fierce frozen fresh funny gentle glossy good gorgeous graceful heavy"
    " loose lovely low lush magical majestic modern mysterious narrow neat nice ornate pale pretty proud quiet quick"
    " rare rich ripe rough round rustic serene shallow shiny silent simple sleek slender slow smooth soft steep"
    " stormy strong sweet tame thick ugly vast vibrant vintage vivid warm weak wet wide wild wise wooden woollen"
    " woolen wrinkled very extremely"
)
"""Common adjectives that no noun tells; a word that is missing here counts as one that English does not have."""
_SAID_OF = _COMMON | words.COLOURS | words.SIZES | words.QUALITY | words.MANNERS.keys()
_ENDINGS = ("ing", "ed", "y", "ly", "ful", "less", "ish")


def speaks_english(clauses: Iterable[Sequence[str]]) -> bool:
    """Whether the clauses of a scene, as plain words, are English as far as one can tell; no words are no English."""
    ours = theirs = known = unknown = 0
    sure = False
    for clause in clauses:
        named = _in_names(clause)
        for at, word in enumerate(clause):
            if word in _SMALL:
                ours += 1
                sure = sure or word in _OF_ENGLISH_ALONE
            elif at not in named and (word in ELSEWHERE or _elided(word)):
                theirs += 1
            elif word not in ANYWHERE and not any(letter.isdigit() for letter in word):
                has = at in named or is_english(word)
                known, unknown = known + has, unknown + (not has)
    if theirs > ours:
        return False
    if theirs == ours:
        return known > unknown or not (theirs or unknown)
    return sure or known >= unknown


@lru_cache(maxsize=WORDS_KEPT_MAX)
def is_english(word: str) -> bool:
    """Whether English has a word: a noun of the table, what is made of one ("rusty", "glowing"), or a common other."""
    if word in _SAID_OF:
        return True
    if "-" in word:
        return all(is_english(part) for part in word.split("-"))
    if len(word) < STEM_MIN and word not in {"ox", "tv"}:
        return False
    if any(map(nouns().senses, (word, *words.singulars(word)))) or nouns().singular(word):
        return True
    return any(map(nouns().senses, _stems(word)))


def telling(said: Iterable[str]) -> frozenset[str]:
    """The words that say something of a prompt that nobody understands: neither small words nor mere praise."""
    return frozenset(word for word in said if word not in _NOT_TELLING)


def where(said: Iterable[str]) -> frozenset[str]:
    """What a prompt that nobody understands says of where things are."""
    return frozenset(words.RELATIONS.get(word, word) for word in said if word in _WHERE)


def _stems(word: str) -> Iterable[str]:
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= STEM_MIN:
            yield from (stem, f"{stem}e")
            if stem[-1] == stem[-2]:
                yield stem[:-1]


def _elided(word: str) -> bool:
    """ "L'eau", "dell'uomo"."""
    start, apostrophe, rest = word.partition("'")
    return bool(apostrophe and len(rest) > 1) and start in {"l", "d", "un", "dell", "nell", "sull", "all", "qu", "dall"}


def _in_names(clause: Sequence[str]) -> set[int]:
    """Which words stand in a name of the table: the small words of a name say nothing of the prompt's language."""
    strange = [word in ELSEWHERE or not (word in _SMALL or is_english(word)) for word in clause]
    found = set[int]()
    for start, end in ((at, to) for at in range(len(clause)) for to in range(at + 2, at + NAME_WORDS_MAX + 1)):
        if end <= len(clause) and any(strange[start:end]) and nouns().senses("_".join(clause[start:end])):
            found |= set(range(start, end))
    return found
