"""Who leads when several do: leaders that meet, counters beyond belief, fencing, resigning to a successor.

Where a docstring says what goes wrong without a clause, the simulation found it (`make mutants` shows the seeds).
"""

import pytest

from peerd_protocol.actions import Remember
from peerd_protocol.election import Role
from peerd_protocol.messages import Fenced, Heartbeat, Preclaim, Resign
from peerd_protocol.terms import COUNTER_LEAP_MAX, HIGHEST_KEY
from tests.protocol.election_story import (
    ANN,
    BATTERY,
    BOB,
    LOW,
    MAINS,
    ME,
    ZOE,
    Story,
    following_ann,
    leading,
    sent,
    term_of,
)

# ---- leaders meet --------------------------------------------------------------------------------------------------


def test_of_two_leaders_the_one_with_more_followers_claims_above_the_other() -> None:
    story = leading()
    story.hear(BOB, story.election.term, following=True)
    actions = story.lead(ZOE, 8)
    assert story.plays(Role.LEAD)
    assert story.counter == 9
    assert sent(actions, Heartbeat)[0].leading


def test_the_one_with_fewer_followers_yields() -> None:
    story = leading()
    story.lead(ANN, 8, followers=1)
    assert story.election.leader == ANN


def test_with_equal_followers_the_better_rank_stays() -> None:
    story = leading()
    story.lead(ANN, 8)
    assert story.election.leader == ME
    story.lead(ZOE, 12)
    assert story.election.leader == ZOE
    story = leading()
    story.lead(ZOE, 8, profile=BATTERY)
    assert story.election.leader == ME, "power weighs more than the name"


def test_a_leader_with_the_greater_term_lets_the_other_decide() -> None:
    story = leading(recalled_counter=7)
    assert story.lead(ZOE, 3, followers=5) == []
    assert story.plays(Role.LEAD)


def test_its_own_new_claim_does_not_cost_a_leader_its_followers() -> None:
    story = leading()
    story.hear(BOB, story.election.term, following=True)
    story.lead(ZOE, 8)
    story.lead(ZOE, 20)
    assert story.counter == 21


def test_a_leader_claims_above_a_peer_whose_greater_term_has_no_leader() -> None:
    """Without this two nodes never agree: who accepted a greater term can follow no lesser one."""
    story = leading()
    story.hear(BOB, term_of(ZOE, 6))
    assert story.plays(Role.LEAD)
    assert story.counter == 7


def test_but_not_while_a_leader_stands_behind_it() -> None:
    story = leading()
    assert story.hear(BOB, term_of(ZOE, 6), following=True) == [Remember(HIGHEST_KEY, b"6")]
    assert story.counter == 1


# ---- a counter beyond belief -------------------------------------------------------------------------------------


def test_a_counter_far_above_is_not_obeyed_and_raises_ours_once_per_interval() -> None:
    story = following_ann()
    far = 5 + 3 * COUNTER_LEAP_MAX
    story.lead(ZOE, far)
    assert story.election.leader == ANN
    assert story.election.highest == COUNTER_LEAP_MAX, "counted from where the interval began, before ann was heard"
    story.lead(ZOE, far)
    assert story.election.highest == COUNTER_LEAP_MAX
    for _ in range(4):
        story.wait(1.05, lambda: story.lead(ANN, 5))
        story.lead(ZOE, far)
    assert story.election.leader == ZOE, "after a while it is taken in"


def test_many_leaps_within_an_interval_are_no_more_than_one_whoever_makes_them() -> None:
    story = following_ann()
    story.wait(1.05, lambda: story.lead(ANN, 5))
    story.hear(BOB)
    for leap in range(1, 101):
        story.fence(BOB, 5 + leap * COUNTER_LEAP_MAX)
        story.lead(ZOE, 5 + leap * COUNTER_LEAP_MAX + 1)
    assert story.election.highest == 5 + COUNTER_LEAP_MAX
    assert story.election.leader == ANN
    raised = [action for action in story.done if isinstance(action, Remember) and action.key == HIGHEST_KEY]
    assert len(raised) == 2, "one for the term that is obeyed, one for all the leaps"
    story.wait(1.05, lambda: story.lead(ANN, 5))
    story.fence(BOB, 2 * COUNTER_LEAP_MAX)
    assert story.election.highest == 2 * COUNTER_LEAP_MAX, "what was beyond it is believed when it is said again"


