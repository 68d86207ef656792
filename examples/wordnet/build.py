"""Pack WordNet's nouns into peerd/planning/nouns.bin, the table that `peerd/planning/nouns.py` reads in place.

    python examples/wordnet/build.py [--from /usr/share/wordnet] [--to peerd/planning/nouns.bin]

Synsets are numbered in the order in which one meets them walking down from `entity`, children after their parent; then
one byte of depth each is the whole tree, and the parent of a synset is the last one before it that is a level up.
Never here: what the table means for a prompt.
"""

import argparse
import math
import re
import struct
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAGIC = b"PEERDN01"
HEADER = struct.Struct("<8s9I")
BLOCK = 32
"""Lemmas to a block: its first is whole, each other says how many letters it has in common with the one before."""
RANK = 256
"""Synsets to an entry of the directory that counts those with a name."""
INSTANCE = 0x80
LAST = 1 << 17
FREQUENCY_SHIFT, FREQUENCY_MAX = 18, 63
LEAF = 255


class Synset:
    def __init__(self, offset: int, lemmas: list[str], parents: list[int], instance: bool) -> None:
        self.offset, self.lemmas, self.parents, self.instance = offset, lemmas, parents, instance


def read_synsets(folder: Path) -> dict[int, Synset]:
    """data.noun by offset. Hypernyms (@) and instance hypernyms (@i) are parents alike."""
    synsets = {}
    for line in (folder / "data.noun").read_text(encoding="ascii").splitlines():
        if line.startswith("  "):
            continue
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        lemmas = [fields[4 + 2 * number].lower() for number in range(count)]
        pointers = fields[5 + 2 * count :]
        kinds = [(pointers[at], int(pointers[at + 1])) for at in range(0, 4 * int(fields[4 + 2 * count]), 4)]
        parents = [offset for kind, offset in kinds if kind in ("@", "@i")]
        instance = any(kind == "@i" for kind, _ in kinds)
        synsets[int(fields[0])] = Synset(int(fields[0]), lemmas, parents, instance)
    return synsets


def read_senses(folder: Path) -> dict[str, list[int]]:
    """index.noun: each lemma with its synsets, the most frequent sense first."""
    senses = {}
    for line in (folder / "index.noun").read_text(encoding="ascii").splitlines():
        if not line.startswith("  "):
            fields = line.split()
            senses[fields[0]] = [int(offset) for offset in fields[-int(fields[2]) :]]
    return senses


def read_counts(folder: Path) -> dict[tuple[str, int], int]:
    """cntlist.rev: how often the sense with this number (from 1) of a noun was tagged in the concordance texts."""
    counts: dict[tuple[str, int], int] = {}
    for line in (folder / "cntlist.rev").read_text(encoding="ascii").splitlines():
        key, number, count = line.split()
        lemma, _, rest = key.partition("%")
        if rest.startswith("1:"):
            counts[lemma, int(number)] = int(count)
    return counts


def walk_order(synsets: dict[int, Synset]) -> tuple[list[int], list[int]]:
    """Offsets from the root down, each followed by all below its first-named children, and each one's depth."""
    children = defaultdict(list)
    for offset, synset in synsets.items():
        if synset.parents:
            children[synset.parents[0]].append(offset)
    (root,) = [offset for offset, synset in synsets.items() if not synset.parents]
    order, depths, stack = [], [], [(root, 0)]
    while stack:
        offset, depth = stack.pop()
        order.append(offset)
        depths.append(depth)
        stack += [(child, depth + 1) for child in sorted(children[offset], reverse=True)]
    return order, depths


def information(order: list[int], synsets: dict[int, Synset]) -> bytes:
    """Intrinsic information content after Seco, Veale and Hayes (ECAI 2004): 1 - log(hyponyms + 1) / log(all).

    Hyponyms are counted once each, through every parent. One byte: 255 is a synset with nothing below it.
    """

    def gather(offset: int, seen: set[int]) -> None:
        for parent in synsets[offset].parents:
            if parent not in seen:
                seen.add(parent)
                gather(parent, seen)

    counts = dict.fromkeys(order, 0)
    for offset in order:
        above: set[int] = set()
        gather(offset, above)
        for ancestor in above - {offset}:
            counts[ancestor] += 1
    return bytes(round(255 * (1 - math.log(counts[offset] + 1) / math.log(len(order)))) for offset in order)


