"""Who is alive: stories of heartbeats, silence, refused re-dials and goodbyes."""

import pytest

from peerd_protocol.ids import BootNonce, NodeId, Term
from peerd_protocol.membership import MEMBERS_MAX, Membership, Status, claimed_term, rank_of
from peerd_protocol.messages import Heartbeat
from peerd_protocol.profile import PowerClass, Profile

ME, ANN, BOB = NodeId("me"), NodeId("ann"), NodeId("bob")
FIRST, SECOND, THIRD = BootNonce("b1"), BootNonce("b2"), BootNonce("b3")
MAINS = Profile(model="toy", steps_per_second=4.0)


def beat(
    sequence: int, boot: BootNonce = FIRST, interval_s: float = 1.0, term: Term | None = None, leading: bool = False,
    profile: Profile = MAINS,
) -> Heartbeat:  # fmt: skip
    return Heartbeat(
        boot=boot, sequence=sequence, interval_ms=round(interval_s * 1000), term=term, leading=leading, highest=0,
        followers=0, profile=profile, roster_digest=b"",
    )  # fmt: skip


def status(members: Membership, now_s: float, peer: NodeId = ANN) -> Status:
    return members.peers(now_s)[peer].status


def test_silence_makes_suspect_and_then_dead_by_the_senders_own_interval() -> None:
    members = Membership(ME)
    members.heard(ANN, beat(1), 0.0)
    members.heard(BOB, beat(1, interval_s=2.0), 0.0)
    assert [status(members, now_s) for now_s in (2.0, 2.1, 3.5, 3.6)] == ["alive", "suspect", "suspect", "dead"]
    assert [status(members, now_s, BOB) for now_s in (4.0, 4.1, 7.1)] == ["alive", "suspect", "dead"]
    assert members.living(3.6) == {BOB}
    assert members.peers(3.6)[ANN].status is Status.DEAD


def test_a_heartbeat_brings_the_dead_back() -> None:
    members = Membership(ME)
    members.heard(ANN, beat(1), 0.0)
    assert members.living(9.0) == frozenset()
    assert members.heard(ANN, beat(2), 9.0)
    assert members.living(9.0) == {ANN}


def test_who_only_connected_is_not_alive_yet() -> None:
    members = Membership(ME)
    members.connected(ANN, 0.0)
    assert members.connections() == {ANN}
    assert members.living(0.0) == frozenset()
    assert members.known(ANN) is None


@pytest.mark.parametrize("sequence", [5, 4])
def test_old_and_doubled_heartbeats_tell_nothing(sequence: int) -> None:
    members = Membership(ME)
    members.heard(ANN, beat(5), 0.0)
    assert not members.heard(ANN, beat(sequence), 3.0)
    assert status(members, 3.6) is Status.DEAD


def test_a_restart_counts_anew_and_late_words_of_the_old_life_are_dropped() -> None:
    members = Membership(ME)
    members.heard(ANN, beat(90), 0.0)
    assert members.heard(ANN, beat(1, SECOND), 1.0)
    assert not members.heard(ANN, beat(91), 1.1)
    state = members.known(ANN)
    assert state is not None and state.boot == SECOND


def test_boots_met_in_the_wrong_order_are_sorted_out_by_who_goes_on_speaking() -> None:
    members = Membership(ME)
    members.heard(ANN, beat(1, SECOND), 0.0)
    assert members.heard(ANN, beat(70, FIRST), 0.1), "sent before, but how should we know"
    assert not members.heard(ANN, beat(2, SECOND), 1.0)
    assert members.heard(ANN, beat(5, SECOND), 4.0)
    assert members.living(4.0) == {ANN}


def test_a_refused_re_dial_is_death_at_once() -> None:
    members = Membership(ME)
    members.connected(ANN, 0.0)
    members.heard(ANN, beat(1), 0.0)
    members.closed(ANN, True, 0.1)
    assert status(members, 0.1) is Status.DEAD
    assert members.connections() == frozenset()


def test_a_closed_channel_alone_proves_nothing() -> None:
    members = Membership(ME)
    members.connected(ANN, 0.0)
    members.heard(ANN, beat(1), 0.0)
    members.closed(ANN, False, 0.1)
    assert status(members, 0.1) is Status.ALIVE


def test_a_gone_process_does_not_rise_by_what_it_had_sent_before() -> None:
    members = Membership(ME)
    members.heard(ANN, beat(1), 0.0)
    members.closed(ANN, True, 0.1)
    assert not members.heard(ANN, beat(2), 0.2)
    assert members.heard(ANN, beat(1, SECOND), 0.3), "its next life does"


def test_nor_by_what_an_earlier_life_had_sent() -> None:
    members = Membership(ME)
    members.heard(ANN, beat(1, FIRST), 0.0)
    members.heard(ANN, beat(1, SECOND), 1.0)
    members.closed(ANN, True, 1.1)
    assert not members.heard(ANN, beat(2, FIRST), 1.2)