def test_a_node_that_was_raised_as_far_as_may_be_still_claims_above_all_that_it_knows() -> None:
    story = leading()
    story.hear(BOB)
    story.fence(BOB, 10**9)
    assert story.hear(BOB, term_of(ZOE, story.election.highest), following=False)
    assert story.plays(Role.LEAD)
    assert story.counter == COUNTER_LEAP_MAX + 1 + 1
    assert story.election.highest == story.counter


@pytest.mark.parametrize("leads", [True, False])
def test_nobody_claims_above_a_counter_beyond_belief(leads: bool) -> None:
    story = leading()
    story.hear(ZOE, term_of(ZOE, 10**9), leading=leads)
    assert story.counter == 1


def test_a_joiner_does_not_follow_or_adopt_it_either() -> None:
    story = Story()
    story.lead(ANN, 10**9)
    assert story.plays(Role.JOIN)
    assert story.election.highest == COUNTER_LEAP_MAX
    story = Story()
    story.hear(ANN, highest=10**9)
    story.wait(2.3)
    assert story.election.highest == COUNTER_LEAP_MAX


def test_its_own_leader_with_such_a_counter_leads_no_longer() -> None:
    story = following_ann()
    story.lead(ANN, 10**9)
    assert story.plays(Role.CANDIDATE)


# ---- fencing -------------------------------------------------------------------------------------------------------


def test_only_the_accepted_term_from_its_own_leader_is_obeyed() -> None:
    story = following_ann()
    assert story.election.obeys(ANN, term_of(ANN, 5))
    assert not story.election.obeys(ANN, term_of(ANN, 4))
    assert not story.election.obeys(ANN, term_of(ANN, 6))
    assert not story.election.obeys(BOB, term_of(ANN, 5))
    assert story.election.fenced() == Fenced(term=term_of(ANN, 5), highest=5)


def test_a_node_obeys_itself_only_in_office() -> None:
    story = leading()
    term = story.election.term
    assert term is not None
    assert story.election.obeys(ME, term)
    story.leap(9.0)
    assert not story.election.obeys(ME, term)


def test_a_leader_that_is_fenced_learns_the_counter() -> None:
    story = leading()
    story.hear(BOB)
    story.fence(BOB, 9)
    assert story.election.highest == 9
    assert story.plays(Role.LEAD)


# ---- resigning -----------------------------------------------------------------------------------------------------


def test_a_leader_low_on_battery_resigns_to_the_best_follower_that_is_fed_better() -> None:
    story = leading()
    term = story.election.term
    assert term is not None
    story.profile = LOW
    for peer, profile in ((ANN, MAINS), (BOB, MAINS), (ZOE, BATTERY)):
        story.hear(peer, term, following=True, profile=profile)
    actions = story.wait(2.1)
    assert set(sent(actions, Resign)) == {Resign(term=term, successor=BOB)}
    assert story.plays(Role.LEAD), "until its successor has claimed"
    story.lead(BOB, 2)
    assert story.election.leader == BOB, "though it had fewer followers"


def test_it_does_not_resign_to_one_that_is_no_better() -> None:
    story = leading()
    story.profile = LOW
    story.hear(BOB, story.election.term, following=True, profile=LOW)
    story.hear(ZOE, term_of(ANN, 0), profile=MAINS)
    assert sent(story.wait(2.1), Resign) == [], "nor to one that follows another"


def test_the_successor_claims_at_once_without_asking() -> None:
    story = following_ann()
    actions = story.resign(ANN, term_of(ANN, 5))
    assert story.plays(Role.LEAD)
    assert story.counter == 6
    assert sent(actions, Preclaim) == []


@pytest.mark.parametrize(
    ("sender", "term", "successor"),
    [(ANN, term_of(ANN, 4), ME), (ANN, term_of(ANN, 5), ZOE), (BOB, term_of(ANN, 5), ME)],
)
def test_but_only_if_the_term_is_still_the_accepted_one_and_it_is_named(sender, term, successor) -> None:  # type: ignore[no-untyped-def]
    story = following_ann()
    story.resign(sender, term, successor)
    assert story.election.leader == ANN


def test_a_successor_that_never_claimed_is_forgotten_with_the_term() -> None:
    story = leading()
    story.profile = LOW
    story.hear(ANN, story.election.term, following=True)
    assert sent(story.wait(1.0), Resign)
    story.profile = MAINS
    story.tick()
    story.hear(BOB, term_of(ZOE, 6))
    story.lead(ANN, 8)
    assert story.election.leader == ME
    assert story.counter == 9
