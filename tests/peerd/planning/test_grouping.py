"""Groups in which every pair is near, whatever the chain of links between them."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from peerd.planning.grouping import Pair, components, farthest_pair, group, link_all, nearest_to_all
from peerd_protocol.ids import RequestId
from peerd_protocol.plan import GROUP_MEMBERS_MAX
from tests.peerd.planning.people import ask, embedding


def links(**pairs: float) -> dict[Pair, float]:
    """`ab=0.9` links a and b."""
    return {frozenset(map(RequestId, pair)): near for pair, near in pairs.items()}


def names(text: str) -> list[RequestId]:
    return [RequestId(name) for name in text]


def test_a_chain_is_cut_where_its_ends_are_strangers() -> None:
    assert components(names("abc"), links(ab=0.9, bc=0.8)) == [names("abc")]
    assert group(names("abc"), links(ab=0.9, bc=0.8)) == [("a", "b"), ("c",)]
    assert group(names("abc"), links(ab=0.8, bc=0.9)) == [("a",), ("b", "c")]


def test_ties_go_to_the_lower_ids() -> None:
    assert group(names("dcba"), links(ab=0.9, bc=0.9, cd=0.9, ad=0.9)) == [("a", "b"), ("c", "d")]


def test_strangers_stay_alone() -> None:
    assert group(names("ba"), {}) == [("a",), ("b",)]


def test_the_middle_leads_and_the_farthest_pair_decides() -> None:
    three = links(ab=0.9, bc=0.8, ac=0.5)
    assert nearest_to_all(names("abc"), three) == "b"
    assert farthest_pair(names("abc"), three) == 0.5
    assert nearest_to_all(names("ab"), three) == "a"
    assert farthest_pair(names("a"), three) == 1.0


def test_no_group_is_larger_than_a_plan_may_be() -> None:
    crowd = [ask(f"r{number:02}", f"thing{number} on the table") for number in range(GROUP_MEMBERS_MAX + 8)]
    sizes = [len(members) for members in group([one.id for one in crowd], link_all(crowd, 0.45))]
    assert max(sizes) <= GROUP_MEMBERS_MAX
    assert sum(sizes) == len(crowd)
    assert len(sizes) == 2


def test_a_stranger_to_the_text_encoder_does_not_join() -> None:
    crowd = [
        ask(name, f"{name} on the table", embedding=embedding(angle))
        for name, angle in zip("abc", (0, 0.2, 3), strict=True)
    ]
    assert group([one.id for one in crowd], link_all(crowd, 0.45)) == [("a", "b"), ("c",)]


@given(st.dictionaries(st.frozensets(st.sampled_from(names("abcdefg")), min_size=2, max_size=2), st.floats(0.45, 1.0)))
def test_every_pair_of_a_group_is_linked_and_no_two_groups_could_be_one(found: dict[Pair, float]) -> None:
    groups = group(names("abcdefg"), found)
    assert sorted(name for members in groups for name in members) == names("abcdefg")
    for members in groups:
        assert all(frozenset(pair) in found for pair in combinations(members, 2))
    for one, other in combinations(groups, 2):
        assert not all(frozenset(pair) in found for pair in combinations(one + other, 2))
