"""Plans, as stories: who shares with whom, how many steps, on which device, and what that promises."""

from typing import Any

import msgspec
import pytest

from peerd.planning.allowance import Allowance
from peerd.planning.calibration import Band, Calibration, Row, Stay
from peerd.planning.planner import make_plan
from peerd.planning.settings import PlanSettings
from peerd_protocol.actions import MakePlan
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.limits import RATE_MIN
from peerd_protocol.profile import PowerClass, Profile
from tests.peerd.planning.people import SETTINGS, ask, device, plan

FOUR = ["apple on table", "lemon on table", "orange on table", "pear on table"]


def test_four_fruits_on_a_table_share_five_of_eleven_steps_and_the_nearest_of_them_more() -> None:
    requests = [ask(name, prompt) for name, prompt in zip("abcd", FOUR, strict=True)]
    (draft,) = plan(requests, {name: device() for name in "ABCD"}).drafts
    assert draft.requests == ("a", "b", "c", "d")
    steps = dict(draft.leaves)
    assert min(steps.values()) == 5
    assert steps["a"] == steps["d"] == draft.shared_steps, "whose prompts are nearer stay together longer"
    assert draft.blended
    calls = draft.shared_steps + sum(11 - step for step in steps.values())
    assert draft.forecast.denoiser_calls == calls <= 29
    assert draft.forecast.denoiser_calls_alone == 44
    assert draft.forecast.joules == pytest.approx(calls, abs=0.2)
    assert draft.forecast.handoff_bytes > 3 * 4_096
    assert dict(draft.runners) == {"a": "A", "b": "B", "c": "C", "d": "D"}
    assert draft.candidates[0] == "A", "at a tie the lead's own device, which then needs no handoff"
    assert set(draft.candidates) == set("ABCD")
    assert draft.seed == 41


def test_dissimilar_prompts_stay_alone() -> None:
    planned = plan([ask("a", "apple on table"), ask("b", "a red car on the beach")], {"A": device(), "B": device()})
    assert [draft.requests for draft in planned.drafts] == [("a",), ("b",)]
    assert all(draft.shared_steps == 0 for draft in planned.drafts)
    assert all(draft.forecast.seconds == draft.forecast.seconds_alone for draft in planned.drafts)


def test_asked_for_far_pairs_are_refused_too() -> None:
    requests = [ask("a", "apple on table", shared=5), ask("b", "a car on the beach", shared=5)]
    assert len(plan(requests, {"A": device(), "B": device()}).drafts) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"}, {"steps": 12}, {"scheduler": "euler"}, {"guidance": 4.0}, {"negative": "blurry"},
        {"width": 256}, {"height": 256}, {"share": "nothing"}, {"shared": 0}, {"seed": 42}, {"group_name": "y"},
        {"scheduler": "of a newer peer"},
    ],
)  # fmt: skip
def test_what_must_not_be_mixed(change: dict[str, Any]) -> None:
    requests = [ask("a", "apple on table", group_name="x"), ask("b", "lemon on table", **change)]
    devices = {"A": device(), "B": device(model=str(change.get("model", "model")))}
    assert len(plan(requests, devices).drafts) == 2


def test_a_free_seed_gives_way_to_a_named_one() -> None:
    requests = [ask("a", "apple on table", seed=7, seed_free=True), ask("b", "lemon on table", seed=9)]
    (draft,) = plan(requests, {"A": device(), "B": device()}).drafts
    assert draft.seed == 9


def test_of_free_seeds_that_of_the_lowest_request_counts() -> None:
    requests = [ask("b", "apple on table", seed=7, seed_free=True), ask("a", "lemon on table", seed=9, seed_free=True)]
    (draft,) = plan(requests, {"A": device(), "B": device()}).drafts
    assert draft.seed == 9


def test_nobody_gets_the_same_picture_twice_unasked() -> None:
    requests = [ask("a", "apple on table", seed_free=True), ask("b", "Apple on  table", seed_free=True, seed=5)]
    assert len(plan(requests, {"A": device(), "B": device()}).drafts) == 2
    named = [ask("a", "apple on table"), ask("b", "Apple on  table")]
    (draft,) = plan(named, {"A": device(), "B": device()}).drafts
    assert draft.shared_steps == 10, "who names one seed for one prompt wants one picture: all but one step is shared"


def test_the_faster_device_runs_the_shared_steps() -> None:
    requests = [ask("a", "apple on table"), ask("b", "lemon on table")]
    (draft,) = plan(requests, {"A": device(10.0), "B": device(2.5)}).drafts
    assert draft.candidates[0] == "A"
    (draft,) = plan(requests, {"A": device(2.5), "B": device(10.0)}).drafts
    assert draft.candidates[0] == "B"


