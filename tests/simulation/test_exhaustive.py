"""All short stories of three nodes: none breaks an invariant of the shipped core, and broken cores are found out."""

from collections.abc import Mapping

import pytest

from peerd_protocol.actions import Action, Send
from peerd_protocol.election import Election, Role
from peerd_protocol.ids import BootNonce, NodeId, Term
from peerd_protocol.membership import Membership
from tests.simulation.exhaustive import BEGINNINGS, NONE, Faults, Search
from tests.simulation.exhaustive_nodes import Automaton, Violation, key_of

DEPTH = 4
"""About a second; a soak goes on from there."""


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_all_short_stories_keep_the_invariants(beginning: str) -> None:
    search = Search(Automaton(), beginning)
    search.run(DEPTH)
    assert search.depth == DEPTH
    assert len(search.came_from) > 3_000


@pytest.mark.parametrize(
    ("beginning", "roles"),
    [
        ("all start", [Role.JOIN] * 3),
        ("all are about to stand", [Role.JOIN] * 3),
        ("one leads", [Role.FOLLOW, Role.FOLLOW, Role.LEAD]),
        ("a leader is about to be missed", [Role.FOLLOW, Role.FOLLOW, Role.LEAD]),
        ("two lead", [Role.FOLLOW, Role.LEAD, Role.LEAD]),
    ],
)
def test_a_beginning_is_what_it_says(beginning: str, roles: list[Role]) -> None:
    automaton = Automaton()
    nodes = [automaton.nodes[number] for number in BEGINNINGS[beginning](automaton)]
    assert [node.election.role for node in nodes] == roles


def test_stories_reach_every_role_and_leaders_of_different_terms_at_once() -> None:
    search = Search(Automaton(), "two lead")
    search.run(DEPTH)
    assert search.roles == set(Role)
    assert search.leaders_at_once >= 2
    assert len(search.claims) > 3


def test_a_search_can_be_bounded_by_its_states() -> None:
    search = Search(Automaton(), "one leads")
    search.run(100, states_max=500)
    assert search.depth < 5


def test_nodes_that_hold_the_same_at_different_times_are_one() -> None:
    once, later = (Election(NodeId("ann"), BootNonce("b"), {}, 1.0, now_s) for now_s in (100.0, 250.0))
    assert key_of(once, 100.0) == key_of(later, 250.0)
    assert key_of(once, 100.0) != key_of(later, 251.0)


# ---- broken cores ----------------------------------------------------------------------------------------------------


class Forgetful(Election):
    """Its disk keeps nothing."""

    def __init__(self, me: NodeId, boot: BootNonce, recalled: Mapping[str, bytes], *rest: float) -> None:
        super().__init__(me, boot, {}, *rest)


class SameBoot(Election):
    """Its terms do not tell one life from another."""

    def __init__(self, me: NodeId, boot: BootNonce, recalled: Mapping[str, bytes], *rest: float) -> None:
        super().__init__(me, BootNonce("always"), recalled, *rest)


class Hasty(Election):
    """It says that it leads before that is on its disk."""

    def _become_leader(self, now_s: float, membership: Membership) -> list[Action]:
        actions = super()._become_leader(now_s, membership)
        return sorted(actions, key=lambda action: not isinstance(action, Send))


class Unfenced(Election):
    """It obeys whoever claims a term."""

    def obeys(self, sender: NodeId, term: Term) -> bool:
        return term.leader == sender != self.me


@pytest.mark.parametrize(
    ("core", "beginning", "faults", "depth", "text"),
    [
        (Forgetful, "one leads", Faults(1, 0, 1, 0, 0, 0), 1, "I2 .* by a restart"),
        (SameBoot, "one leads", Faults(1, 0, 0, 1, 0, 0), 6, "I1 eve claims .* again"),
        (Hasty, "all are about to stand", NONE, 3, "I2 .* reveals .* its disk has"),
        (Unfenced, "two lead", NONE, 2, "I4 .* obeys .* after"),
    ],
)
def test_a_broken_core_is_found_out_and_its_story_told(
    core: type[Election], beginning: str, faults: Faults, depth: int, text: str
) -> None:
    with pytest.raises(Violation, match=rf"(?s)from: {beginning}.*{text}") as violation:
        Search(Automaton(core), beginning, faults).run(depth)
    assert len(str(violation.value).splitlines()) <= depth + 2
