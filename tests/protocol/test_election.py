"""Who leads: joining, following, standing and granting, as stories of one node among others that we play.

Where a docstring says what goes wrong without a clause, the simulation found it (`make mutants` shows the seeds).
"""

import msgspec
import pytest

from peerd_protocol.actions import Remember
from peerd_protocol.election import Role
from peerd_protocol.ids import BootNonce, Term
from peerd_protocol.messages import Heartbeat
from peerd_protocol.terms import ACCEPTED_KEY, HIGHEST_KEY, adopted_counter
from tests.protocol.election_story import (
    ANN,
    BOB,
    ME,
    ZOE,
    Story,
    asked,
    candidate_among,
    following_ann,
    leading,
    sent,
    term_of,
)

# ---- join ----------------------------------------------------------------------------------------------------------


def test_a_lone_node_leads_itself_after_listening() -> None:
    story = Story()
    story.wait(2.1)
    assert story.plays(Role.JOIN)
    assert story.election.leader is None
    story.wait(0.2)
    assert story.plays(Role.LEAD)
    assert story.election.leader == ME
    assert story.election.term == Term(1, ME, BootNonce("boot-me"))


def test_a_joiner_follows_a_leader_at_once() -> None:
    story = Story()
    story.lead(ANN, 5)
    assert story.plays(Role.FOLLOW)
    assert story.election.leader == ANN


def test_a_better_rank_never_pre_empts_a_living_leader() -> None:
    story = following_ann()
    story.wait(20, lambda: story.lead(ANN, 5))
    assert story.election.leader == ANN, "though me ranks better"


def test_a_joiner_grants_preclaims() -> None:
    story = Story()
    story.hear(ANN)
    assert story.ask(ANN)


def test_a_joiner_adopts_the_second_highest_counter() -> None:
    story = Story()
    for peer, highest in ((ANN, 7), (BOB, 60_000), (ZOE, 40)):
        story.hear(peer, highest=highest)
    story.wait(2.3)
    assert story.election.highest == 40


@pytest.mark.parametrize(("reported", "adopted"), [([], 0), ([7], 7), ([7, 9], 7), ([1, 9, 5], 5), ([9, 9, 1], 9)])
def test_the_counter_that_no_single_liar_can_raise(reported: list[int], adopted: int) -> None:
    assert adopted_counter(reported) == adopted


# ---- follow --------------------------------------------------------------------------------------------------------


def test_a_leader_silent_for_three_and_a_half_intervals_is_dead() -> None:
    story = following_ann()
    story.wait(3.4)
    assert story.plays(Role.FOLLOW)
    story.wait(0.15)
    assert story.plays(Role.CANDIDATE)


def test_a_refused_re_dial_needs_no_silence() -> None:
    story = following_ann()
    story.membership.closed(ANN, True, story.now_s)
    story.tick()
    assert story.plays(Role.LEAD)


def test_a_leader_that_says_goodbye_needs_no_silence() -> None:
    story = following_ann()
    story.membership.left(ANN)
    story.tick()
    assert story.plays(Role.LEAD)


def test_a_leader_struck_from_the_roster_is_left() -> None:
    story = following_ann()
    story.membership.roster_changed(frozenset({ME}), frozenset({ME}))
    story.tick()
    assert story.plays(Role.LEAD)


def test_a_late_tick_does_not_kill_the_leader() -> None:
    story = following_ann()
    story.tick()
    story.wait(1.5)
    story.leap(2.2)
    assert story.plays(Role.FOLLOW), "its heartbeats may lie unread"
    story.lead(ANN, 5)
    story.wait(3.0)
    assert story.plays(Role.FOLLOW)


def test_a_leader_lives_only_by_claiming_the_accepted_term() -> None:
    """Without this a side is left without a leader: what restarted beats on, and is followed."""
    story = following_ann()
    story.hear(ANN, term_of(ANN, 5), boot=BootNonce("next life"))
    assert story.plays(Role.CANDIDATE)


def test_a_leader_that_lost_its_disk_and_claims_a_lower_term_is_left() -> None:
    story = following_ann()
    story.hear(ANN, Term(1, ANN, BootNonce("aa")), leading=True, boot=BootNonce("aa"))
    assert story.plays(Role.CANDIDATE)
    assert story.counter == 5


def test_a_greater_term_of_anyone_is_accepted_and_on_disk_before_it_is_revealed() -> None:
    story = following_ann()
    actions = story.lead(BOB, 6)
    assert actions == [
        Remember(HIGHEST_KEY, b"6"),
        Remember(ACCEPTED_KEY, msgspec.json.encode(term_of(BOB, 6))),
    ]
    assert story.election.leader == BOB


def test_a_lesser_term_is_not() -> None:
    story = following_ann()
    assert story.lead(ZOE, 4) == []
    assert story.election.leader == ANN


def test_nobody_claims_for_another() -> None:
    story = following_ann()
    story.hear(BOB, term_of(ZOE, 9), leading=True)
    assert story.election.leader == ANN
    assert story.counter == 5