def test_a_busy_device_comes_after_an_idle_one() -> None:
    requests = [ask("a", "apple on table"), ask("b", "lemon on table")]
    devices = {"A": device(offers=False), "B": device(offers=False), "E": device(queued_steps=5), "F": device()}
    (draft,) = plan(requests, devices).drafts
    assert draft.candidates == ("F", "E")


@pytest.mark.parametrize(
    "change",
    [
        {"power": PowerClass.LOW}, {"power": PowerClass.BATTERY, "battery_percent": 29}, {"hot": True},
        {"offers": False}, {"engine": False}, {"memory_free_mib": 10},
    ],
)  # fmt: skip
def test_an_unfit_device_never_runs_steps_of_others_even_if_forced(change: dict[str, object]) -> None:
    requests = [ask("a", "apple on table", shared=5), ask("b", "lemon on table", shared=5)]
    fast = device(**{"steps_per_second": 1_000.0, **change})  # type: ignore[arg-type]
    (draft,) = plan(requests, {"A": device(), "B": device(), "E": fast}).drafts
    assert "E" not in draft.candidates
    both = plan(requests, {"A": device(**change), "B": device(**change)}).drafts  # type: ignore[arg-type]
    assert all(draft.shared_steps == 0 for draft in both)


def test_a_device_on_battery_is_spared_where_mains_is_nearly_as_fast() -> None:
    requests = [ask("a", "apple on table"), ask("b", "lemon on table")]
    mobile = device(11.0, power=PowerClass.BATTERY, battery_percent=90)
    (draft,) = plan(requests, {"A": mobile, "B": device(10.0)}).drafts
    assert draft.candidates[0] == "B"


def test_a_weak_far_device_does_not_drag_the_others_down() -> None:
    requests = [ask("a", "apple on table"), ask("b", "lemon on table"), ask("z", "pear on table")]
    drafts = plan(requests, {"A": device(0.5), "B": device(0.5), "Z": device(1_000.0, offers=False)}).drafts
    assert [(draft.requests, draft.shared_steps) for draft in drafts] == [(("z",), 0), (("a", "b"), 5)]
    assert drafts[0].reason == "sharing would make it late"


def test_sharing_that_saves_nothing_is_refused_unless_all_force_it() -> None:
    thirsty = device(joules_per_step=50.0)
    devices = {"A": device(offers=False), "B": device(offers=False), "E": thirsty}
    requests = [ask("a", "apple on table"), ask("b", "lemon on table")]
    assert all(draft.shared_steps == 0 for draft in plan(requests, devices).drafts)
    one = [msgspec.structs.replace(requests[0], shared=4), requests[1]]
    assert all(draft.shared_steps == 0 for draft in plan(one, devices).drafts), "nobody pays for another's wish"
    both = [msgspec.structs.replace(request, shared=4) for request in requests]
    (draft,) = plan(both, devices).drafts
    assert (draft.shared_steps, draft.candidates, draft.reason) == (4, ("E",), "as asked")


def test_the_least_asked_number_counts_and_never_all_steps() -> None:
    devices = {"A": device(), "B": device()}
    (draft,) = plan([ask("a", "apple on table", shared=3), ask("b", "lemon on table")], devices).drafts
    assert draft.shared_steps == 3
    (draft,) = plan([ask("a", "apple on table", shared=9), ask("b", "lemon on table", shared=99)], devices).drafts
    assert draft.shared_steps == 9
    (draft,) = plan([ask("a", "apple on table", shared=99), ask("b", "lemon on table", shared=99)], devices).drafts
    assert draft.shared_steps == 10


@pytest.mark.parametrize(
    ("scheduler", "calls", "shared"), [("ddim", 11, 5), ("pndm", 12, 3), ("heun", 21, 9), ("lms", 11, 3)]
)
def test_schedulers_that_call_more_often_are_counted_so(scheduler: str, calls: int, shared: int) -> None:
    requests = [ask("a", "apple on table", scheduler=scheduler), ask("b", "lemon on table", scheduler=scheduler)]
    (draft,) = plan(requests, {"A": device(), "B": device()}).drafts
    assert draft.shared_steps == shared
    assert draft.forecast.denoiser_calls_alone == 2 * calls
    assert draft.forecast.denoiser_calls == shared + 2 * (calls - shared)