def test_a_process_that_was_refused_by_mistake_is_heard_after_an_interval_or_a_new_channel() -> None:
    members = Membership(ME)
    members.heard(ANN, beat(1), 0.0)
    members.closed(ANN, True, 0.1)
    assert members.heard(ANN, beat(3), 1.2), "the firewall refused us, the peer speaks on"
    members.closed(ANN, True, 1.3)
    members.connected(ANN, 1.4)
    assert status(members, 1.4) is Status.DEAD
    assert members.heard(ANN, beat(4), 1.5)
    assert status(members, 1.5) is Status.ALIVE


def test_goodbye_is_for_a_whole_life() -> None:
    members = Membership(ME)
    members.heard(ANN, beat(1), 0.0)
    members.left(ANN)
    assert status(members, 0.0) is Status.LEFT
    assert not members.heard(ANN, beat(2), 0.1)
    members.closed(ANN, True, 0.2)
    assert status(members, 9.0) is Status.LEFT, "it did not die, it left"
    assert members.heard(ANN, beat(1, SECOND), 10.0)
    assert status(members, 10.0) is Status.ALIVE


def test_own_lateness_is_not_held_against_others() -> None:
    members = Membership(ME)
    members.ticked(0.0, 1.0)
    members.heard(ANN, beat(1), 0.0)
    members.ticked(2.0, 1.0)
    members.ticked(3.9, 1.0)
    assert members.living(3.9) == {ANN}, "its heartbeats may lie unread"
    assert members.living(7.1) == frozenset()


def test_a_node_does_not_hear_itself() -> None:
    assert not Membership(ME).heard(ME, beat(1), 0.0)


def test_a_cluster_has_a_bound() -> None:
    members = Membership(ME)
    heard = [members.heard(NodeId(f"n{i}"), beat(1), 0.0) for i in range(MEMBERS_MAX + 5)]
    assert sum(heard) == MEMBERS_MAX - 1
    assert members.heard(NodeId("n0"), beat(2), 0.1), "who is in stays in"


def test_who_is_off_the_roster_is_forgotten() -> None:
    members = Membership(ME)
    for peer in (ANN, BOB):
        members.connected(peer, 0.0)
        members.heard(peer, beat(1), 0.0)
    members.roster_changed(frozenset({ME, BOB}), frozenset({ME, BOB}))
    assert members.living(0.0) == {BOB} == members.connections()


def test_words_about_strangers_change_nothing() -> None:
    members = Membership(ME)
    members.left(ANN)
    members.closed(ANN, True, 0.0)
    assert not members.peers(0.0)


def test_rank_is_power_then_compute_then_id() -> None:
    def profile(power: PowerClass, speed: float) -> Profile:
        return Profile(model="toy", power=power, steps_per_second=speed)

    ranks = [
        rank_of(NodeId("z"), profile(PowerClass.LOW, 99.0)),
        rank_of(NodeId("z"), profile(PowerClass.BATTERY, 1.0)),
        rank_of(NodeId("a"), profile(PowerClass.BATTERY, 9.0)),
        rank_of(NodeId("a"), profile(PowerClass.MAINS, 4.0)),
        rank_of(NodeId("b"), profile(PowerClass.MAINS, 4.1)),
    ]
    assert ranks == sorted(ranks)


def test_better_ranked_counts_the_living_only() -> None:
    members = Membership(ME)
    members.heard(ANN, beat(1), 0.0)
    members.heard(BOB, beat(1), 3.0)
    assert members.better_ranked(rank_of(NodeId("0"), MAINS), 3.0) == 2
    assert members.better_ranked(rank_of(NodeId("0"), MAINS), 4.0) == 1
    assert members.better_ranked(rank_of(ME, MAINS), 3.0) == 0


def test_followers_are_counted_by_the_leaders_present_boot_whatever_the_counter() -> None:
    members = Membership(ME)
    members.heard(ANN, beat(1, term=Term(3, ME, SECOND)), 0.0)
    members.heard(BOB, beat(1, term=Term(4, ME, SECOND)), 0.0)
    members.heard(NodeId("eve"), beat(1, term=Term(2, ME, FIRST)), 0.0)
    members.heard(NodeId("pi"), beat(1), 0.0)
    assert members.followers(ME, SECOND, 0.0) == 2


def test_a_claim_is_the_senders_own_boots() -> None:
    assert claimed_term(beat(1, term=Term(3, ANN, FIRST), leading=True)) == Term(3, ANN, FIRST)
    assert claimed_term(beat(1, term=Term(3, ANN, SECOND), leading=True)) is None
    assert claimed_term(beat(1, term=Term(3, ANN, FIRST))) is None
    assert claimed_term(beat(1, leading=True)) is None
