"""What a way through a group takes: stories with round numbers, so that every second can be counted by hand."""

import pytest

from peerd.planning import forecast
from peerd.planning.forecast import Load, Part
from peerd.planning.settings import PlanSettings
from peerd.planning.trees import Branch
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.profile import Pace, PowerClass, Profile
from tests.peerd.planning.people import MODEL, ask, device

PLAIN = PlanSettings(latency_s=0.0, bytes_per_second=1e12, offer_s=0.0, decode_steps=0.0)
A, B, C = NodeId("A"), NodeId("B"), NodeId("C")
a, b, c = RequestId("a"), RequestId("b"), RequestId("c")


def part(name: str, node: str = "", origin: str = "", **changes: object) -> Part:
    request = ask(name, "apple on table", **changes)
    runner = NodeId(node or name.upper())
    return Part(request.id, NodeId(origin) if origin else runner, runner, request.call)


def load(settings: PlanSettings = PLAIN, **devices: Profile) -> Load:
    return Load({NodeId(name): profile for name, profile in devices.items()}, settings)


def test_a_picture_takes_its_preparation_its_calls_and_its_decoding() -> None:
    pace = Pace(step_s=0.01, step_s_per_mpixel=1.0, prepare_s=0.5, decode_s_per_mpixel=2.0)
    here = load(A=device(pace=pace, loaded=MODEL))
    picture = part("a", width=1000, height=500, steps=10, guidance=3.0)
    # Guidance denoises twice the half million pixels: 0.01 + 1.0 s a call.
    assert forecast.alone(here, [picture]).done_s[a] == pytest.approx(0.5 + 10 * 1.01 + 1.0)
    plain = part("a", width=1000, height=500, steps=10, guidance=1.0)
    assert forecast.alone(here, [plain]).done_s[a] == pytest.approx(0.5 + 10 * 0.51 + 1.0)


def test_a_scheduler_that_calls_twice_takes_twice() -> None:
    once, twice = part("a", steps=10), part("a", steps=10, scheduler="heun")
    here = load(A=device(10.0))
    assert forecast.alone(here, [once]).seconds == pytest.approx(1.0)
    assert forecast.alone(here, [twice]).seconds == pytest.approx(1.9)
    assert forecast.alone(here, [twice]).denoiser_calls == 19


def test_a_cold_engine_starts_first_and_one_whose_people_ask_is_at_it_already() -> None:
    cold = device(10.0, pace=Pace(step_s=0.1, start_s=5.0))
    assert forecast.alone(load(A=cold), [part("a", steps=10)]).seconds == pytest.approx(6.0)
    devices = {A: cold, B: device(10.0, loaded=MODEL)}
    tree = Branch(b, 0, ((a, 5), (b, 5)))
    parts = [part("a", steps=10), part("b", steps=10)]
    # A's engine starts while B runs the shared steps, since A asked: 5 s, and not 0.5 + 5.
    asked = Load(devices, PLAIN, warming={A: MODEL})
    assert forecast.course(asked, parts, tree, {b: B}).done_s[a] == pytest.approx(5.5)
    assert forecast.course(Load(devices, PLAIN), parts, tree, {b: B}).done_s[a] == pytest.approx(6.0)


def test_members_leave_at_their_own_step_and_a_branch_goes_on_elsewhere() -> None:
    here = load(A=device(10.0), B=device(5.0), C=device(10.0))
    parts = [part("a", steps=10), part("b", steps=10), part("c", steps=10)]
    tree = Branch(a, 0, ((a, 6),), (Branch(b, 4, ((b, 7), (c, 5))),))
    way = forecast.course(here, parts, tree, {a: A, b: B})
    # A: 6 steps, then its own 4. B takes over after 4 of them, runs 3 and then its own 3. C leaves B after one.
    assert way.done_s == pytest.approx({a: 1.0, b: 0.4 + 0.6 + 0.6, c: 0.4 + 0.2 + 0.5})
    assert way.denoiser_calls == 6 + 3 + 4 + 3 + 5
    assert way.handoff_bytes == 2 * forecast.checkpoint_bytes(parts[0].call)


def test_one_who_leaves_early_on_the_executor_waits_for_its_engine() -> None:
    here = load(A=device(10.0))
    parts = [part("a", steps=10), part("b", "A", steps=10)]
    way = forecast.course(here, parts, Branch(a, 0, ((a, 6), (b, 2))), {a: A})
    # After step 2 the engine goes on to step 6 first; then b's 8 steps, which were ready sooner, then a's 4.
    assert way.done_s == pytest.approx({b: 0.6 + 0.8, a: 0.6 + 0.8 + 0.4})


