"""Which prompts `make quality` compares: never calibration's, of the class that they are said to be, enough of them."""

import numpy as np

from examples.quality import sets
from examples.quality.archive import Seen
from examples.quality.curve import FRACTIONS, Course, mark, member_of, pictures, whole_steps
from examples.quality.far import sort_out
from examples.quality.making import portions
from examples.quality.pairs import KINDS, Pair, Scene, kind_of, pairs, scenes_for_testing
from examples.quality.pictures import Look
from examples.quality.planners import Planner
from examples.quality.study import MEMBERS
from examples.quality.vocabulary import PLACE_NAMES, THINGS
from peerd.planning.calibration import calibrates


def test_calibration_saw_none_of_these_prompts() -> None:
    asked = {scene for pair in pairs(MEMBERS) for scene in (pair.lead, pair.member)}
    asked |= {scene for one in (*sets.eights(9), *sets.crowds(2), *sets.wishes(2)) for scene in one.scenes}
    assert not [scene for scene in asked if calibrates(scene.noun, scene.place)]


def test_every_member_has_a_pair_of_each_class_and_no_two_pairs_are_the_same() -> None:
    found = pairs(MEMBERS)
    assert all(kind_of(pair.lead, pair.member) == pair.kind for pair in found)
    for kind in KINDS:
        alike = {(pair.lead, pair.member) for pair in found if pair.kind == kind}
        assert len(alike) == MEMBERS >= 200


def test_more_members_are_more_pairs_not_others() -> None:
    assert pairs(40) == pairs(60)[: 3 * 40]


def test_classes() -> None:
    apple, lemon = Scene("apple", "table"), Scene("lemon", "table")
    assert kind_of(apple, lemon) == "near"
    assert kind_of(apple, Scene("cup", "table")) == kind_of(apple, Scene("apple", "moon")) == "middle"
    assert kind_of(apple, Scene("car", "moon")) == "far"
    assert (
        kind_of(apple, apple) is kind_of(apple, Scene("lemon", "moon")) is kind_of(apple, Scene("car", "desk")) is None
    )


def test_sets_are_of_different_prompts() -> None:
    for one in (*sets.eights(9), *sets.crowds(2), *sets.wishes(2)):
        assert len({scene.prompt for scene in one.scenes}) == len(one.scenes)
    assert {len(one.scenes) for one in (*sets.crowds(2), *sets.wishes(2))} == {16, 24, 32}
    assert set(scenes_for_testing()) >= {scene for one in sets.eights(9) for scene in one.scenes}


def test_the_curves_points_and_its_calls() -> None:
    course = Course("ddim", 11)
    assert course.shared == (0, 3, 5, 7, 9)
    assert [round(step / 11, 2) for step in course.shared] == list(FRACTIONS)
    assert 8 * course.calls(5, 8) == 5 + 8 * 6
    less, more, share = whole_steps(course.calls(5, 8))
    assert (less, more) == (6, 7) and (1 - share) * less + share * more == course.calls(5, 8)
    assert whole_steps(6.0) == (6, 6, 0.0)
    assert {6, 7, 11} <= set(course.lengths_alone())
    assert Course("lcm", 4).shared == (0, 1, 2, 3)


PAIR = Pair(Scene("apple", "table"), Scene("lemon", "table"), "near", 1)


def seen(thing: str, place: str, fill: float) -> Seen:
    things, places = np.zeros(len(THINGS)), np.zeros(len(PLACE_NAMES))
    things[THINGS.index(thing)] = places[PLACE_NAMES.index(place)] = 1
    return Seen(things, places, np.full(1024, fill))


def test_a_leak_is_the_leads_thing_and_no_other() -> None:
    whole = seen("lemon", "table", 0.0)
    leaked = mark(PAIR, seen("apple", "table", 0.5), whole)
    assert (leaked.thing, leaked.place, leaked.both, leaked.leak, leaked.distance) == (0, 1, 0, 1, 0.5)
    assert mark(PAIR, seen("pear", "table", 0.0), whole).leak == 0
    assert mark(PAIR, whole, whole).both == 1


def test_of_two_prompts_for_one_thing_the_others_place_is_the_leak() -> None:
    moved = Pair(Scene("lemon", "moon"), Scene("lemon", "table"), "middle", 1)
    whole = seen("lemon", "table", 0.0)
    assert mark(moved, whole, whole).leak == 0
    assert mark(moved, seen("lemon", "moon", 0.0), whole).leak == 1


def test_nothing_shared_is_the_picture_made_alone() -> None:
    for course in (Course("ddim", 11), Course("ddim", 11, blended=True)):
        assert member_of(PAIR, course, 0).legs == (("a lemon on the table", 11),)
        assert member_of(PAIR, course, 5).prompts[4] != member_of(PAIR, course, 5).prompts[5]


def test_what_shares_a_beginning_is_made_together() -> None:
    course = Course("ddim", 11, blended=True)
    things = [*pictures(course, pairs(40)), Look(member_of(PAIR, course, 5), 1)]
    tasks = list(portions(things))
    assert sorted(thing.key for task in tasks for thing in task) == sorted(thing.key for thing in things)
    for task in tasks:
        assert len({(type(thing), thing.scheduler, thing.total) for thing in task}) == 1
    homes = {(type(thing), thing.total, thing.seed): i for i, task in enumerate(tasks) for thing in task}
    assert all(homes[type(thing), thing.total, thing.seed] == i for i, task in enumerate(tasks) for thing in task)


def test_a_group_that_everyone_leaves_together_saves_what_the_paper_says() -> None:
    planner = Planner({scene.prompt: b"" for scene in scenes_for_testing()}, "model", None)
    (gathering,) = sets.eights(1)
    made = planner.one_group(gathering, "ddim", 11, 5, blended=True)
    assert made.calls == 5 + 8 * 6
    assert 1 - made.calls / (8 * 11) == 5 / 11 * (1 - 1 / 8)
    assert made.equal == (6, 7, 5 / 8)
    assert len({picture.legs[0] for picture in made.pictures}) == 1, "one beginning for all"
    assert [picture.prompts[-1] for picture in made.pictures] == [scene.prompt for scene in gathering.scenes]


def test_the_planner_never_lets_far_prompts_share() -> None:
    """On words alone, as a leader sees them whose engine is cold."""
    planner = Planner({scene.prompt: b"" for scene in scenes_for_testing()}, "model", None)
    found = sort_out("far", lambda a, b: planner.steps(a, b, "ddim", 11, "fast"), planner.similarity)
    assert found.pairs >= 1000 and found.linked == 0, found.linked_ones
