"""Who leads: each clause of the election as a story of one node among others that we play.

Where a docstring names a seed, `tests.simulation.election_chaos` breaks an invariant on it without this clause.
"""

import msgspec
import pytest

from peerd_protocol.actions import Remember, Send
from peerd_protocol.election import Election, Role
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import BootNonce, Term
from peerd_protocol.messages import Fenced, Heartbeat, Preclaim, Resign
from peerd_protocol.profile import Profile
from peerd_protocol.terms import ACCEPTED_KEY, COUNTER_LEAP_MAX, HIGHEST_KEY, Terms, adopted_counter
from tests.protocol.election_story import (
    ANN,
    BATTERY,
    BOB,
    LOW,
    MAINS,
    ME,
    ZOE,
    Story,
    asked,
    boot_of,
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
    story.membership.removed_from_roster(frozenset({ME}))
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
    """Without this, seed 24 with 2 nodes leaves a side without a leader: what restarted beats on, and is followed."""
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


def candidate_among(*peers: str) -> Story:
    """A story whose node has just asked: the best-ranked among ann and bob, who live."""
    story = Story()
    for peer in peers:
        story.hear(ANN if peer == "ann" else BOB)
    story.wait(2.2, lambda: [story.hear(ANN if peer == "ann" else BOB) for peer in peers])
    story.wait(0.1)
    assert story.plays(Role.CANDIDATE)
    return story


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
    """Without this, seed 3 with 2 nodes never agrees: who accepted a greater term can follow no lesser one."""
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
    assert story.election.highest == 5 + COUNTER_LEAP_MAX
    story.lead(ZOE, far)
    assert story.election.highest == 5 + COUNTER_LEAP_MAX
    for _ in range(4):
        story.wait(1.0, lambda: story.lead(ANN, 5))
        story.lead(ZOE, far)
    assert story.election.leader == ZOE, "after a while it is taken in"


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
    fenced = Fenced(term=term_of(BOB, 8), highest=9)
    story.election.received(BOB, fenced, story.now_s, story.membership)
    assert story.election.highest == 9
    assert story.plays(Role.LEAD)


# ---- sleep ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [leading, following_ann])
def test_who_slept_joins_anew_before_it_may_command(begin: type[Story]) -> None:
    """Fencing hides the absence of this rule, so it has this test of its own."""
    story = begin()
    story.tick()
    story.hear(BOB)
    actions = story.leap(2.6)
    assert story.plays(Role.JOIN)
    assert story.election.leader is None
    (heartbeat, *_) = sent(actions, Heartbeat)
    assert not heartbeat.leading and not heartbeat.following


def test_a_candidate_that_slept_joins_anew() -> None:
    story = candidate_among("ann", "bob")
    story.leap(2.6)
    assert story.plays(Role.JOIN)


def test_a_short_sleep_changes_nothing() -> None:
    story = leading()
    story.leap(2.4)
    assert story.plays(Role.LEAD)


def test_after_a_long_sleep_the_leader_that_came_meanwhile_is_followed() -> None:
    story = leading()
    story.leap(3600.0)
    story.lead(BOB, 2)
    assert story.election.leader == BOB


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


# ---- durability ----------------------------------------------------------------------------------------------------


def disk_of(story: Story) -> dict[str, bytes]:
    return {action.key: action.value for action in story.done if isinstance(action, Remember)}


def test_a_restart_recalls_the_term_and_claims_above_it() -> None:
    story = following_ann()
    again = Story(disk_of(story), boot="boot-2")
    assert again.election.term == term_of(ANN, 5)
    assert again.lead(BOB, 4) == []
    assert again.plays(Role.JOIN)
    again.wait(9.0)
    assert again.counter == 6


def test_a_term_is_claimed_once_even_by_a_node_that_lost_its_store() -> None:
    """Without the boot nonce in it, one in six seeds claims a term twice or leads by a stale one."""
    first, second = leading(), Story(boot="boot-2")
    second.wait(2.3)
    assert first.counter == second.counter == 1
    assert first.election.term != second.election.term


def test_the_highest_counter_is_recalled_without_an_accepted_term() -> None:
    story = Story({HIGHEST_KEY: b"41"})
    story.wait(2.3)
    assert story.counter == 42


def test_the_accepted_term_alone_is_enough() -> None:
    """The node died between the two writes of a claim, or the other key was lost."""
    story = Story({ACCEPTED_KEY: msgspec.json.encode(term_of(ANN, 5))})
    assert story.election.highest == 5


@pytest.mark.parametrize("recalled", [{HIGHEST_KEY: b"x"}, {ACCEPTED_KEY: b"[1]"}, {ACCEPTED_KEY: b'{"a":'}])
def test_a_damaged_store_is_told_in_one_sentence(recalled: dict[str, bytes]) -> None:
    with pytest.raises(LocalError, match="move the state folder away"):
        Election(ME, BootNonce("b"), recalled, 1.0, 0.0)


def test_the_ledger_refuses_to_fall() -> None:
    terms = Terms(ME, BootNonce("b"), {ACCEPTED_KEY: msgspec.json.encode(term_of(ANN, 5))})
    with pytest.raises(LocalError):
        terms.accept(term_of(ANN, 5))
    with pytest.raises(LocalError):
        terms.accept(term_of(ANN, 10**9))


def test_a_forbidden_passage_raises_at_the_door() -> None:
    story = Story()
    with pytest.raises(LocalError, match="join cannot pass to lead"):
        story.election._pass_to(Role.LEAD)


# ---- heartbeats ----------------------------------------------------------------------------------------------------


def test_one_heartbeat_to_each_connected_peer_per_interval_and_at_once_to_a_new_one() -> None:
    story = Story()
    story.membership.connected(ANN, story.now_s)
    first = story.tick()
    assert [action.to for action in first if isinstance(action, Send)] == [ANN]
    story.membership.connected(BOB, story.now_s)
    second = story.tick()
    assert [action.to for action in second if isinstance(action, Send)] == [BOB]
    third = story.wait(1.05)
    assert [action.to for action in third if isinstance(action, Send)] == [ANN, BOB]
    sequences = [heartbeat.sequence for heartbeat in sent(story.done, Heartbeat)]
    assert sequences == sorted(sequences)


def test_a_heartbeat_tells_all_that_peers_need() -> None:
    story = leading()
    story.hear(BOB, story.election.term, following=True)
    heartbeat = sent(story.wait(1.0), Heartbeat)[-1]
    assert heartbeat == Heartbeat(
        boot=BootNonce("boot-me"), sequence=heartbeat.sequence, interval_ms=1000, term=story.election.term,
        leading=True, following=False, highest=1, followers=1, profile=MAINS, roster_digest=b"roster",
    )  # fmt: skip


def test_on_battery_a_node_announces_and_keeps_a_longer_interval() -> None:
    story = Story()
    story.profile = BATTERY
    story.membership.connected(ANN, story.now_s)
    heartbeats = sent([*story.tick(), *story.wait(4.1)], Heartbeat)
    assert [heartbeat.interval_ms for heartbeat in heartbeats] == [2000] * 3


def test_a_follower_says_that_it_follows() -> None:
    story = following_ann()
    heartbeat = sent(story.wait(1.0), Heartbeat)[-1]
    assert heartbeat.following and heartbeat.followers == 0


def test_the_beat_does_not_drift_with_late_ticks() -> None:
    story = Story()
    story.membership.connected(ANN, story.now_s)
    beats = 0
    for _ in range(200):
        story.now_s += 0.09
        beats += len(sent(story.tick(), Heartbeat))
    assert beats >= 18, "with each beat a tick late there would be 17"


def test_after_a_sleep_missed_heartbeats_are_not_made_up_for() -> None:
    story = Story()
    story.membership.connected(ANN, story.now_s)
    story.tick()
    beats = sent([*story.leap(30.0), *story.wait(0.9)], Heartbeat)
    assert len(beats) == 1


def test_profiles_decide_the_rank() -> None:
    story = Story()
    story.profile = Profile(model="toy", steps_per_second=64.0)
    story.tick()
    story.hear(ZOE)
    assert story.membership.better_ranked(story.election.rank, story.now_s) == 0


def test_a_boot_is_part_of_the_claim() -> None:
    """A claim for a term of another boot is no claim, even from the same device."""
    story = Story()
    story.hear(ANN, Term(5, ANN, BootNonce("another life")), leading=True)
    assert story.plays(Role.JOIN)
    assert boot_of(ANN) != "another life"
