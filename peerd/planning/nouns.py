"""WordNet's nouns, read in place from `nouns.bin`: lemmas, senses, what a thing is a kind of, how much that says.

The file is mapped, never unpacked: a lookup walks one block of 32 lemmas. A synset is a number that grows on the walk
down from `entity`, so the parent is the last synset before that stands a level up. `examples/wordnet` makes the file.
Never here: which sense a prompt means (`senses`), or how near two of them are (`kinship`).
"""

import mmap
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from peerd_protocol.errors import LocalError

FILE = Path(__file__).with_name("nouns.bin")
MAGIC = b"PEERDN01"
HEADER = struct.Struct("<8s9I")
BLOCK, RANK = 32, 256
LEAF = 255
INSTANCE = 0x80

LOOKUPS_KEPT_MAX = 1_024
"""A group of prompts says the same few hundred words; an entry takes about 500 bytes."""
ANCESTORS_KEPT_MAX = 4_096
"""Live concepts with all their senses and ancestors; an entry takes about 300 bytes."""


@dataclass(frozen=True, slots=True)
class Sense:
    """One meaning of a lemma; `frequency` is 4 log2(1 + times tagged), from 0 to 63."""

    synset: int
    frequency: int


class Nouns:
    """The mapped table. Everything it answers is the same for ever, so callers may keep it."""

    def __init__(self, file: Path = FILE) -> None:
        if file.stat().st_size < HEADER.size:
            raise LocalError(f"{file} is cut short; install peerd again.")
        with file.open("rb") as opened:
            self._all = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        if self._all[: len(MAGIC)] != MAGIC:
            raise LocalError(f"{file} is not peerd's table of nouns; install peerd again.")
        _, self.synsets, self.lemmas, *sizes = HEADER.unpack_from(self._all)
        ends = [HEADER.size]
        for size in sizes:
            ends.append(ends[-1] + size)
        if ends[-1] != len(self._all):
            raise LocalError(f"{file} is cut short; install peerd again.")
        # The two bytes a synset that every comparison reads are copied: searching bytes is ten times faster.
        self._tree, self._content = self._all[ends[0] : ends[1]], self._all[ends[1] : ends[2]]
        self._more, self._names, self._blocks, self._lemmas, self._plurals = ends[2:7]
        self._more_end, self._end = ends[3], ends[7]

    def senses(self, lemma: str) -> tuple[Sense, ...]:
        """The meanings of a lemma (lower case, words joined by `_`), the most frequent first; none if unknown."""
        return _lookup(self, lemma)

    def information(self, synset: int) -> float:
        """Intrinsic information content in [0, 1]: 0 for `entity`, 1 for what has nothing below it."""
        return self._content[synset] / LEAF

    def is_instance(self, synset: int) -> bool:
        """Whether it is one single thing, such as a city or a person, and not a kind of things."""
        return self._tree[synset] >= INSTANCE

    def parents(self, synset: int) -> tuple[int, ...]:
        """What it is a kind of, the first-named first; empty for `entity`."""
        depth = self._tree[synset] & ~INSTANCE
        if not depth:
            return ()
        return (self._tree.rfind(depth - 1, 0, synset), *self._more_parents(synset))

    def ancestors(self, synset: int) -> tuple[int, ...]:
        """Itself and all that it is a kind of, through every parent, the most telling first."""
        return _ancestors(self, synset)

    def name(self, synset: int) -> str:
        """How people call a synset that has others below it; empty for one that has none."""
        if self._content[synset] == LEAF:
            return ""
        entry = synset // RANK
        at = self._names + 2 * entry
        before = int.from_bytes(self._all[at : at + 2], "little")
        here = synset - entry * RANK - self._content.count(LEAF, entry * RANK, synset)
        at = self._names + 2 * -(-self.synsets // RANK) + 3 * (before + here)
        return self._lemma(int.from_bytes(self._all[at : at + 3], "little")).replace("_", " ")

    def singular(self, word: str) -> str:
        """The noun of an irregular plural ("mice" -> "mouse"); empty if it is not one that WordNet lists."""
        at = self._all.find(f"\n{word} ".encode(), self._plurals, self._end)
        if at < 0 or not word.isascii():
            return ""
        start = at + len(word) + 2
        return self._all[start : self._all.find(b"\n", start)].decode("ascii")

    def _more_parents(self, synset: int) -> tuple[int, ...]:
        """Pairs of child and further parent, sorted by the child."""
        key, count = synset.to_bytes(3, "big"), (self._more_end - self._more) // 6
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            at = self._more + 6 * middle
            low, high = (middle + 1, high) if self._all[at : at + 3] < key else (low, middle)
        found = []
        while low < count and self._all[(at := self._more + 6 * low) : at + 3] == key:
            found.append(int.from_bytes(self._all[at + 3 : at + 6], "big"))
            low += 1
        return tuple(found)

    def _block(self, number: int) -> int:
        at = self._blocks + 3 * number
        return self._lemmas + int.from_bytes(self._all[at : at + 3], "little")

    def _first_of(self, block: int) -> bytes:
        start = self._block(block) + 1
        end = start
        while self._all[end] < INSTANCE:
            end += 1
        return self._all[start:end] + bytes((self._all[end] & 0x7F,))

    def _find(self, lemma: bytes) -> tuple[Sense, ...]:
        low, high = 0, -(-self.lemmas // BLOCK)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._first_of(middle) <= lemma else (low, middle)
        at, word = self._block(low), b""
        for _ in range(min(BLOCK, self.lemmas - low * BLOCK)):
            word, at = self._next_lemma(at, word)
            if word == lemma:
                return self._senses_at(at)
            if word > lemma:
                break
            at = self._after_senses(at)
        return ()

    def _lemma(self, number: int) -> str:
        at, word = self._block(number // BLOCK), b""
        for _ in range(number % BLOCK):
            word, at = self._next_lemma(at, word)
            at = self._after_senses(at)
        return self._next_lemma(at, word)[0].decode("ascii")

    def _next_lemma(self, at: int, before: bytes) -> tuple[bytes, int]:
        """How many letters it has in common with the one before, then its own; the last one has its high bit set."""
        end = at + 1
        while self._all[end] < INSTANCE:
            end += 1
        return before[: self._all[at]] + self._all[at + 1 : end] + bytes((self._all[end] & 0x7F,)), end + 1

    def _after_senses(self, at: int) -> int:
        while not self._all[at + 2] & 0x02:
            at += 3
        return at + 3

    def _senses_at(self, at: int) -> tuple[Sense, ...]:
        """Three bytes a sense: 17 bits of synset, one that marks the last sense, six of frequency."""
        found = []
        while True:
            code = int.from_bytes(self._all[at : at + 3], "little")
            found.append(Sense(code & 0x1FFFF, code >> 18))
            if code & 0x20000:
                return tuple(found)
            at += 3


@lru_cache(maxsize=1)
def nouns() -> Nouns:
    """The table, mapped at its first use; it adds about 0.2 MiB, and what of the file is read at all."""
    return Nouns()


@lru_cache(maxsize=LOOKUPS_KEPT_MAX)
def _lookup(table: Nouns, lemma: str) -> tuple[Sense, ...]:
    return table._find(lemma.encode("ascii")) if lemma and lemma.isascii() else ()


@lru_cache(maxsize=ANCESTORS_KEPT_MAX)
def _ancestors(table: Nouns, synset: int) -> tuple[int, ...]:
    # The parents' tuples are joined, so one number object serves all that are below it.
    found = {synset}.union(*(_ancestors(table, parent) for parent in table.parents(synset)))
    return tuple(sorted(found, key=lambda one: (-table.information(one), one)))
