"""A group as a tree of handoffs: who leaves whose steps when, and what that saves."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd.planning.dendrogram import Knot, complete_linkage
from peerd.planning.objective import Appraiser, Price
from peerd.planning.trees import Branch, alone, branch_count, calls, grow, plan_tree, saved, worth
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import RequestId

TOTAL = 11
FREE = Price(handoff_calls=0.0, branch_calls=0.0, group_calls=0.0)
USUAL = Price()
Table = dict[RequestId, dict[RequestId, float]]


def rows(names: str, default: float = 0.0, **pairs: float) -> Table:
    """`ab=5.4`: a and b may share 5 steps and have a similarity of 0.8; pairs not named are as near as `default`."""
    found: Table = {RequestId(name): {} for name in names}
    for one, other in combinations(names, 2):
        if near := pairs.get(one + other, default):
            found[RequestId(one)][RequestId(other)] = found[RequestId(other)][RequestId(one)] = near
    return found


@st.composite
def tables(draw: st.DrawFn, least: int = 1, linked: bool = True) -> Table:
    """Pairs that share 1 to 10 steps; any similarity; some pairs that must not share, unless all are `linked`."""
    names = "abcdefghij"[: draw(st.integers(least, 10))]
    near = st.builds(lambda steps, similar: steps + similar / 2, st.integers(1, TOTAL - 1), st.floats(0.0, 1.0))
    wanted = near if linked else near | st.just(0.0)
    return rows(names, **{one + other: draw(wanted) for one, other in combinations(names, 2)})


prices = st.builds(Price, st.sampled_from([0.0, 0.2, 2.0]), st.sampled_from([0.0, 1.0, 6.0]), st.just(0.5))


def runs(branch: Branch, before: tuple[tuple[RequestId, int], ...] = ()) -> Iterator[tuple[RequestId, list[RequestId]]]:
    """Each request with, for each of all steps, whose trajectory it is on."""
    for request, step in branch.leaves:
        whose = [name for name, length in (*before, (branch.lead, step - branch.start)) for _ in range(length)]
        yield request, whose + [branch.lead if request == branch.lead else request] * (TOTAL - step)
    for below in branch.branches:
        yield from runs(below, (*before, (branch.lead, below.start - branch.start)))


def common(one: list[RequestId], other: list[RequestId]) -> int:
    """The steps that two runs have in common."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), TOTAL)


def leads(branch: Branch) -> list[RequestId]:
    return [branch.lead, *(lead for below in branch.branches for lead in leads(below))]


def check(tree: Branch, table: Mapping[RequestId, Mapping[RequestId, float]]) -> None:
    """What holds for every tree, checked on the steps themselves."""
    courses = dict(runs(tree))
    assert sorted(courses) == sorted(tree.members) == list(tree.members)
    assert len(set(leads(tree))) == len(leads(tree))
    for one, other in combinations(tree.members, 2):
        assert common(courses[one], courses[other]) <= int(table[one][other])
    different = {(tuple(course[: at + 1])) for course in courses.values() for at in range(TOTAL)}
    assert calls(tree, TOTAL) == len(different) == TOTAL * len(tree.members) - saved(tree) <= TOTAL * len(tree.members)

    def inside(branch: Branch) -> None:
        assert dict(branch.leaves)[branch.lead] == branch.stop
        least = branch.start + 1 if branch.start else 0
        assert all(least <= step < TOTAL for _, step in branch.leaves), "who leaves at once never came"
        for below in branch.branches:
            assert least <= below.start <= branch.stop
            inside(below)

    inside(tree)


def test_the_tree_of_the_docstring() -> None:
    table = rows("abcd", default=3.2, ab=5.3, cd=7.4)
    tree = plan_tree(table, table, USUAL)
    assert tree.lead in ("a", "c")
    check(tree, table)
    (below,) = tree.branches
    assert {tree.lead, below.lead} == {"a", "c"} or {tree.lead, below.lead} == {"b", "c"}
    assert saved(tree) == 5 + 7 + 3
    assert calls(tree, TOTAL) == 44 - 15


def test_a_far_member_leaves_early_and_nobody_else_does() -> None:
    table = rows("abcz", default=6.4, az=1.1, bz=1.1, cz=1.1)
    assert plan_tree(table, table, USUAL) == Branch("a", 0, (("a", 6), ("b", 6), ("c", 6), ("z", 1)))


def test_the_middle_leads() -> None:
    table = rows("abc", default=5.3, ab=5.4, bc=5.4)
    assert plan_tree(table, table, USUAL).lead == "b"


def test_the_lead_goes_on_to_the_end_of_its_own_nearest() -> None:
    table = rows("abcd", default=2.2, ab=9.4, ac=4.3, bc=4.3)
    assert plan_tree(table, table, USUAL) == Branch("a", 0, (("a", 9), ("b", 9), ("c", 4), ("d", 2)))


