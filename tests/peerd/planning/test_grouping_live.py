"""Groups of live requests: the same in any order of arrival, and the same as if every pair were compared."""

import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerd.planning.dendrogram import complete_linkage
from peerd.planning.live_groups import LiveGroups, group_requests
from peerd.planning.lots import LOT_MAX
from peerd.planning.nearness import Nearness, asked
from peerd.planning.objective import Appraiser, Price
from peerd.planning.trees import Branch, alone, grow, saved, worth
from peerd_protocol.ids import RequestId
from peerd_protocol.plan import GROUP_MEMBERS_MAX, Request
from tests.peerd.planning.crowd import PLACES, THINGS, crowd
from tests.peerd.planning.people import SETTINGS, UNCALIBRATED, ask

allowed = UNCALIBRATED.allowed
PRICE = Price()
NEAR = Nearness(SETTINGS.similar_min, allowed)


def live(requests: list[Request]) -> LiveGroups:
    groups = LiveGroups(SETTINGS.similar_min, allowed, PRICE)
    for request in requests:
        groups.insert(request)
    return groups


def group(requests: list[Request]) -> list[Branch]:
    return group_requests(requests, SETTINGS.similar_min, allowed, PRICE)


def all_pairs(requests: list[Request]) -> list[Branch]:
    """The same groups by brute force: every pair compared, all joined in one piece."""
    rows: dict[RequestId, dict[RequestId, float]] = {request.id: {} for request in requests}
    for one, other in combinations(map(asked, requests), 2):
        if near := NEAR(one, other):
            rows[one.request.id][other.request.id] = rows[other.request.id][one.request.id] = near
    appraiser = Appraiser(PRICE, frozenset(request.id for request in requests if request.share == "concepts"))
    found = [grow(knot, rows, appraiser) for knot in appraiser.cut(complete_linkage(rows, rows))]
    return sorted(found, key=lambda tree: tree.members)


CHANCES = st.integers(0, 10**6).map(random.Random)
STRANGE = ["яблоко на столе", "яблоко под столом", "", "zorp", "zorp on the blarg", "apple on the blarg"]


@st.composite
def crowds(draw: st.DrawFn, least: int = 1, most: int = 30, places: int = 6) -> list[Request]:
    """Requests over few things and places, so that many pairs are near, with all kinds of wishes."""
    count = draw(st.integers(least, most))
    chance = draw(CHANCES)
    requests = crowd(chance, count, kinds=draw(st.sampled_from([1, 1, 2])))
    changed = []
    for request in requests:
        prompt = f"{chance.choice(THINGS[:12])} on the {chance.choice(PLACES[:places])}"
        prompt = chance.choice([request.call.prompt, prompt, prompt, chance.choice(STRANGE)])
        changed.append(
            ask(
                request.id, prompt, width=request.call.width, seed=chance.choice([1, 1, 2]),
                seed_free=chance.random() < 0.8, shared=chance.choice([None] * 8 + [0, 3]),
                share=chance.choice(["prompt"] * 8 + ["concepts", "nothing"]),
                quality=chance.choice(["strict", "balanced", "balanced", "fast"]),
                group_name=chance.choice([""] * 8 + ["x", "y"]), embedding=request.embedding,
            )
        )  # fmt: skip
    return changed


@settings(max_examples=40, deadline=None)
@given(crowds(), CHANCES)
def test_groups_are_those_of_all_pairs_in_any_order_of_arrival(requests: list[Request], chance: random.Random) -> None:
    expected = all_pairs(requests)
    chance.shuffle(requests)
    assert group(requests) == expected
    assert sorted(name for tree in expected for name in tree.members) == sorted(request.id for request in requests)


