"""What holds for every plan, whatever is asked and whoever is there."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from peerd.planning.settings import PlanSettings
from peerd.planning.split import part_shared
from peerd_protocol.ids import NodeId
from peerd_protocol.plan import Request
from peerd_protocol.profile import PowerClass, Profile
from peerd_protocol.schedulers import calls_per_run
from tests.peerd.planning.people import ask, device, plan

NODES = "ABCDEF"
PROMPTS = [
    "apple on table", "lemon on table", "an apple on the table", "pear on table", "a cat on the grass",
    "a dog on the grass", "a red car on the beach", "cat", "", "яблоко на столе",
]  # fmt: skip


@st.composite
def asked(draw: st.DrawFn) -> list[Request]:
    count = draw(st.integers(1, 9))
    return [
        ask(
            f"r{number}",
            draw(st.sampled_from(PROMPTS)),
            draw(st.sampled_from(NODES)),
            steps=draw(st.sampled_from([1, 2, 11])),
            seed=draw(st.integers(0, 1)),
            scheduler=draw(st.sampled_from(["ddim", "ddim", "ddim", "pndm", "heun", "unknown"])),
            shared=draw(st.sampled_from([None, None, 0, 1, 5, 50])),
            share=draw(st.sampled_from(["prompt", "prompt", "prompt", "nothing"])),
            seed_free=draw(st.booleans()),
            group_name=draw(st.sampled_from(["", "", "x", "y"])),
        )
        for number in range(count)
    ]


PROFILES = st.builds(
    device,
    st.sampled_from([0.0, 0.3, 3.0, 10.0, 40.0]),
    engine=st.booleans() | st.just(True),
    model=st.sampled_from(["model", "model", "other"]),
    power=st.sampled_from(PowerClass),
    battery_percent=st.none() | st.integers(0, 100),
    hot=st.sampled_from([False, False, True]),
    offers=st.sampled_from([True, True, False]),
    queued_steps=st.integers(0, 50),
    joules_per_step=st.sampled_from([0.1, 1.0, 10.0]),
)
DEVICES = st.dictionaries(st.sampled_from(NODES), PROFILES)
RULES = PlanSettings()


def may_help(profile: Profile, model: str) -> bool:
    low = profile.power is PowerClass.LOW or (
        profile.power is PowerClass.BATTERY and profile.battery_percent is not None and profile.battery_percent < 30
    )
    return profile.engine and profile.offers and profile.model == model and not profile.hot and not low


@settings(max_examples=300)
@given(asked(), DEVICES)
def test_every_plan_keeps_the_rules(requests: list[Request], devices: dict[str, Profile]) -> None:
    planned = plan(requests, devices)
    by_id = {request.id: request for request in requests}
    placed = [name for draft in planned.drafts for name in draft.requests]
    placed += [name for name, reason in planned.impossible if reason]
    assert sorted(placed) == sorted(by_id), "every request is in exactly one draft, or impossible"
    for draft in planned.drafts:
        group = [by_id[name] for name in draft.requests]
        runners = dict(draft.runners)
        assert draft.lead in draft.requests
        assert set(runners) == set(draft.requests)
        for request in group:
            own = runners[request.id] == request.origin
            assert own or may_help(devices[runners[request.id]], request.call.model)
            assert own or request.share == "prompt"
        if draft.shared_steps == 0:
            assert len(group) == 1
            assert draft.forecast.handoff_bytes == 0
            assert draft.seed == group[0].call.seed
            continue
        total, count = calls_per_run(group[0].call.scheduler, group[0].call.steps), len(group)
        assert count >= 2
        assert draft.candidates
        assert all(may_help(devices[node], group[0].call.model) for node in draft.candidates)
        assert 0 < draft.shared_steps < total
        assert draft.forecast.denoiser_calls == draft.shared_steps + count * (total - draft.shared_steps)
        assert draft.forecast.denoiser_calls_alone == count * total
        assert all(request.share == "prompt" and request.shared != 0 for request in group)
        assert len({request.group_name for request in group} - {""}) <= 1
        assert {request.call.seed for request in group if not request.seed_free} <= {draft.seed}
        if not all(request.shared for request in group):
            forecast = draft.forecast
            assert forecast.seconds <= forecast.seconds_alone * 1.25 + 0.5 + 1e-3
            assert forecast.joules < forecast.joules_alone or forecast.seconds < forecast.seconds_alone


@settings(max_examples=100)
@given(asked(), DEVICES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(
    requests: list[Request], devices: dict[str, Profile], chance: random.Random
) -> None:
    shuffled = list(requests)
    chance.shuffle(shuffled)
    names = list(devices)
    chance.shuffle(names)
    assert plan(shuffled, {NodeId(name): devices[name] for name in names}) == plan(requests, devices)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_part_that_is_shared_grows_with_similarity(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert part_shared(low) <= part_shared(high) < 1.0