def pack_lemmas(senses: dict[str, list[int]], counts: dict[tuple[str, int], int], number: dict[int, int]) -> tuple[
    bytes, bytes
]:  # fmt: skip
    """Front-coded lemmas with their senses, and where each block begins."""
    packed, starts, before = bytearray(), [], b""
    for position, lemma in enumerate(sorted(senses)):
        word = lemma.encode("ascii")
        if position % BLOCK == 0:
            starts.append(len(packed))
            before = b""
        same = next(
            (at for at, (a, b) in enumerate(zip(word, before, strict=False)) if a != b), min(len(word), len(before))
        )
        packed.append(same)
        packed += word[same:-1] + bytes((word[-1] | 0x80,))
        offsets = senses[lemma]
        for rank, offset in enumerate(offsets, start=1):
            often = min(FREQUENCY_MAX, round(4 * math.log2(1 + counts.get((lemma, rank), 0))))
            code = number[offset] | often << FREQUENCY_SHIFT | (LAST if rank == len(offsets) else 0)
            packed += code.to_bytes(3, "little")
        before = word
    return bytes(packed), b"".join(start.to_bytes(3, "little") for start in starts)


def pack_names(
    order: list[int], content: bytes, synsets: dict[int, Synset], senses: dict[str, list[int]],
    counts: dict[tuple[str, int], int],
) -> bytes:  # fmt: skip
    """For every synset that has something below it the lemma by which people would call it, and a directory to it.

    A lemma that means this before all else goes first ("body of water" rather than "water"), then the more frequent.
    """
    position = {lemma: at for at, lemma in enumerate(sorted(senses))}

    def weight(lemma: str, offset: int) -> tuple[bool, int]:
        rank = senses[lemma].index(offset)
        return rank == 0, counts.get((lemma, rank + 1), 0)

    directory, names = [], bytearray()
    for at, offset in enumerate(order):
        if at % RANK == 0:
            directory.append(len(names) // 3)
        if content[at] != LEAF:
            best = max(synsets[offset].lemmas, key=lambda lemma: weight(lemma, offset))
            names += position[best].to_bytes(3, "little")
    return b"".join(count.to_bytes(2, "little") for count in directory) + bytes(names)


def pack_exceptions(folder: Path, senses: dict[str, list[int]]) -> bytes:
    """Plurals that no rule of spelling finds ("mice mouse"), between line ends, so that one `find` reads them."""
    pairs = []
    for line in (folder / "noun.exc").read_text(encoding="ascii").splitlines():
        plural, *singulars = line.split()
        known = [singular for singular in singulars if singular in senses]
        regular = known and plural in (f"{known[0]}s", f"{known[0]}es", re.sub("y$", "ies", known[0]))
        if known and plural not in senses and not regular and "_" not in plural:
            pairs.append(f"{plural} {known[0]}")
    return ("\n" + "\n".join(sorted(pairs)) + "\n").encode("ascii")


def build(folder: Path) -> bytes:
    synsets, senses, counts = read_synsets(folder), read_senses(folder), read_counts(folder)
    order, depths = walk_order(synsets)
    number = {offset: at for at, offset in enumerate(order)}
    content = information(order, synsets)
    # A name with names of its parts below it (the Mediterranean) goes unmarked: readers find a parent by its depth.
    tree = bytes(
        depth | (INSTANCE if synsets[at].instance and says == LEAF else 0)
        for depth, at, says in zip(depths, order, content, strict=True)
    )
    more = sorted((number[at], number[parent]) for at in order for parent in synsets[at].parents[1:])
    extra = b"".join(child.to_bytes(3, "big") + parent.to_bytes(3, "big") for child, parent in more)
    names = pack_names(order, content, synsets, senses, counts)
    lemmas, blocks = pack_lemmas(senses, counts, number)
    sections = [tree, content, extra, names, blocks, lemmas, pack_exceptions(folder, senses)]
    sizes = [len(section) for section in sections]
    return HEADER.pack(MAGIC, len(order), len(senses), *sizes) + b"".join(sections)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="folder", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--to", type=Path, default=ROOT / "peerd" / "planning" / "nouns.bin")
    chosen = parser.parse_args()
    table = build(chosen.folder)
    chosen.to.write_bytes(table)
    print(f"{chosen.to}: {len(table):,} bytes; sections {HEADER.unpack_from(table)[1:]}")


if __name__ == "__main__":
    main()
