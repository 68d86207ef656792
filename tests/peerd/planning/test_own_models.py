"""A model of one's own shares like the usual one: among the devices that have it, and never on one that has not."""

import pytest

from peerd.planning.forecast import Load
from peerd.planning.policy import consider
from peerd.planning.preview import spread
from peerd_protocol.ids import Attempt, BootNonce, GroupId, NodeId, RequestId, Term
from peerd_protocol.messages import Offer, Receiver
from peerd_protocol.plan import Forecast
from peerd_protocol.profile import OtherModel, Pace, Profile
from tests.peerd.planning.people import MODEL, SETTINGS, ask, device, plan

OWN = "a-model-of-one's-own"
PAIR = [ask("a", "apple on table", model=OWN, shared=5), ask("b", "lemon on table", model=OWN, shared=5)]


def having(pace: Pace | None = None, **changes: object) -> Profile:
    """A device that has the own model beside its usual one; `pace` is what it learnt of it."""
    return device(more_models=(OtherModel(OWN, pace or Pace()),), **changes)  # type: ignore[arg-type]


def test_two_devices_that_have_a_model_of_ones_own_share_and_a_third_without_it_is_never_asked() -> None:
    fast = device(1_000.0)
    (draft,) = plan(PAIR, {"A": having(), "B": having(), "E": fast}).drafts
    assert (draft.shared_steps, draft.requests) == (5, ("a", "b"))
    assert set(draft.candidates) == {"A", "B"}


def test_who_asks_has_the_model_before_its_heartbeat_says_so() -> None:
    (draft,) = plan(PAIR, {"A": device(), "B": device(), "E": device(1_000.0)}).drafts
    assert (draft.shared_steps, set(draft.candidates)) == (5, {"A", "B"})


def test_a_device_that_has_the_model_runs_it_for_those_that_ask_elsewhere() -> None:
    quick = having(Pace(step_s=0.001))
    (draft,) = plan(PAIR, {"A": having(Pace(step_s=1.0)), "B": having(Pace(step_s=1.0)), "E": quick}).drafts
    assert draft.candidates[0] == "E"


def test_the_pace_of_the_model_counts_and_not_that_of_the_usual_one() -> None:
    call = PAIR[0].call
    load = Load({NodeId("A"): having(Pace(step_s=2.0, prepare_s=0.5, start_s=9.0), loaded=MODEL)}, SETTINGS)
    assert load.step_s(NodeId("A"), call) == 2.0
    assert load.step_s(NodeId("A"), ask("u", "apple on table").call) == pytest.approx(0.1)
    assert (load.prepare_s(NodeId("A"), call), load.start_s(NodeId("A"), call)) == (0.5, 9.0)
    assert load.start_s(NodeId("A"), ask("u", "apple on table").call) == 0.0, "that one is loaded"


def test_a_device_that_never_ran_the_model_promises_nothing_better_than_the_slowest_that_did() -> None:
    slow, slower, unknown = having(Pace(step_s=1.0)), having(Pace(step_s=3.0)), having(steps_per_second=1_000.0)
    load = Load({NodeId("A"): slow, NodeId("B"): slower, NodeId("E"): unknown}, SETTINGS)
    assert load.step_s(NodeId("E"), PAIR[0].call) == 3.0
    (draft,) = plan(PAIR, {"A": slow, "B": slower, "E": unknown}).drafts
    assert draft.candidates[0] == "A"
    (draft,) = plan(PAIR, {"A": having(), "B": having(Pace(step_s=3.0))}).drafts
    assert draft.candidates == ("B", "A"), "as far as anyone knows they are equally fast, and one of them does know"


def test_watts_are_counted_for_as_long_as_the_model_takes() -> None:
    load = Load({NodeId("A"): having(Pace(step_s=2.0), watts=10.0), NodeId("B"): having(watts=10.0)}, SETTINGS)
    assert load.joules_per_call(NodeId("A"), PAIR[0].call) == 20.0
    assert load.joules_per_call(NodeId("B"), PAIR[0].call) == 20.0


def test_an_owner_declines_a_model_that_is_not_here() -> None:
    attempt = Attempt(Term(1, NodeId("A"), BootNonce("b")), 1)
    receiver = Receiver(request=RequestId("a"), node=NodeId("A"), step=5, group=GroupId("g"), attempt=attempt)
    promise = Forecast(
        seconds=1.0, seconds_alone=2.0, denoiser_calls=17, denoiser_calls_alone=22, joules=17.0, joules_alone=22.0,
        handoff_bytes=17_000,
    )  # fmt: skip
    offer = Offer(group=GroupId("g"), attempt=attempt, call=PAIR[0].call, receivers=(receiver,), forecast=promise)
    assert consider(offer, device(), SETTINGS) == (False, "it does not have the model")
    assert consider(offer, having(), SETTINGS) == (True, "")


def test_a_preview_asks_only_where_the_model_is() -> None:
    devices = {NodeId("A"): device(), NodeId("B"): device(), NodeId("C"): having()}
    requests = [ask(name, "apple on table", "A", model=OWN) for name in ("r1", "r2", "r3")]
    assert [request.origin for request in spread(requests, devices, NodeId("A"))] == ["A", "C", "A"]