def test_a_held_checkpoint_costs_nothing_but_its_way() -> None:
    settings = PlanSettings(latency_s=0.01, bytes_per_second=1e6, offer_s=0.0, decode_steps=0.0)
    here = load(settings, A=device(10.0), B=device(10.0))
    late = part("b", steps=10)
    way = forecast.course(here, [late], Branch(a, 5, ((b, 5),)), {}, held={a: A})
    size = forecast.checkpoint_bytes(late.call)
    assert way.done_s[b] == pytest.approx(0.03 + size / 1e6 + 0.5)
    assert (way.denoiser_calls, way.handoff_bytes) == (5, size)
    assert way.drawn_by == {B: 5.0}


def test_a_link_is_as_slow_as_its_slower_end() -> None:
    far = device(10.0, latency_s=0.5, bytes_per_second=50_000.0)
    here = load(A=device(10.0), B=far)
    parts = [part("a", steps=10), part("b", steps=10)]
    tree = Branch(a, 0, ((a, 5), (b, 5)))
    near = forecast.course(here, parts, tree, {a: A})
    size = forecast.checkpoint_bytes(parts[0].call)
    assert near.done_s == pytest.approx({a: 1.0, b: 0.5 + 1.5 + size / 50_000 + 0.5})
    assert near.told_s == 0.0
    # To ask the far one takes the way there and back before anything begins.
    assert forecast.course(here, parts, tree, {a: B}).told_s == pytest.approx(1.0)


def test_engines_of_one_host_share_its_cores() -> None:
    def on(host: str) -> Profile:
        return device(10.0, host=host, cores=1.0)

    parts = [part("a", steps=10), part("b", steps=20)]
    apart = forecast.alone(load(A=on("x"), B=on("y")), parts)
    together = forecast.alone(load(A=on("x"), B=on("x")), parts)
    assert apart.done_s == pytest.approx({a: 1.0, b: 2.0})
    # Half speed each until a is done, then b goes on at full speed.
    assert together.done_s == pytest.approx({a: 2.0, b: 3.0})


def test_other_programs_slow_a_host_and_a_neighbours_engine_is_not_counted_twice() -> None:
    burdened = device(10.0, host="x", cores=2.0, others=3.0)
    assert forecast.alone(load(A=burdened), [part("a", steps=10)]).seconds == pytest.approx(2.0)
    # B works at what it has: A saw that engine among the others, and the plan knows it by B's own word.
    working = device(10.0, host="x", cores=1.0, queued_steps=100)
    watching = device(10.0, host="x", cores=1.0, others=1.0)
    assert forecast.alone(load(A=watching, B=working), [part("a", steps=10)]).seconds == pytest.approx(2.0)


def test_what_waits_already_comes_first() -> None:
    here = load(A=device(10.0, queued_steps=5), B=device(10.0, queued_steps=5, queued_s=2.0))
    way = forecast.alone(here, [part("a", steps=10), part("b", steps=10)])
    assert way.done_s == pytest.approx({a: 1.5, b: 3.0})


def test_joules_grow_with_the_picture_and_a_battery_weighs_more() -> None:
    pace = Pace(step_s_per_mpixel=1.0)
    here = load(
        A=device(pace=pace, watts=10.0), B=device(pace=pace, watts=10.0, power=PowerClass.BATTERY), C=device(watts=10.0)
    )
    size = {"steps": 10, "width": 1000, "height": 500, "guidance": 3.0}
    mains, battery = forecast.alone(here, [part("a", **size)]), forecast.alone(here, [part("b", **size)])
    assert mains.joules == mains.joules_drawn == pytest.approx(10 * 10.0)
    assert (battery.joules, battery.joules_drawn) == pytest.approx((300.0, 100.0))
    assert forecast.alone(here, [part("c", **size)]).joules == pytest.approx(10.0), "it told no pace: its own estimate"


def test_a_promise_tells_each_member_what_it_gets_and_what_it_would_have_had() -> None:
    here = load(
        PlanSettings(latency_s=0.0, bytes_per_second=1e12, offer_s=0.2, decode_steps=0.0), A=device(), B=device()
    )
    parts = [part("a", steps=10), part("b", steps=10)]
    before = forecast.alone(here, parts)
    told = forecast.promise(before, forecast.shared(here, parts, A, 4), 0.1)
    assert [(one.request, one.seconds, one.seconds_alone) for one in told.each] == [("a", 1.0, 1.0), ("b", 1.0, 1.0)]
    assert told.seconds == pytest.approx(1.2), "the offer is a part of the way"
    assert (told.denoiser_calls, told.denoiser_calls_alone) == (16, 20)


def test_a_way_that_is_taken_leaves_its_mark() -> None:
    here = load(A=device(10.0, joules_lately=1.0), B=device(10.0))
    forecast.take(here, forecast.alone(here, [part("a", steps=10)]))
    assert forecast.alone(here, [part("a", steps=10)]).seconds == pytest.approx(2.0)
    assert here.burden(A) == pytest.approx((1.0 + 10.0) / 10.0)
    assert here.burden(B, 5.0) == pytest.approx(0.5)