def test_a_branch_that_saves_less_than_its_executor_costs_is_not_made() -> None:
    table = rows("abcd", default=3.2, ab=8.3, cd=4.4)
    assert branch_count(plan_tree(table, table, Price(branch_calls=0.5))) == 1
    flat = plan_tree(table, table, Price(branch_calls=1.5))
    assert flat == Branch("a", 0, (("a", 8), ("b", 8), ("c", 3), ("d", 3)))


def test_who_hides_its_prompt_leads_only_among_such() -> None:
    table = rows("abcd", default=5.3, ab=5.45, ac=5.45, ad=5.45)
    assert plan_tree(table, table, USUAL).lead == "a"
    assert plan_tree(table, table, USUAL, hidden=frozenset("ab")).lead == "c"  # type: ignore[arg-type]
    assert plan_tree(table, table, USUAL, hidden=frozenset("abcd")).lead == "a"  # type: ignore[arg-type]


def test_a_hidden_pair_has_a_branch_of_its_own() -> None:
    table = rows("abcd", default=2.2, ab=6.3, cd=8.3)
    tree = plan_tree(table, table, USUAL, hidden=frozenset("cd"))  # type: ignore[arg-type]
    assert tree.lead == "a"
    assert [below.lead for below in tree.branches] == ["c"]


def test_a_set_of_thirty_two_is_one_tree_and_one_more_is_none() -> None:
    names = [f"{group}{number}" for group in "abcdefgh" for number in range(4)]
    table: Table = {RequestId(name): {} for name in names}
    for one, other in combinations(names, 2):
        near = 8.4 if one[0] == other[0] else 3.2
        table[RequestId(one)][RequestId(other)] = table[RequestId(other)][RequestId(one)] = near
    tree = plan_tree(table, table, USUAL)
    check(tree, table)
    assert branch_count(tree) == 7
    assert saved(tree) == 8 * 3 * 8 + 7 * 3
    more = RequestId("z")
    table[more] = dict.fromkeys(map(RequestId, names), 3.2)
    for name in names:
        table[RequestId(name)][more] = 3.2
    with pytest.raises(LocalError, match="too many"):
        plan_tree(table, table, USUAL)


def test_two_that_must_not_share_are_no_group() -> None:
    table = rows("abc", ab=5.3, bc=5.3)
    with pytest.raises(LocalError, match="must not share"):
        plan_tree(table, table, USUAL)


@given(tables(), prices, st.frozensets(st.sampled_from("abcdefghij")))
def test_every_tree_keeps_the_rules(table: Table, price: Price, hiding: frozenset[str]) -> None:
    hidden = frozenset(map(RequestId, hiding))
    tree = plan_tree(table, table, price, hidden)
    check(tree, table)
    assert tree.lead not in hidden or hidden >= table.keys()
    least = min((int(near) for row in table.values() for near in row.values()), default=0)
    assert saved(tree) >= least * (len(table) - 1), "never less than the flat group"
    (root,) = complete_linkage(table, table)
    assert worth(tree, price) >= Appraiser(price, hidden).worth(root) - 1e-9, "what the cut counted on is there"


@given(tables())
def test_nobody_could_leave_later_alone(table: Table) -> None:
    """Without branches each member stays until somebody who is still there is too far."""
    tree = plan_tree(table, table, Price(branch_calls=1_000.0))
    left = {name: step for name, step in tree.leaves if name != tree.lead} | {tree.lead: TOTAL}
    for name, step in tree.leaves:
        if name != tree.lead:
            assert any(min(step + 1, left[other]) > int(table[name][other]) for other in left if other != name)


def cuts(knot: Knot) -> Iterator[list[Knot]]:
    """All ways to cut a knot into groups."""
    yield [knot]
    if knot.parts is not None:
        for left in cuts(knot.parts[0]):
            for right in cuts(knot.parts[1]):
                yield left + right


@given(tables(linked=False), prices)
def test_the_cut_is_the_one_worth_most(table: Table, price: Price) -> None:
    roots = complete_linkage(table, table)
    appraiser = Appraiser(price)
    chosen = sum(map(appraiser.worth, appraiser.cut(roots)))
    best = sum(max(sum(map(appraiser.worth, groups)) for groups in cuts(root)) for root in roots)
    assert chosen == pytest.approx(best)
    assert chosen >= 0.0
    groups = [grow(knot, table, appraiser) for knot in appraiser.cut(roots)]
    assert sorted(name for tree in groups for name in tree.members) == sorted(table)
    assert all(worth(tree, price) > 0.0 or tree == alone(tree.lead) for tree in groups)


@given(tables(linked=False))
def test_linkage_is_complete_and_no_two_roots_could_be_one(table: Table) -> None:
    roots = complete_linkage(table, table)
    for root in roots:
        pairs = [table[one].get(other, 0.0) for one, other in combinations(root.members, 2)]
        assert all(pairs)
        assert root.steps == (int(min(pairs)) if pairs else 0)
    for one, other in combinations(roots, 2):
        assert not all(other_name in table[name] for name in one.members for other_name in other.members)