# ---- candidate -----------------------------------------------------------------------------------------------------


def test_a_candidate_lets_each_better_ranked_peer_go_first() -> None:
    story = Story()
    story.hear(ZOE)
    story.hear(ANN)
    story.wait(2.2, lambda: (story.hear(ZOE), story.hear(ANN)))
    assert asked(story.wait(0.2)) == set(), "zoe ranks better"
    assert asked(story.wait(0.2)) == {ANN, ZOE}


def test_more_than_half_of_the_alive_view_is_enough() -> None:
    story = candidate_among("ann", "bob")
    story.answer(ANN, True)
    assert story.plays(Role.LEAD)


def test_half_is_not() -> None:
    story = candidate_among("ann")
    assert story.plays(Role.CANDIDATE)
    story.wait(0.3)
    assert story.plays(Role.CANDIDATE)
    story.answer(ANN, True)
    assert story.plays(Role.LEAD)


def test_a_claim_is_on_disk_before_anyone_hears_of_it() -> None:
    story = candidate_among("ann")
    actions = story.answer(ANN, True)
    claimed = Term(1, ME, BootNonce("boot-me"))
    assert actions[:2] == [Remember(HIGHEST_KEY, b"1"), Remember(ACCEPTED_KEY, msgspec.json.encode(claimed))]
    (heartbeat,) = sent(actions, Heartbeat)
    assert heartbeat.leading and heartbeat.term == claimed


def test_answers_are_counted_for_six_tenths_of_a_second_then_it_waits() -> None:
    story = candidate_among("ann", "bob")
    story.answer(ANN, False)
    story.answer(BOB, False)
    actions = story.wait(0.45)
    assert asked(actions) == {ANN, BOB}, "asked again: it may have been lost, or the peer may notice a little later"
    story.wait(0.1)
    assert asked(story.wait(0.4)) == set()
    story.answer(ANN, True)
    assert story.plays(Role.CANDIDATE), "nobody is counting"
    assert asked(story.wait(0.2)) == {ANN, BOB}


def test_an_answer_to_another_question_does_not_count() -> None:
    story = candidate_among("ann")
    story.answer(ANN, True, counter=99)
    assert story.plays(Role.CANDIDATE)


def test_a_candidate_yields_to_a_better_ranked_one() -> None:
    story = candidate_among("ann", "bob")
    story.hear(ZOE)
    assert story.ask(ZOE)
    story.answer(ANN, True)
    assert story.plays(Role.CANDIDATE), "it counts no longer"
    assert asked(story.wait(0.45)) == set()


def test_a_candidate_that_asks_refuses_a_worse_one() -> None:
    story = candidate_among("ann", "bob")
    assert not story.ask(ANN)


def test_the_silent_leader_is_asked_too_and_its_no_ends_the_candidacy() -> None:
    story = following_ann()
    story.wait(3.0, lambda: story.hear(BOB))
    assert asked(story.wait(0.6)) == {ANN, BOB}
    story.answer(ANN, False)
    story.answer(BOB, True)
    assert story.plays(Role.CANDIDATE)
    story.lead(ANN, 5)
    assert story.plays(Role.FOLLOW)
    assert story.counter == 5


def test_if_nobody_else_lives_it_waits_for_the_silent_leader() -> None:
    story = following_ann()
    story.wait(3.55)
    assert asked(story.done) == {ANN}
    story.wait(0.5)
    assert story.plays(Role.CANDIDATE)
    story.wait(0.2)
    assert story.plays(Role.LEAD)


def test_a_silent_leader_that_grants_need_not_be_waited_for() -> None:
    story = following_ann()
    story.wait(3.55)
    story.answer(ANN, True)
    assert story.plays(Role.LEAD)


def test_a_candidate_follows_a_leader_that_speaks_up() -> None:
    story = candidate_among("ann", "bob")
    story.lead(BOB, 1)
    assert story.election.leader == BOB


def test_a_candidate_does_not_follow_a_lesser_term() -> None:
    story = following_ann()
    story.wait(3.55)
    story.lead(BOB, 4)
    assert story.plays(Role.CANDIDATE)


# ---- granting ------------------------------------------------------------------------------------------------------


def test_nobody_grants_while_its_own_leader_lives() -> None:
    story = following_ann()
    story.hear(ZOE)
    assert not story.ask(ZOE)
    story = leading()
    story.hear(ZOE)
    assert not story.ask(ZOE)


def test_one_grant_per_interval() -> None:
    story = Story()
    for peer in (ANN, BOB, ZOE):
        story.hear(peer)
    assert story.ask(BOB)
    assert not story.ask(ANN), "worse than bob"
    assert story.ask(BOB), "the same may take it again"
    assert story.ask(ZOE), "a better one may take it over"
    assert not story.ask(BOB)
    story.wait(1.05)
    assert story.ask(BOB)


def test_a_stranger_is_granted_nothing() -> None:
    assert not Story().ask(ANN)
