"""What leaves a device under `--share concepts`, and what never does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerd.planning.phrases import common_phrase, concept_phrase, private_words
from peerd.planning.words import WORD, singulars


@pytest.mark.parametrize(
    ("prompt", "phrase"),
    [
        ("apple on table", "edible fruit on table"),
        ("three rotten red apples on my table, for Ada", "edible fruit on table"),
        ("a cartoon of a nurse near a hospital bed", "cartoon of person near hospital bed"),
        ("a cat in the style of Anna Petrova", "mammal"),
        ("a pixel art dragon over the castle", "pixel art of mythical monster over castle"),
        ("a mouse beside a keyboard", "electronic device near keyboard"),
        ("a dog in front of the eiffel tower", "mammal in front of structure"),
        ("a book on a book", "publication on publication"),
        ("zorblax on table", "on table"),
        ("zorblax", ""),
        ("яблоко лежит на столе", ""),
        ("", ""),
    ],
)
def test_a_prompt_as_a_phrase(prompt: str, phrase: str) -> None:
    assert concept_phrase(prompt) == phrase


def test_what_a_group_has_in_common() -> None:
    phrases = [concept_phrase(f"{fruit} on table") for fruit in ("apple", "lemon", "carrot")]
    assert common_phrase(phrases[:2]) == "edible fruit on table"
    assert common_phrase(phrases) == "produce on table"
    assert common_phrase(["mammal on grass", "bird on grass"]) == "animal on grass"
    assert common_phrase(["mammal on grass", "bird in forest"]) == "animal"
    assert common_phrase([]) == common_phrase(["", "mammal"]) == ""


NOUNS = [
    "apple", "apples", "polar bear", "wolves", "violin", "table", "keyboard", "fruit", "animal", "vehicle", "mammal",
    "person", "nurse", "glass", "crane", "food", "furniture", "paris", "obama", "zorblax", "labrador", "mother-in-law",
]  # fmt: skip
ATTRIBUTES = ["red", "wooden", "edible", "my", "two", "secret", "Anna's", "naked", "big", "motor", "vehicle"]
PLACES = ["table", "grass", "sofa", "lake", "paris", "hospital bed", "xyzzy", "book"]
RELATIONS = ["on", "in", "under", "near", "behind", "in front of", "next to"]
STYLES = ["", "a photo of ", "a cartoon of ", "an oil painting of "]
GLUE = {"and", "of", "in", "front", "on", "under", "near", "behind", "before", "over"}


def forms(text: str) -> set[str]:
    said = {part for word in WORD.findall(text.casefold()) for part in (word, *word.removesuffix("'s").split("-"))}
    return said | {singular for word in said for singular in singulars(word)}


@settings(max_examples=400)
@given(
    st.sampled_from(STYLES),
    st.lists(st.sampled_from(ATTRIBUTES), max_size=2),
    st.lists(st.sampled_from(NOUNS), min_size=1, max_size=3),
    st.sampled_from(RELATIONS),
    st.sampled_from(ATTRIBUTES),
    st.sampled_from(PLACES),
)
def test_no_subject_and_no_attribute_gets_through(
    style: str, attributes: list[str], subjects: list[str], relation: str, said: str, place: str
) -> None:
    things = " and a ".join(subjects)
    prompt = f"{style}a {' '.join(attributes)} {things} {relation} the {said} {place}"
    secret = set().union(*(forms(word) for word in (*attributes, *subjects, said))) - GLUE
    assert not forms(concept_phrase(prompt)) & secret, prompt


@given(st.text(max_size=80) | st.lists(st.sampled_from([*NOUNS, *ATTRIBUTES, *RELATIONS]), max_size=8).map(" ".join))
def test_no_private_word_gets_through_whatever_is_said(prompt: str) -> None:
    phrase = concept_phrase(prompt)
    assert not forms(phrase) & private_words(prompt)
    assert phrase == concept_phrase(prompt)


@given(st.text(alphabet=st.characters(min_codepoint=0x400, max_codepoint=0x4FF), max_size=40))
def test_of_another_language_nothing_is_left(prompt: str) -> None:
    assert concept_phrase(prompt) == ""
