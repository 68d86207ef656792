"""The arithmetic behind `make quality`: counting calls, redrawing pairs, going on where a run was cut off, drawing."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.quality.archive import PLACES_KEPT, THINGS_KEPT, Archive
from examples.quality.deciding import mixture
from examples.quality.pictures import Look, Picture, alone, blend, calls_together, of_legs, shared
from examples.quality.sets import pictures_of_tree
from examples.quality.statistics import bootstrapped, ranked, verdict
from examples.quality.svg import Line, Panel, chart
from peerd.planning.trees import Branch, calls
from peerd_protocol.ids import RequestId

T = 11


def member(name: str, after: int) -> Picture:
    return shared("lead", name, after, seed=1, scheduler="ddim", steps=T)


@given(st.integers(0, T - 1), st.integers(2, 9))
def test_a_group_makes_its_shared_steps_once(after: int, size: int) -> None:
    group = [alone("lead", 1, "ddim", T), *(member(f"m{i}", after) for i in range(size - 1))]
    assert calls_together(group) == after + size * (T - after)


def test_other_seeds_schedulers_and_lengths_share_nothing() -> None:
    apart = [alone("a", 1, "ddim", 5), alone("a", 2, "ddim", 5), alone("a", 1, "euler_a", 5), alone("a", 1, "ddim", 6)]
    assert calls_together(apart) == 5 + 5 + 5 + 6
    assert calls_together([apart[0], apart[0]]) == 5


def test_legs_that_go_on_with_the_same_words_are_one_leg() -> None:
    assert of_legs([("a", 3), ("a", T)], 1, "ddim") == alone("a", 1, "ddim", T)
    assert of_legs([("a", 0), ("b", T)], 1, "ddim") == alone("b", 1, "ddim", T)
    assert of_legs([("a", 3), ("b", 3), ("c", T)], 1, "ddim").legs == (("a", 3), ("c", T))
    assert blend(["b", "a", "b"]) == blend(["a", "b"])


TREE = Branch(
    lead=RequestId("a"),
    start=0,
    leaves=((RequestId("a"), 5), (RequestId("b"), 5), (RequestId("c"), 3)),
    branches=(Branch(RequestId("d"), 3, ((RequestId("d"), 7), (RequestId("e"), 7))),),
)
PROMPTS = {RequestId(name): f"prompt {name}" for name in "abcde"}


@pytest.mark.parametrize("blended", [False, True])
def test_a_tree_carried_out_makes_the_calls_that_the_planner_counts(blended: bool) -> None:
    made = pictures_of_tree(TREE, PROMPTS, 1, "ddim", T, blended=blended)
    assert sorted(made) == list(TREE.members)
    assert all(picture.total == T and picture.prompts[-1] == PROMPTS[name] for name, picture in made.items())
    assert calls_together(made.values()) == calls(TREE, T)


def test_the_planners_lead_alone_keeps_its_own_picture() -> None:
    led = pictures_of_tree(TREE, PROMPTS, 1, "ddim", T)
    assert led[RequestId("a")] == alone("prompt a", 1, "ddim", T)
    assert led[RequestId("e")].legs == (("prompt a", 3), ("prompt d", 7), ("prompt e", T))


def test_intervals_are_over_pairs_not_pictures() -> None:
    """A thousand pictures of two pairs know no more than two pairs."""
    two = bootstrapped({"one": [1.0] * 500, "other": [0.0] * 500})
    assert two.pairs == 2
    assert (two.low, two.mean, two.high) == (0.0, 0.5, 1.0)
    assert bootstrapped([1.0, 0.0] * 500).high < 0.54


@given(st.floats(0.05, 0.95))
def test_an_interval_is_about_as_wide_as_theory_says(share: float) -> None:
    values = [1.0] * round(400 * share) + [0.0] * (400 - round(400 * share))
    found = bootstrapped(values)
    half = 1.96 * np.std(values) / np.sqrt(400)
    assert found.low <= found.mean <= found.high
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)


def test_a_difference_is_claimed_only_beyond_its_interval() -> None:
    assert verdict(bootstrapped([0.1] * 50)) == "shared better"
    assert verdict(bootstrapped([-0.1] * 50)) == "alone better"
    assert verdict(bootstrapped([1.0, -1.0] * 50)) == "no difference seen"
    assert np.isnan(bootstrapped([]).mean)


def test_foresight_is_the_share_of_good_ones_above_bad_ones() -> None:
    assert ranked([3, 2, 1, 0], [True, True, False, False]).mean == 1.0
    assert ranked([0, 1, 2, 3], [True, True, False, False]).mean == 0.0
    assert ranked([1, 1, 1, 1], [True, False, True, False]).mean == 0.5
    assert np.isnan(ranked([1, 2], [True, True]).mean)


@given(st.floats(0, 12), st.lists(st.floats(1, 11), min_size=1, max_size=6))
def test_rivals_are_mixed_to_the_same_calls(calls_wanted: float, offered: list[float]) -> None:
    less, more, share = mixture(calls_wanted, offered)
    mixed = (1 - share) * offered[less] + share * offered[more]
    nearest = min(max(calls_wanted, min(offered)), max(offered))
    assert mixed == pytest.approx(nearest)


def row(picture: Picture, thing: int) -> tuple[str, bytes, bytes, bytes]:
    things = np.zeros(THINGS_KEPT, np.float16)
    things[thing] = 1
    return picture.key, things.tobytes(), np.zeros(PLACES_KEPT, np.float16).tobytes(), bytes(2 * 1024)


def test_a_run_that_was_cut_off_makes_only_what_is_missing(tmp_path: Path) -> None:
    wanted = [member(f"m{i}", 5) for i in range(4)]
    looks = [Look(picture, 3) for picture in wanted[:2]]
    first = Archive(tmp_path / "seen.sqlite", "model judge")
    assert first.missing([*wanted, *looks]) == [*wanted, *looks]
    first.keep([row(wanted[0], 7), row(wanted[2], 8)])
    first.keep_looks([(looks[1].key, 0.25)])
    first.close()

    again = Archive(tmp_path / "seen.sqlite", "model judge")
    assert again.missing([*wanted, *wanted, *looks]) == [wanted[1], wanted[3], looks[0]]
    seen = again.find(wanted[2])
    assert seen is not None and seen.thing == 8 and seen.latent.shape == (1024,)
    assert again.difference(looks[1]) == 0.25
    again.close()


def test_another_model_or_judge_knows_nothing_of_it(tmp_path: Path) -> None:
    kept = Archive(tmp_path / "seen.sqlite", "model judge")
    kept.keep([row(member("m", 5), 7)])
    kept.close()
    other = Archive(tmp_path / "seen.sqlite", "another model judge")
    assert other.missing([member("m", 5)]) == [member("m", 5)]
    other.close()


def test_a_chart_draws_every_point_and_every_line_once_in_its_legend() -> None:
    points = ((0.0, 0.9, 0.8, 1.0), (0.5, 0.4, 0.3, 0.5), (1.0, 0.0, 0.0, 0.1))
    panel = Panel("near & far", "steps", (Line("shared", points, 0), Line("alone", points[:2], 1, True)), (0.0, 1.0))
    drawn = ElementTree.fromstring(chart([[panel, panel], [panel]], "what < costs"))
    space = "{http://www.w3.org/2000/svg}"
    assert len(list(drawn.iter(f"{space}circle"))) == 3 * (3 + 2)
    words = [text.text for text in drawn.iter(f"{space}text")]
    assert words.count("shared") == words.count("alone") == 1 and words.count("near & far") == 3
    ys = [float(circle.get("cy", "nan")) for circle in drawn.iter(f"{space}circle")][:3]
    assert ys == sorted(ys), "more is higher up"