@settings(max_examples=15, deadline=None)
@given(crowds(least=LOT_MAX + 1, most=140), crowds(most=20), CHANCES)
def test_those_that_came_and_went_leave_no_trace(
    stay: list[Request], leave: list[Request], chance: random.Random
) -> None:
    expected = group(stay)
    gone = {request.id for request in leave}
    mixed = [request for request in stay if request.id not in gone] + leave
    chance.shuffle(mixed)
    groups = live(mixed[: len(mixed) // 2])
    groups.groups()
    for request in mixed[len(mixed) // 2 :]:
        groups.insert(request)
        if chance.random() < 0.1:
            groups.groups()
    for request in leave:
        groups.remove(request.id)
    for request in stay:
        groups.insert(request)
    assert groups.groups() == expected
    assert groups.worth() == pytest.approx(sum(worth(tree, PRICE) for tree in expected))
    assert all(groups.group_of(name) == tree for tree in expected for name in tree.members)


def test_a_crowd_that_shrank_to_one_lot_compares_a_new_scene_with_all_others() -> None:
    many = [ask(f"r{number:02}", f"{THINGS[number % 12]} on the desk") for number in range(LOT_MAX + 12)]
    groups = live(many)
    groups.groups()
    for request in many[20:]:
        groups.remove(request.id)
    late = ask("a", "white apple in the desk, high detail")
    groups.insert(late)
    expected = group([*many[:20], late])
    assert any("a" in tree.members and len(tree.members) > 1 for tree in expected), "it is near to some"
    assert groups.groups() == expected


def far_scenes(count: int) -> list[Request]:
    """More requests than a lot holds, in scenes of a few that have nothing to do with each other."""
    scenes = ["on the table", "in the forest", "on the beach", "under the bridge", "in the kitchen", "on the roof"]
    prompts = [f"{thing} {scene}" for thing in THINGS[:count] for scene in scenes]
    return [ask(f"r{number:03}", prompt, seed_free=True) for number, prompt in enumerate(prompts)]


@pytest.mark.parametrize("count", [9, 12])
def test_small_parts_of_a_large_crowd_are_grouped_as_all_pairs_would(count: int) -> None:
    requests = far_scenes(count)
    assert len(requests) > LOT_MAX
    assert group(requests) == all_pairs(requests)


def test_who_comes_leaves_other_scenes_as_they_were() -> None:
    requests = far_scenes(12)
    groups = live(requests)
    before = groups.groups()
    groups.insert(ask("new", "a pineapple on the beach", seed_free=True))
    after = groups.groups()
    changed = {name for tree in set(after) - set(before) for name in tree.members}
    assert "new" in changed
    beach = {request.id for request in requests if request.call.prompt.endswith("beach")}
    assert changed - {"new"} <= beach
    groups.remove(RequestId("new"))
    assert groups.groups() == before


def test_a_crowd_in_one_scene_is_cut_into_groups_that_a_plan_can_hold() -> None:
    requests = [ask(f"r{number:03}", f"{thing} on the table", seed_free=True) for number, thing in enumerate(THINGS)]
    found = group(requests)
    assert max(len(tree.members) for tree in found) <= GROUP_MEMBERS_MAX
    assert sorted(name for tree in found for name in tree.members) == [request.id for request in requests]
    assert sum(map(saved, found)) >= 0.97 * sum(map(saved, all_pairs(requests)))


def test_more_of_the_very_same_wish_than_a_lot_holds() -> None:
    requests = [ask(f"r{number:03}", "apple on table") for number in range(LOT_MAX + 20)]
    found = group(requests)
    assert sorted(name for tree in found for name in tree.members) == [request.id for request in requests]
    assert sum(map(saved, found)) == 10 * (len(requests) - len(found))
    assert len(found) == 3


def test_whoever_wants_to_be_alone_is() -> None:
    requests = [ask("a", "apple on table"), ask("b", "lemon on table", share="nothing")]
    groups = live([*requests, ask("c", "pear on table", shared=0)])
    assert groups.groups() == [alone(RequestId(name)) for name in "abc"]
    assert groups.group_of(RequestId("b")) == alone(RequestId("b"))
    groups.insert(ask("b", "lemon on table"))
    assert [tree.members for tree in groups.groups()] == [("a", "b"), ("c",)]
    groups.remove(RequestId("a"))
    groups.remove(RequestId("b"))
    groups.remove(RequestId("b"))
    assert groups.groups() == [alone(RequestId("c"))]
    groups.remove(RequestId("c"))
    assert groups.groups() == []


def test_another_request_under_the_same_id_is_another_request() -> None:
    groups = live([ask("a", "apple on table"), ask("b", "lemon on table")])
    assert len(groups.groups()) == 1
    groups.insert(ask("b", "a car on the beach"))
    assert len(groups.groups()) == 2


def test_concepts_follow_a_prompt_that_is_shared() -> None:
    requests = [
        ask("a", "edible fruit on table", share="concepts", seed_free=True),
        ask("b", "edible fruit on table", share="concepts", seed_free=True),
        ask("c", "lemon on table", seed_free=True),
    ]
    (tree,) = group(requests)
    assert tree.lead == "c"
    (tree,) = group(requests[:2])
    assert tree.lead == "a"
