"""Standing by for a group: whose spares are taken, what the leader hears of them, and when they are forgotten.

Never here: what becomes of a spare when an executor is lost (`test_resuming`).
"""

import hashlib

import pytest
from msgspec.structs import replace

from peerd_protocol.actions import Send
from peerd_protocol.coordination import standby
from peerd_protocol.coordination.standby import Spare, StandbyDuty
from peerd_protocol.ids import Attempt, BootNonce, GroupId, HandoffId, NodeId, RequestId, Term
from peerd_protocol.messages import Beginning, HandoffBegin, Offer, Standby, StandDown, StandsBy
from tests.protocol.samples import ADA, ATTEMPT, BOB, GROUP, OFFER, TERM

DAN, EVE = NodeId("DAN"), NodeId("EVE")
NOW_S = 100.0


def duty(*offers: Offer) -> StandbyDuty:
    """bob's, for groups that ada runs."""
    mine = StandbyDuty(BOB)
    for offer in offers or (OFFER,):
        assert mine.asked(Standby(offer=offer, executor=ADA), NOW_S) == []
    return mine


def spare(step: int, data: bytes, group: GroupId = GROUP, attempt: Attempt = ATTEMPT) -> HandoffBegin:
    return HandoffBegin(
        handoff=HandoffId(f"spare/{group}/{step}"), what="spare", request=RequestId(""), group=group, attempt=attempt,
        step=step, size=len(data), digest=hashlib.sha256(data).digest(),
    )  # fmt: skip


def take(mine: StandbyDuty, begin: HandoffBegin, data: bytes, now_s: float = NOW_S, sender: NodeId = ADA) -> None:
    mine.arrived(sender, begin, data, now_s)


def told(mine: StandbyDuty, now_s: float, leader: NodeId = ADA) -> list[tuple[NodeId, int]]:
    found = []
    for action in mine.ticked(leader, now_s):
        assert isinstance(action, Send) and isinstance(action.message, StandsBy)
        found.append((action.to, action.message.step))
    return found


def test_only_the_executor_of_that_attempt_hands_spares_over_and_each_is_newer() -> None:
    mine = duty()
    assert mine.unwanted(EVE, spare(2, b"x")) == "nobody stands by for this attempt here"
    assert mine.unwanted(ADA, spare(2, b"x", attempt=Attempt(TERM, 9))) == "nobody stands by for this attempt here"
    assert mine.unwanted(ADA, spare(2, b"x")) == ""
    take(mine, spare(4, b"four"), b"four")
    assert mine.unwanted(ADA, spare(4, b"x")) == mine.unwanted(ADA, spare(3, b"x")) == "a newer spare is here"
    take(mine, spare(5, b"forged"), b"forged", sender=EVE)
    assert mine.spare(GROUP) == Spare(4, b"four", True)


def test_a_spare_may_overtake_the_offer_that_it_is_of() -> None:
    mine = duty()
    assert mine.is_early(spare(2, b"x", attempt=Attempt(TERM, 9)))
    assert mine.is_early(spare(2, b"x", group=GroupId("another")))
    assert not mine.is_early(spare(2, b"x")) and not mine.is_early(spare(2, b"x", attempt=Attempt(TERM, 1)))
    assert not mine.is_early(replace(spare(2, b"x", group=GroupId("another")), request=RequestId("own steps")))


def test_an_offer_that_names_another_is_none_of_ours() -> None:
    mine = duty(replace(OFFER, standby=EVE))
    assert told(mine, NOW_S) == []
    assert mine.unwanted(ADA, spare(1, b"x"))


def test_the_leader_hears_of_a_spare_at_once_and_again_and_so_does_the_next_leader() -> None:
    mine = duty()
    assert told(mine, NOW_S) == [(ADA, 0)]
    assert told(mine, NOW_S + 0.1) == []
    take(mine, spare(4, b"four"), b"four", NOW_S + 0.1)
    assert told(mine, NOW_S + 0.2) == [(ADA, 4)]
    assert told(mine, NOW_S + 0.2 + standby.REPEAT_S, leader=EVE) == [(EVE, 4)]


