"""Which prompts are the same scene in simple words."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd.planning.settings import PlanSettings
from peerd.planning.similarity import decode_embedding, frame_of, read, similarity
from peerd.planning.words import same_text
from tests.peerd.planning.people import embedding

NEAR = PlanSettings().similar_min


def words(first: str, second: str) -> float:
    return similarity(read(first), read(second))


def test_a_prompt_is_read_into_its_frame() -> None:
    frame = frame_of("A photo of a Red Apple on the wooden table, soft light")
    (apple,), (place,) = frame.things, frame.places
    assert (apple.lemma, apple.attributes) == ("apple", {"red"})
    assert (place.relation, place.thing.lemma, place.thing.attributes) == ("on", "table", {"wooden"})
    assert frame.manner == {"soft", "light"}
    assert frame.styles == frozenset()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("apple on table", "lemon on table"),
        ("A Bird on The Desk", "A Dog on The Desk"),
        ("a cat on the grass", "a dog on the lawn"),
        ("a red car on the beach", "a blue car on the beach"),
        ("a tree near a river", "a bush next to the river"),
        ("a cat", "a fluffy cat"),
        ("яблоко лежит на столе", "лимон лежит на столе"),
        ("two apples on tables", "two apples on table"),
        ("a violin on the sofa", "a violin on the couch"),
        ("a violin on the table", "on the table, a violin"),
        ("a bat flying over the forest", "a bat above the woods"),
        ("a bat and a ball on the grass", "a baseball bat and a ball on the lawn"),
        ("a crane by the lake", "a heron near the lake"),
        ("a mouse beside a keyboard", "a computer mouse beside a keyboard"),
        ("a king on the beach", "a cook on the beach"),
    ],
)
def test_the_same_scene(first: str, second: str) -> None:
    assert words(first, second) >= NEAR


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("apple on table", "a red car on the beach"),
        ("apple on table", "apple on beach"),
        ("a ball on the table", "a cat under the table"),
        ("photo of a dog on grass", "cartoon of a dog on grass and snow"),
        ("a photo of a dog on grass", "a cartoon of a cat on grass"),
        ("a red car", "a red cat"),
        ("a cup on a book", "a tree near a river"),
        ("a cat in the style of van gogh", "a cat in the style of picasso"),
        ("a portrait of a man", "a cup of tea"),
        ("", "a cat"),
        ("an apple on the table", "an apple under the table"),
        ("a photo of a dog", "a cartoon of a dog"),
        ("a piano on the table", "a grape on the table"),
        ("a hedgehog in a box", "a hedgehog on a box"),
        ("a bat flying over the forest", "a bat and a ball on the grass"),
        ("a crane by the lake", "a crane at the construction site"),
        ("a mouse beside a keyboard", "a mouse in the grass"),
        ("a bat in the garden", "a bat and a ball in the garden"),
    ],
)
def test_another_scene(first: str, second: str) -> None:
    assert words(first, second) < NEAR


def test_the_cosine_moves_near_prompts_but_never_links_far_ones() -> None:
    apple, lemon = read("apple on table", embedding(0.0)), read("lemon on table", embedding(0.2))
    stranger = read("lemon on table", embedding(math.pi))
    assert similarity(apple, lemon) > words("apple on table", "lemon on table")
    assert similarity(apple, stranger) < NEAR
    assert similarity(apple, read("car on beach", embedding(0.0))) < NEAR / 5


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("an apple on the table", "an apple under the table"),
        ("a photo of a dog on the grass", "a cartoon of a dog on the grass"),
        ("a hedgehog in a box", "a hedgehog on a box"),
    ],
)
def test_no_cosine_joins_what_lies_or_looks_otherwise(first: str, second: str) -> None:
    assert similarity(read(first, embedding(0.0)), read(second, embedding(0.0))) < NEAR


def test_a_colour_is_near_but_not_the_same() -> None:
    red, blue = "a red car on the beach", "a blue car on the beach"
    assert NEAR < words("a red car on the beach", "a bus on the beach") < words(red, blue) < 1.0
    assert words(red, blue) < words(red, "a red car on a beach") < 1.0, "two texts are never one picture"


def test_the_scene_says_more_than_the_subject() -> None:
    here = "a wolf in the snow"
    assert words(here, "a fox in the snow") > NEAR > words(here, "a wolf in the city")


def test_of_prompts_that_nobody_understands_the_encoder_decides() -> None:
    apple, lemon = "яблоко лежит на столе", "автомобиль едет по пляжу"
    assert words(apple, lemon) == 0.0
    near = similarity(read(apple, embedding(0.0)), read(lemon, embedding(0.1)))
    far = similarity(read(apple, embedding(0.0)), read(lemon, embedding(1.2)))
    assert near > NEAR > far


def test_embeddings_of_two_models_are_not_compared() -> None:
    apple, lemon = read("apple on table", embedding(0.0)), read("lemon on table", embedding(1.0, 2.0))
    assert similarity(apple, lemon) == words("apple on table", "lemon on table")


@pytest.mark.parametrize("rubbish", [b"", b"\x00", b"\x00\x00", struct.pack("<2e", math.nan, 1.0), b"\x00\x7c" * 4])
def test_a_rubbish_embedding_counts_as_none(rubbish: bytes) -> None:
    assert decode_embedding(rubbish) == ()


def test_case_and_spacing_do_not_make_another_prompt() -> None:
    assert same_text("Apple  on Table ", "apple on table")
    assert not same_text("apple on table", "an apple on the table")


WORDS = [
    "a", "cat", "dog", "on", "in", "of", "style", "near", "the", "table", "with", ",", "red", "photo", "cartoon",
]  # fmt: skip
PROMPTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join))


@given(PROMPTS, PROMPTS, st.binary(max_size=16), st.binary(max_size=16))
def test_similarity_is_symmetric_and_bounded_whatever_is_said(one: str, other: str, a: bytes, b: bytes) -> None:
    first, second = read(one, a), read(other, b)
    near = similarity(first, second)
    assert 0.0 <= near <= 1.0
    assert near == similarity(second, first)
    assert similarity(first, first) == 1.0
