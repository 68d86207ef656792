"""What holds for every plan, whatever is asked and whoever is there."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from peerd.planning.calibration import allowed
from peerd.planning.settings import PlanSettings
from peerd_protocol.events import Draft, Planned
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import CacheEntry, Request
from peerd_protocol.profile import OtherModel, Pace, PowerClass, Profile
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
            share=draw(st.sampled_from(["prompt", "prompt", "prompt", "concepts", "nothing"])),
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
    more_models=st.sampled_from([(), (), (OtherModel("model"),), (OtherModel("model", Pace(step_s=0.2)),)]),
    power=st.sampled_from(PowerClass),
    battery_percent=st.none() | st.integers(0, 100),
    hot=st.sampled_from([False, False, True]),
    offers=st.sampled_from([True, True, False]),
    queued_steps=st.integers(0, 50),
    joules_per_step=st.sampled_from([0.1, 1.0, 10.0]),
)
DEVICES = st.dictionaries(st.sampled_from(NODES), PROFILES)
RULES = PlanSettings()


def may_help(profile: Profile, model: str, *, asks: bool = False) -> bool:
    """`asks`: its own people ask for a picture with this model."""
    low = profile.power is PowerClass.LOW or (
        profile.power is PowerClass.BATTERY and profile.battery_percent is not None and profile.battery_percent < 30
    )
    has = model == profile.model or model in [other.model for other in profile.more_models]
    return profile.engine and profile.offers and (has or asks) and not profile.hot and not low


ENTRIES = st.builds(
    lambda holder, prompt, seed, step, number: (
        NodeId(holder),
        CacheEntry(digest=f"{number:064x}", call=ask("k", prompt, seed=seed).call, step=step, size=4_096),
    ),
    st.sampled_from(NODES),
    st.sampled_from(PROMPTS),
    st.integers(0, 1),
    st.integers(1, 10),
    st.integers(0, 3),
)


@settings(max_examples=300)
@given(asked(), DEVICES, st.lists(ENTRIES, max_size=4))
def test_every_plan_keeps_the_rules(
    requests: list[Request], devices: dict[str, Profile], cached: list[tuple[NodeId, CacheEntry]]
) -> None:
    planned = plan(requests, devices, cached=cached)
    by_id = {request.id: request for request in requests}
    placed = [name for draft in planned.drafts for name in draft.requests]
    placed += [name for name, reason in planned.impossible if reason]
    assert sorted(placed) == sorted(by_id), "every request is in exactly one draft, or impossible"
    origins = {request.origin for request in requests}
    for draft in planned.drafts:
        runners = dict(draft.runners)
        assert draft.lead in draft.requests
        assert set(runners) == set(draft.requests)
        for request in (by_id[name] for name in draft.requests):
            own = runners[request.id] == request.origin
            assert own or may_help(
                devices[runners[request.id]], request.call.model, asks=runners[request.id] in origins
            )
            assert own or request.share == "prompt"
            if draft.shared_steps:
                assert request.share != "nothing" and request.shared != 0
                assert request.seed_free or request.call.seed == draft.seed
        model = by_id[draft.lead].call.model
        askers = {request.origin for request in requests if request.call.model == model}
        assert all(may_help(devices[node], model, asks=node in askers) for node in draft.candidates)
    for tree in trees(planned):
        keeps_its_promise(tree, by_id)


def trees(planned: Planned) -> list[list[Draft]]:
    """Each root with all drafts that branch off it, the root first."""
    found: dict[int, list[Draft]] = {}
    for index, draft in enumerate(planned.drafts):
        if draft.parent is None:
            found[index] = [draft]
        else:
            assert draft.parent < index, "parents first"
            above = planned.drafts[draft.parent]
            assert above.start < draft.start < min(step for _, step in draft.leaves)
            found[index] = next(tree for tree in found.values() if above in tree)
            found[index].append(draft)
    return list({id(tree): tree for tree in found.values()}.values())


def keeps_its_promise(tree: list[Draft], by_id: dict[RequestId, Request]) -> None:
    root, steps = tree[0], {name: step for draft in tree for name, step in draft.leaves}
    members = [by_id[name] for name in steps]
    call = members[0].call
    total, forecast = calls_per_run(call.scheduler, call.steps) if root.shared_steps else call.steps, root.forecast
    if root.shared_steps == 0:
        assert len(members) == 1
        assert forecast.handoff_bytes == 0
        assert root.seed == call.seed
        return
    assert root.candidates
    assert all(0 < step < total for step in steps.values())
    if len(tree) == 1:
        run = 0 if root.cached else root.shared_steps
        assert forecast.denoiser_calls == run + sum(total - step for step in steps.values())
    assert forecast.denoiser_calls < forecast.denoiser_calls_alone == len(members) * total
    assert len({member.group_name for member in members} - {""}) <= 1
    assert len(members) >= 2 or root.cached
    if not all(member.shared for member in members):
        for expected in forecast.each:
            assert expected.seconds <= expected.seconds_alone * 1.25 + 0.5 + 1e-3
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
    assert allowed(None, "ddim", 20, "balanced", low) <= allowed(None, "ddim", 20, "balanced", high) < 20
