"""The table of nouns: what it holds, that it is whole, and that the script in examples makes it."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd.planning.kinship import common, is_kind, lin
from peerd.planning.nouns import FILE, Nouns, nouns
from peerd_protocol.errors import LocalError

ROOT = Path(__file__).parents[3]
WORDNET = Path(os.environ.get("WORDNET", "/usr/share/wordnet"))
BYTES_MAX = 1_500_000
SHA256 = "72cc474e18ed7d3a05dc7c09310b5f1ad764621b196ac90eadd901496d832044"
"""Of the table that examples/wordnet/build.py makes of WordNet 3.0."""

SYNSETS = st.integers(0, nouns().synsets - 1)


def first(lemma: str) -> int:
    return nouns().senses(lemma)[0].synset


def test_the_table_is_the_one_that_was_built_and_fits_the_wheel() -> None:
    assert FILE.stat().st_size <= BYTES_MAX
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256
    assert (nouns().synsets, nouns().lemmas) == (82_115, 117_798)


def test_the_script_makes_the_same_bytes(tmp_path: Path) -> None:
    if not (WORDNET / "data.noun").exists():
        return  # the digest above holds the table; here only that of the script's input is missing
    made = tmp_path / "nouns.bin"
    script = ROOT / "examples" / "wordnet" / "build.py"
    subprocess.run([sys.executable, script, "--from", WORDNET, "--to", made], check=True, stdout=subprocess.DEVNULL)
    assert made.read_bytes() == FILE.read_bytes()


def test_the_notice_is_kept_beside_it() -> None:
    assert "WordNet 3.0 Copyright 2006 by Princeton University." in FILE.with_name("nouns.LICENSE").read_text()


def test_a_noun_has_its_senses_and_what_they_are_kinds_of() -> None:
    table = nouns()
    kinds = [table.name(table.parents(sense.synset)[0]) for sense in table.senses("table")]
    assert kinds[:3] == ["array", "furniture", "furniture"], "the most frequent sense is first, and misleads"
    assert first("sofa") == table.senses("couch")[0].synset
    assert [table.name(parent) for parent in table.parents(first("apple"))] == ["edible fruit", "pome"]
    assert len(table.senses("polar_bear")) == 1
    assert table.senses("zorblax") == table.senses("") == table.senses("яблоко") == ()
    # Every block's edges are found: the very first lemma, and the very last.
    assert table.senses("'hood") and table.senses("zyrian")


def test_single_things_of_the_world_are_marked() -> None:
    assert nouns().is_instance(first("eiffel_tower"))
    assert not nouns().is_instance(first("tower"))


def test_irregular_plurals() -> None:
    assert [nouns().singular(word) for word in ("mice", "geese", "wolves", "tables", "")] == [
        "mouse", "goose", "wolf", "", "",
    ]  # fmt: skip


@given(SYNSETS)
def test_every_synset_leads_up_to_the_root_and_says_no_less_than_what_is_above(synset: int) -> None:
    table = nouns()
    assert 0 in table.ancestors(synset) and synset in table.ancestors(synset)
    assert all(parent < table.synsets for parent in table.parents(synset))
    assert all(table.information(parent) <= table.information(synset) for parent in table.parents(synset))
    assert bool(table.name(synset)) == (table.information(synset) < 1.0)


@given(SYNSETS)
def test_the_name_of_a_synset_is_one_of_its_lemmas(synset: int) -> None:
    parent = nouns().parents(synset)[0] if synset else synset
    assert parent in {sense.synset for sense in nouns().senses(nouns().name(parent).replace(" ", "_"))}


@given(SYNSETS, SYNSETS)
def test_kinship_is_symmetric_and_bounded(one: int, other: int) -> None:
    assert 0.0 <= lin(one, other) == lin(other, one) <= 1.0
    assert lin(one, one) == 1.0
    assert common(one, other) == common(other, one)


def test_kinship_follows_what_things_are() -> None:
    apple, lemon, dog, piano = map(first, ("apple", "lemon", "dog", "piano"))
    assert lin(apple, lemon) > lin(dog, first("bird")) > lin(apple, piano)
    assert nouns().name(common(apple, lemon)) == "edible fruit"
    assert is_kind(dog, "animal") and not is_kind(piano, "animal")


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: b"x" + data[1:], lambda data: data[:-1]])
def test_a_damaged_table_is_refused_in_one_sentence(damage: object, tmp_path: Path) -> None:
    broken = tmp_path / "nouns.bin"
    broken.write_bytes(damage(FILE.read_bytes()))  # type: ignore[operator]
    with pytest.raises(LocalError, match="install peerd again"):
        Nouns(broken)