def test_more_alike_prompts_share_no_fewer_steps() -> None:
    shared = []
    for other in ("bread", "lemon", "pear", "red apple"):
        requests = [ask("a", "apple on table"), ask("b", f"{other} on table")]
        drafts = plan(requests, {"A": device(), "B": device()}).drafts
        shared.append(drafts[0].shared_steps)
    assert shared == sorted(shared)
    assert shared[0] < shared[-1]


def test_a_device_without_an_engine_asks_all_the_same() -> None:
    requests = [ask("a", "apple on table"), ask("b", "lemon on table")]
    (draft,) = plan(requests, {"A": device(engine=False), "B": device()}).drafts
    assert dict(draft.runners) == {"a": "B", "b": "B"}
    assert draft.forecast.handoff_bytes == 0


def test_who_can_not_be_helped_hears_why() -> None:
    alone = plan([ask("a", "apple on table")], {"A": device(engine=False)})
    assert alone.drafts == ()
    assert alone.impossible[0][0] == "a"
    assert "no device that has this model" in alone.impossible[0][1]
    private = plan([ask("a", "apple", share="nothing")], {"A": device(engine=False), "B": device()})
    assert "--share prompt" in private.impossible[0][1]
    hot = plan([ask("a", "apple")], {"A": device(engine=False), "B": device(hot=True)})
    assert hot.drafts == ()


def test_devices_take_turns_in_helping_one_without_an_engine_and_no_weak_one_is_relieved_unasked() -> None:
    def runner_of(origin: Profile, told: dict[str, float], speed: float = 10.0) -> str:
        others = {"B": device(10.0, joules_lately=told["B"]), "C": device(speed, joules_lately=told["C"])}
        (draft,) = plan([ask("a", "apple on table")], {"A": origin, **others}).drafts
        ((_, runner),) = draft.runners
        return runner

    helpless, weak = device(engine=False), device(0.5, joules_lately=500.0)
    assert runner_of(helpless, {"B": 90.0, "C": 10.0}) == "C"
    assert runner_of(helpless, {"B": 10.0, "C": 90.0}) == "B"
    assert runner_of(helpless, {"B": 90.0, "C": 10.0}, speed=5.0) == "B", "one that ends much later takes no turn"
    assert runner_of(weak, {"B": 0.0, "C": 0.0}) == "A", "its own words stay with it, however slow it is"


def test_whoever_an_origin_heard_nothing_of_runs_its_steps_where_nobody_else_can() -> None:
    helpless = {"A": device(engine=False), "B": device(10.0)}
    deaf = ask("a", "apple on table", avoid=(NodeId("B"),))
    for devices, runner in ((helpless | {"C": device(5.0)}, "C"), (helpless, "B")):
        (draft,) = plan([deaf], devices).drafts
        assert draft.runners == (("a", runner),)


def test_an_origin_runs_its_own_picture_hot_low_unknown_or_with_a_model_of_its_own() -> None:
    for devices in (
        {"A": device(hot=True)},
        {"A": device(power=PowerClass.LOW)},
        {"B": device()},
        {"A": device(model="other")},
    ):
        (draft,) = plan([ask("a", "apple on table")], devices).drafts
        assert draft.runners == (("a", "A"),)


def test_an_edge_server_that_asks_nothing_runs_the_shared_steps_of_all() -> None:
    requests = [ask(name, prompt) for name, prompt in zip("abc", FOUR[:3], strict=True)]
    (draft,) = plan(requests, {**{name: device(offers=False) for name in "ABC"}, "EDGE": device(40.0)}).drafts
    assert draft.candidates == ("EDGE",)
    assert draft.forecast.seconds < draft.forecast.seconds_alone


def test_the_lead_is_the_prompt_nearest_to_all_others() -> None:
    requests = [
        ask("a", "apple on table"),
        ask("b", "apple and lemon on table"),
        ask("c", "lemon on table"),
    ]
    (draft,) = plan(requests, {name: device() for name in "ABC"}).drafts
    assert draft.lead == RequestId("b")


def test_two_requests_of_one_node_wait_for_each_other() -> None:
    requests = [ask("a", "apple on table", "A"), ask("b", "lemon on table", "A")]
    (draft,) = plan(requests, {"A": device(10.0)}, PlanSettings(decode_steps=0.0, offer_s=0.0)).drafts
    assert draft.forecast.seconds_alone == pytest.approx(2.2)
    assert draft.forecast.seconds == pytest.approx(1.7)
    assert draft.forecast.step_seconds == pytest.approx(0.1)


