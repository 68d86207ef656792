"""Every story in this folder comes true, and the language takes no nonsense. `README.md` says how to write one."""

from pathlib import Path

import pytest

from tests.scenarios.deeds import DEEDS
from tests.scenarios.facts import FACTS
from tests.scenarios.language import NonsenseError, read
from tests.scenarios.stage import Stage

HERE = Path(__file__).parent
STORIES = sorted(path.stem for path in HERE.glob("*.txt"))
SENTENCES = (*DEEDS, *FACTS)


def play(story: str) -> None:
    stage = Stage()
    for line in read(story, SENTENCES):
        stage.play(line)


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    play((HERE / f"{name}.txt").read_text())


def test_there_are_stories_and_each_says_what_it_is_about() -> None:
    assert len(STORIES) >= 12
    for name in STORIES:
        assert (HERE / f"{name}.txt").read_text().startswith("# ")


# ---- the language takes no nonsense ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Ann dances", "line 3: no such sentence"),
        ("ann leads", "line 3: no such sentence"),
        ("Ann is killed at once", "line 3: no such sentence"),
        ("after a while: Ann leads", "line 3: no such sentence"),
        ("after 5 days: Ann leads", "line 3: no such sentence"),
        ("within 5 s: Ann is killed", "line 3: a deed is done at once or after a while, not within it"),
        ("for 5 s: Ann is killed", "line 3: a deed is done at once or after a while, not for it"),
        ("Ann, Zoe and Max obey Ann", "line 3: Max, Zoe never started"),
        ("all rumours are lost", "line 3: no such sentence"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_with_its_number(line: str, why: str) -> None:
    with pytest.raises(NonsenseError, match=why):
        read(f"# a story\nAnn starts\n{line}\nAnn leads", SENTENCES)


def test_no_line_has_two_meanings() -> None:
    for name in STORIES:
        for line in read((HERE / f"{name}.txt").read_text(), SENTENCES):
            text = line.text.partition(": ")[2] if line.seconds else line.text
            assert [sentence.template for sentence in SENTENCES if sentence.read(text) is not None] == [
                line.sentence.template
            ]


def test_every_sentence_is_spoken_in_a_story_and_explained_in_the_readme() -> None:
    readme = (HERE / "README.md").read_text()
    spoken = {
        line.sentence.template for name in STORIES for line in read((HERE / f"{name}.txt").read_text(), SENTENCES)
    }
    for sentence in SENTENCES:
        assert sentence.template in spoken
        assert f"`{sentence.template}`" in readme


# ---- a story that does not come true fails ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "Ann leads",
        "within 1 s: Ann leads",
        "for 3 s: Bob leads",
        "after 3 s: Ann leads",
        "after 3 s: Bob does not lead",
        "after 3 s: nobody leads",
        "after 3 s: all obey Ann",
        'Ann asks for "apple"\nevery request ends once',
        'Ann asks for "apple"\nwithin 9 s: "apple" is cancelled',
        'Ann asks for "apple"\nwithin 9 s: "apple" is finished\n"apple" has not ended',
        'after 3 s: Ann and Bob ask for "apple" and "lemon"\nwithin 9 s: "apple" and "lemon" were made alone',
        'after 3 s: Ann asks for "apple"\nwithin 9 s: "apple" and "apple" share a beginning',
        "within 9 s: Ann is warned of two devices with the name Bob",
        "within 9 s: Ann runs shared steps",
        "Ann comes back",
        "Ann wakes up",
        "Ann is killed\nAnn falls asleep",
    ],
)
def test_what_is_not_so_fails_at_its_line(line: str) -> None:
    last = line.splitlines()[-1]
    with pytest.raises(AssertionError, match=rf"line \d: {last}\n"):
        play(f"Ann and Bob start\n{line}")


def test_whatever_the_story_a_picture_becomes_visible_once() -> None:
    stage = Stage()
    for line in read('Ann starts\nAnn asks for "apple"\nwithin 9 s: "apple" is finished', SENTENCES):
        stage.play(line)
    stage.world["Ann"].pictures[next(iter(stage.asked))].append(b"another")
    with pytest.raises(AssertionError, match="apple became visible more than once"):
        stage.pass_time()


def test_whatever_the_story_a_term_never_falls() -> None:
    story = "Ann starts\nwithin 3 s: Ann leads\nAnn is killed"
    stage = Stage()
    for line in read(story, SENTENCES):
        stage.play(line)
    stage.world["Ann"].disk.clear()
    stage.world.boot("Ann")
    with pytest.raises(AssertionError, match="Ann fell from"):
        stage.pass_time()
