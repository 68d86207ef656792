"""The election across sleep, restart and time: what a node remembers, and how it says that it lives.

Where a docstring says what goes wrong without a clause, the simulation found it (`make mutants` shows the seeds).
"""

import msgspec
import pytest

from peerd_protocol.actions import Remember, Send
from peerd_protocol.election import Election, Role
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import BootNonce, Term
from peerd_protocol.messages import Heartbeat
from peerd_protocol.profile import Profile
from peerd_protocol.terms import ACCEPTED_KEY, HIGHEST_KEY, Terms
from tests.protocol.election_story import (
    ANN,
    BATTERY,
    BOB,
    MAINS,
    ME,
    ZOE,
    Story,
    boot_of,
    candidate_among,
    following_ann,
    leading,
    sent,
    term_of,
)

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