def test_a_branchs_beginning_comes_from_whoever_runs_what_is_before_it_and_a_spare_of_its_run_is_newer() -> None:
    mine = StandbyDuty(BOB)
    mine.asked(Standby(offer=replace(OFFER, beginning=Beginning(step=3, sources=(EVE,))), executor=ADA), NOW_S)
    beginning = replace(spare(2, b"two"), what="branch")
    assert mine.unwanted(ADA, beginning)
    assert mine.unwanted(EVE, spare(2, b"two"))
    take(mine, beginning, b"two", sender=EVE)
    assert mine.spare(GROUP) == Spare(2, b"two", False)
    take(mine, spare(4, b"four"), b"four")
    assert mine.spare(GROUP) == Spare(4, b"four", True)
    assert mine.unwanted(EVE, beginning) == "a newer spare is here"


def test_what_comes_from_beyond_a_branchs_beginning_is_none_of_it() -> None:
    """Whoever goes on with the steps before it is past it already, and would hand over what no member may take."""
    mine = StandbyDuty(BOB)
    mine.asked(Standby(offer=replace(OFFER, beginning=Beginning(step=3, sources=(EVE,))), executor=ADA), NOW_S)
    assert mine.unwanted(EVE, replace(spare(4, b"four"), what="branch")) == "this branch begins sooner"
    take(mine, replace(spare(3, b"three"), what="branch"), b"three", sender=EVE)
    take(mine, replace(spare(4, b"four"), what="branch"), b"four", sender=EVE)
    assert mine.spare(GROUP) == Spare(3, b"three", False)


def test_a_higher_attempt_begins_without_a_spare_and_a_lower_one_changes_nothing() -> None:
    mine = duty()
    take(mine, spare(4, b"four"), b"four")
    mine.asked(Standby(offer=replace(OFFER, attempt=Attempt(TERM, 1)), executor=ADA), NOW_S)
    assert mine.spare(GROUP) == Spare(4, b"four", True)
    mine.asked(Standby(offer=replace(OFFER, attempt=Attempt(TERM, 3)), executor=EVE), NOW_S)
    assert mine.spare(GROUP) is None


@pytest.mark.parametrize("sender", [ADA, DAN], ids=["its-executor", "the-leader"])
def test_the_executor_or_the_leader_lets_it_go_and_nobody_else(sender: NodeId) -> None:
    mine = duty()
    through = StandDown(group=GROUP, attempt=ATTEMPT)
    mine.let_go(EVE, through, DAN)
    mine.let_go(sender, replace(through, attempt=Attempt(TERM, 1)), DAN)
    assert told(mine, NOW_S) == [(ADA, 0)]
    mine.let_go(sender, through, DAN)
    assert told(mine, NOW_S + 60.0) == []


@pytest.mark.parametrize("leader", [DAN, None], ids=["while-another-leads", "while-nobody-leads"])
def test_nobody_becomes_a_leader_by_a_term_of_its_own_making(leader: NodeId | None) -> None:
    mine = duty()
    forged = Attempt(Term(2**60, EVE, BootNonce("x")), 0)
    mine.let_go(EVE, StandDown(group=GROUP, attempt=forged), leader)
    assert told(mine, NOW_S) == [(ADA, 0)]


def test_what_nobody_lets_go_is_forgotten_in_time() -> None:
    mine = duty()
    assert told(mine, NOW_S + standby.KEPT_S - 1.0) == [(ADA, 0)]
    assert told(mine, NOW_S + standby.KEPT_S + 1.0) == []
    assert mine.unwanted(ADA, spare(1, b"x"))


def test_neither_groups_nor_bytes_grow_without_a_bound() -> None:
    groups = [GroupId(f"7.00112233.2.{number}") for number in range(standby.GROUPS_MAX + 1)]
    mine = duty(*(replace(OFFER, group=group) for group in groups))
    assert mine.unwanted(ADA, spare(1, b"x", groups[0]))
    half = bytes(standby.SPARES_BYTES_MAX // 2)
    for group in groups[1:4]:
        take(mine, spare(1, half, group), half)
    assert [mine.spare(group) is not None for group in groups[1:4]] == [False, True, True]