def test_a_probe_is_asked_where_it_was_measured_and_sees_only_shared_words() -> None:
    stays = (Stay(difference=0.2, part=0.6), Stay(difference=0.4, part=0.3))
    bands = (Band(similarity=0.5, part=0.28),)
    row = Row(scheduler="ddim", total=11, quality="balanced", bands=bands, look=1, stays=stays)
    measured = Calibration(model="0" * 64, guidance=3.0, pairs=9, seed=0, rows=(row,))
    requests = [
        ask("a", "apple on table"),
        ask("b", "lemon on table"),
        ask("c", "fruit on table", share="concepts"),
        ask("d", "pear on table", shared=2),
    ]
    devices = tuple((NodeId(name), device()) for name in "ABCD")
    drafts = make_plan(MakePlan(1, tuple(requests), devices), SETTINGS, Allowance(lambda _: measured)).drafts
    (draft,) = drafts
    assert draft.probed == {"a", "b"}, "the one keeps its words to itself, the other has said where it leaves"
    assert dict(draft.leaves) == {"a": 6, "b": 6, "c": 3, "d": 2}
    assert draft.forecast.denoiser_calls == 3 + 8 + 8 + 8 + 9 + 1, "what the table gives, and half a call for each look"
    assert draft.forecast.step_seconds == pytest.approx(2 / 10.0), "the lease bears the look"


STAYS = Calibration(
    model="0" * 64, guidance=3.0, pairs=9, seed=0,
    rows=(
        Row(
            scheduler="ddim", total=11, quality="balanced", bands=(Band(similarity=0.5, part=0.1),), look=1,
            stays=(Stay(difference=0.2, part=0.9),),
        ),
    ),
)  # fmt: skip


@pytest.mark.parametrize(("edge_steps_per_second", "probed"), [(10.0, {"a", "b"}), (3.0, set())])
def test_a_probe_lets_nobody_stay_so_long_that_it_is_late(edge_steps_per_second: float, probed: set[str]) -> None:
    devices = (
        (NodeId("A"), device(offers=False)),
        (NodeId("B"), device(offers=False)),
        (NodeId("EDGE"), device(edge_steps_per_second, joules_per_step=0.1)),
    )
    requests = (ask("a", "apple on table"), ask("b", "lemon on table"))
    (draft,) = make_plan(MakePlan(1, requests, devices), SETTINGS, Allowance(lambda _: STAYS)).drafts
    assert (draft.probed, draft.shared_steps) == (probed, 9 if probed else 1)


def test_a_probe_compares_so_it_looks_at_nobody_alone() -> None:
    requests = (ask("a", "apple on table"), ask("b", "lemon on table", shared=1))
    devices = tuple((NodeId(name), device()) for name in "AB")
    (draft,) = make_plan(MakePlan(1, requests, devices), SETTINGS, Allowance(lambda _: STAYS)).drafts
    assert (draft.probed, dict(draft.leaves)) == (frozenset(), {"a": 1, "b": 1})


@pytest.mark.parametrize(
    "odd",
    [
        {"queued_s": 1e12},
        {"queued_steps": 10**9},
        {"steps_per_second": RATE_MIN},
        {"host": "h", "cores": RATE_MIN},
        {"bytes_per_second": RATE_MIN, "latency_s": 3_600.0},
    ],
    ids=lambda odd: next(iter(odd)),
)
def test_no_number_that_a_device_may_tell_keeps_a_plan_from_being_made(odd: dict[str, Any]) -> None:
    """Far from now a clock's marks are wide, and crumbs of work below them came to no end."""
    requests = [ask("a", "apple on table"), ask("b", "lemon on table"), ask("c", "pear on table", origin="B")]
    for other in (device(), device(**odd)):
        made = plan(requests, {"A": device(**odd), "B": other})
        assert {name for draft in made.drafts for name, _ in draft.runners} == {"a", "b", "c"}


def test_whom_sharing_would_make_late_is_not_put_behind_all_others_instead() -> None:
    prompts = ["pear on table", "lemon on table", "apple on table", "dog on the grass", "bus in the snow"]
    requests = [ask(f"r{number}", prompt, origin="A", steps=20) for number, prompt in enumerate(prompts)]
    made = plan(requests, {"A": device(3.0), "B": device(3.0)})
    for draft in made.drafts:
        for each in draft.forecast.each:
            patience_s = each.seconds_alone * SETTINGS.patience_factor + SETTINGS.patience_extra_s
            assert each.seconds <= patience_s
    (pear,) = (each for draft in made.drafts for each in draft.forecast.each if each.request == "r0")
    assert pear.seconds < 20 / 3.0 * 1.25 + 2.0, "it asked first"
