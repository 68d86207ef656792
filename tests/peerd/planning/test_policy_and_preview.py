"""The owner's answer to an offer, and what `peerd plan` tells before anything is asked."""

import json

import pytest

from peerd.planning.policy import consider
from peerd.planning.preview import preview_plan, spread
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import Attempt, BootNonce, GroupId, NodeId, RequestId, Term
from peerd_protocol.messages import Offer, Receiver
from peerd_protocol.plan import Forecast
from peerd_protocol.profile import PowerClass, Profile
from tests.peerd.planning.people import SETTINGS, UNCALIBRATED, ask, device

GROUP, ATTEMPT = GroupId("g"), Attempt(Term(1, NodeId("A"), BootNonce("b")), 1)
OFFER = Offer(
    group=GROUP,
    attempt=ATTEMPT,
    call=ask("a", "apple on table").call,
    receivers=(Receiver(request=RequestId("a"), node=NodeId("A"), step=5, group=GROUP, attempt=ATTEMPT),),
    forecast=Forecast(
        seconds=1.0,
        seconds_alone=1.0,
        denoiser_calls=1,
        denoiser_calls_alone=1,
        joules=1.0,
        joules_alone=1.0,
        handoff_bytes=0,
    ),
)
ME = NodeId("A")


def test_an_idle_device_on_mains_helps() -> None:
    assert consider(OFFER, device(), SETTINGS) == (True, "")
    assert consider(OFFER, device(power=PowerClass.BATTERY, battery_percent=30), SETTINGS) == (True, "")


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (device(power=PowerClass.LOW, battery_percent=12), "the battery is at 12 %, below its owner's floor"),
        (device(power=PowerClass.BATTERY, battery_percent=29), "the battery is at 29 %, below the floor of 30 %"),
        (device(hot=True, temperature_c=91.4), "the device is hot (91 °C)"),
        (device(queued_steps=401), "the device is busy with 401 steps"),
        (device(model="other"), "it does not have the model"),
        (device(engine=False), "it has no engine"),
        (device(offers=False), "its owner offers no steps to others"),
    ],
)
def test_an_owner_declines_with_a_reason(now: Profile, reason: str) -> None:
    assert consider(OFFER, now, SETTINGS) == (False, reason)


def test_a_preview_tells_groups_costs_and_who_sees_what() -> None:
    devices = {NodeId(name): device() for name in "ABC"}
    prompts = ["apple on table", "lemon on table", "a red car on the beach"]
    requests = spread([ask(f"r{n}", prompt, "A") for n, prompt in enumerate(prompts)], devices, ME)
    assert [request.origin for request in requests] == ["A", "B", "C"]
    found = preview_plan(requests, devices, SETTINGS, UNCALIBRATED)
    assert json.loads(json.dumps(found)) == found
    assert [(group["prompts"], group["shared_steps"]) for group in found["groups"]] == [
        (prompts[:2], 5),
        (prompts[2:], 0),
    ]
    assert [group["executor"] for group in found["groups"]] == ["A", "C"]
    assert (found["denoiser_calls"], found["denoiser_calls_alone"]) == (28, 33)
    assert found["handoff_bytes"] > 0
    assert 0 < found["seconds"] <= found["seconds_alone"] * 1.25 + 0.5
    assert "rough picture" in found["privacy"]


def test_a_preview_of_one_prompt_on_a_lone_device() -> None:
    found = preview_plan([ask("a", "apple on table")], {ME: device()}, SETTINGS, UNCALIBRATED)
    assert found["seconds"] == found["seconds_alone"]
    assert "nothing is shared" in found["privacy"]


def test_what_can_not_be_planned_is_one_sentence() -> None:
    with pytest.raises(LocalError, match="can not be planned"):
        preview_plan([ask("a", "apple on table")], {ME: device(engine=False)}, SETTINGS, UNCALIBRATED)
