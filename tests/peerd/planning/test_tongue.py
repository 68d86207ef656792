"""Prompts of other languages, full of words that English has too, go by their letters and the text encoder."""

import math

import pytest

from peerd.planning.frames import UNKNOWN
from peerd.planning.phrases import concept_phrase
from peerd.planning.settings import PlanSettings
from peerd.planning.similarity import frame_of, read, similarity
from peerd.planning.tongue import is_english
from tests.peerd.planning.people import embedding

NEAR = PlanSettings().similar_min

APART = [
    # Spanish, French, German
    ("un gato sobre la mesa", "un coche bajo la mesa"), ("un gato sobre la mesa", "un gato bajo la mesa"),
    ("una manzana en la mesa", "un perro en la mesa"), ("une pomme sur la table", "un chat sous la table"),
    ("une pomme sur la table", "une pomme sous la table"), ("du pain sur la table", "un chien sur la table"),
    ("ein Apfel auf dem Tisch", "eine Katze unter dem Tisch"), ("die Katze auf dem Tisch", "die Katze unter dem Tisch"),
    ("ein Gift auf dem Tisch", "ein Hund auf dem Tisch"), ("un coin de rue", "un chat de gouttière"),
    # Italian, Portuguese, Dutch
    ("un gatto sulla sedia", "una mela sotto la sedia"), ("un cane sul pane", "un cane sotto il pane"),
    ("um gato na mesa", "um carro sob a mesa"), ("uma banana na mesa", "um cachorro na mesa"),
    ("een kat op de tafel", "een auto onder de tafel"), ("een hond op het bed", "een appel onder het bed"),
    # Polish, Swedish, Hungarian, Turkish, Romanian, Indonesian
    ("kot na stole", "samochód pod stołem"), ("pies pod stołem", "jabłko na stole"),
    ("en katt på bordet", "en bil under bordet"), ("egy macska az asztalon", "egy autó az asztal alatt"),
    ("bir kedi masanın üstünde", "bir araba masanın altında"), ("un măr pe masă", "un câine sub masă"),
    ("seekor kucing di atas meja", "sebuah mobil di bawah meja"), ("яблоко на столе", "машина под столом"),
]  # fmt: skip

ENGLISH = [
    "apple on table", "dog", "a van", "two men playing chess", "a zorblax in a cave", "rusty robot, neon lights, 8k",
    "a portrait of Emma Watson, by Greg Rutkowski", "cyberpunk city at night, cinematic, masterpiece, 8k",
    "a gloomy Lovecraftian tower under stormy skies", "The Mona Lisa by Leonardo da Vinci", "Rio de Janeiro at night",
    "Vincent van Gogh painting of a cat", "Cirque du Soleil performer on stage", "creme brulee on a plate",
    "tour Eiffel in Paris", "a pod of whales in the sea", "1girl, solo, blue eyes", "die on a table",
    "a café near the river",
    "an award-winning photo of pies on the table, trending on artstation",
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), APART)
def test_words_that_english_has_too_link_no_prompts_of_another_language(first: str, second: str) -> None:
    for prompt in (first, second):
        assert not frame_of(prompt).known, prompt
        assert concept_phrase(prompt) == "", "what is not understood stays at home"
    assert similarity(read(first), read(second)) < NEAR
    unsure = math.acos(0.9)  # the embedded model's encoder finds any two of these as near as that
    assert similarity(read(first, embedding(0.0)), read(second, embedding(unsure))) < NEAR


@pytest.mark.parametrize(
    ("first", "second"),
    [("un gato sobre la mesa", "un gato bajo la mesa"), ("die Katze auf dem Tisch", "die Katze unter dem Tisch")],
)
def test_no_cosine_links_what_other_small_words_place_elsewhere(first: str, second: str) -> None:
    assert similarity(read(first, embedding(0.0)), read(second, embedding(0.0))) < NEAR


def test_an_english_prompt_and_a_foreign_one_do_not_meet_in_a_word_that_both_have() -> None:
    for english, foreign in (("a table", "un chat sous la table"), ("pain", "du pain"), ("a mesa", "la mesa")):
        assert similarity(read(english, embedding(0.0)), read(foreign, embedding(0.0))) < NEAR


def test_one_prompt_of_another_language_said_a_little_otherwise_is_near() -> None:
    for first, second in (
        ("un gato sobre la mesa", "el gato sobre una mesa"),
        ("une pomme rouge sur la table, masterpiece", "une pomme rouge sur la table, best quality, 8k"),
    ):
        assert similarity(read(first), read(second)) > NEAR
        assert similarity(read(first, embedding(0.0)), read(second, embedding(0.02))) > NEAR


@pytest.mark.parametrize("prompt", ENGLISH)
def test_english_stays_english_whatever_names_and_praise_stand_in_it(prompt: str) -> None:
    assert frame_of(prompt).known


def test_of_another_language_no_word_has_a_sense() -> None:
    frame = frame_of("un chat sous la table")
    assert {thing.synset for thing in (*frame.things, *(place.thing for place in frame.places))} == {UNKNOWN}


def test_praise_before_the_scene_hides_no_scene() -> None:
    cat, car = "masterpiece, best quality, a cat on the table", "masterpiece, best quality, a car under the bridge"
    assert [thing.lemma for thing in frame_of(cat).things] == ["cat"]
    assert similarity(read(cat), read(car)) < NEAR
    assert similarity(read(cat), read("a cat on the table")) > NEAR


def test_english_has_what_is_made_of_its_nouns() -> None:
    for word in ("rusty", "glowing", "running", "wooden", "hand-painted", "foxes", "mice", "soft"):
        assert is_english(word), word
    for word in ("katze", "gatto", "stołem", "zorblax"):
        assert not is_english(word), word
