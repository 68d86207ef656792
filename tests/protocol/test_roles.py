"""A guest has pictures made. Whatever else it says is dropped, and nobody shows it other people's words."""

import msgspec
import pytest

from peerd_protocol.certificates import ALL_ROLES
from peerd_protocol.messages import AnyFrame, HandoffBegin, Heartbeat
from peerd_protocol.roles import GUEST, may_be_told, may_say
from tests.protocol.samples import SAMPLES

GUESTS_WORDS = {"Hello", "Heartbeat", "Goodbye", "PreclaimAnswer", "Fenced", "RosterWant", "RosterShare", "Submit"} | {
    *("Withdraw", "Bereft", "HandoffBegin", "Chunk", "HandoffGot", "HandoffDone", "Countersignature")
}
NOT_FOR_GUESTS = {"Submit", "Bereft", "StandsBy", "CacheTold", "Offer", "Standby", "Countersignature"}


def _name(message: AnyFrame) -> str:
    return type(message).__name__


@pytest.mark.parametrize("message", SAMPLES, ids=_name)
def test_a_full_member_says_and_hears_all_and_a_guest_its_own_part(message: AnyFrame) -> None:
    if isinstance(message, Heartbeat):
        message = msgspec.structs.replace(message, leading=False)
    assert may_say(ALL_ROLES, message) and may_be_told(ALL_ROLES, message)
    assert may_say(GUEST, message) == (_name(message) in GUESTS_WORDS)
    if not isinstance(message, HandoffBegin):
        assert may_be_told(GUEST, message) == (_name(message) not in NOT_FOR_GUESTS)


def test_a_guest_claims_no_leadership_and_holds_no_spare() -> None:
    heartbeat = next(each for each in SAMPLES if isinstance(each, Heartbeat))
    begin = next(each for each in SAMPLES if isinstance(each, HandoffBegin))
    assert not may_say(GUEST, msgspec.structs.replace(heartbeat, leading=True))
    assert not may_say(GUEST, msgspec.structs.replace(begin, what="spare"))
    assert may_be_told(GUEST, msgspec.structs.replace(begin, what="checkpoint"))
    assert not may_be_told(GUEST, msgspec.structs.replace(begin, what="spare"))
    assert not may_be_told(GUEST, msgspec.structs.replace(begin, what="branch"))
