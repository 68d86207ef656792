"""How a prompt is taken apart, and which sense of each noun it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd.planning.frames import LETTERS_MAX, UNKNOWN
from peerd.planning.nouns import nouns
from peerd.planning.similarity import frame_of


def kinds(prompt: str) -> list[str]:
    """What each thing and then each place of a prompt is a kind of."""
    frame = frame_of(prompt)
    synsets = [thing.synset for thing in (*frame.things, *(place.thing for place in frame.places))]
    return [nouns().name(nouns().parents(synset)[0]) if synset != UNKNOWN else "?" for synset in synsets]


def shape(prompt: str) -> tuple[list[str], list[tuple[str, str]]]:
    frame = frame_of(prompt)
    return [thing.lemma for thing in frame.things], [(place.relation, place.thing.lemma) for place in frame.places]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("apple on table", ["edible fruit", "furniture"]),
        ("a mouse beside a keyboard", ["electronic device", "device"]),
        ("a mouse in the grass", ["rodent", "gramineous plant"]),
        ("a bat flying over the forest", ["placental", "vegetation"]),
        ("a bat and a ball on the grass", ["cricket equipment", "game equipment", "gramineous plant"]),
        ("a crane by the lake", ["wading bird", "body of water"]),
        ("a construction crane in the city", ["lifting device", "municipality"]),
        ("a seal on the beach", ["pinniped mammal", "geological formation"]),
        ("a knight in a castle", ["male aristocrat", "manse"]),
        ("a pitcher on the shelf", ["vessel", "support"]),
    ],
)
def test_senses_are_chosen_for_all_nouns_at_once(prompt: str, expected: list[str]) -> None:
    assert kinds(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "things", "places"),
    [
        ("a polar bear on the ice", ["polar_bear"], [("on", "ice")]),
        ("a fire truck in front of two houses", ["fire_truck"], [("before", "house")]),
        ("a big apple near a white house", ["apple"], [("near", "house")]),
        ("a great dane on the lawn", ["great_dane"], [("on", "grass")]),
        ("on the table a violin", ["violin"], [("on", "table")]),
        ("under the bridge, a toad", ["toad"], [("under", "bridge")]),
        ("in the forest there is a fox", ["fox"], [("in", "forest")]),
        ("a man riding a horse on the beach", ["man", "horse"], [("on", "beach")]),
        ("a bunch of grapes on a plate", ["grape"], [("on", "plate")]),
        ("mice under the couch", ["mouse"], [("under", "couch")]),
        ("a red and blue car", ["car"], []),
        ("a cat on the chair and a dog under the table", ["cat", "dog"], [("on", "chair"), ("under", "table")]),
        ("a cat on the chair and the table", ["cat"], [("on", "chair"), ("on", "table")]),
        ("", [], []),
    ],
)
def test_a_prompt_is_taken_apart(prompt: str, things: list[str], places: list[tuple[str, str]]) -> None:
    assert shape(prompt) == (things, places)


def test_what_is_said_of_a_thing_stays_with_it() -> None:
    (car,) = frame_of("a red and blue car with big wheels").things
    assert car.attributes == {"red", "blue", "big", "wheel"}


@pytest.mark.parametrize(
    ("prompt", "styles"),
    [
        ("a cartoon of a dog", {"cartoon"}),
        ("a cartoon dog on the grass", {"cartoon"}),
        ("a dog, pixel art", {"pixel art"}),
        ("a dog in the style of van gogh", {"van", "gogh"}),
        ("a photo of a dog", set()),
        ("a watercolour of a dog", {"watercolor"}),
    ],
)
def test_the_manner_is_told_from_the_subject(prompt: str, styles: set[str]) -> None:
    assert frame_of(prompt).styles == styles
    assert [thing.lemma for thing in frame_of(prompt).things] == ["dog"]


def test_a_very_long_prompt_is_read_no_further_than_an_encoder_would() -> None:
    prompt = "a crane and " * 100_000
    assert len(frame_of(prompt).things) <= LETTERS_MAX


@given(st.text(max_size=80))
def test_reading_never_fails(prompt: str) -> None:
    frame = frame_of(prompt)
    assert frame == frame_of(prompt)
    assert all(thing.synset < nouns().synsets for thing in frame.things)
