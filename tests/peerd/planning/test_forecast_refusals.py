"""Whoever joins, nobody is made later than promised: weak, far, cold and crowded devices among ordinary ones."""

from hypothesis import given, settings
from hypothesis import strategies as st

from peerd.planning import forecast
from peerd.planning.candidates import rank
from peerd.planning.forecast import Load, Part
from peerd.planning.settings import PlanSettings
from peerd_protocol.ids import NodeId
from peerd_protocol.plan import Request
from peerd_protocol.profile import Pace, PowerClass, Profile
from tests.peerd.planning.people import MODEL, ask, device, plan

NODES = "ABCDE"
PROMPTS = ["apple on table", "lemon on table", "pear on table", "a cat on the grass", "a dog on the grass"]
RULES = PlanSettings()

ORDINARY = st.builds(
    device,
    st.floats(5.0, 40.0),
    loaded=st.sampled_from(["", MODEL, "another"]),
    watts=st.sampled_from([5.0, 15.0, 60.0]),
    queued_steps=st.sampled_from([0, 0, 12]),
    joules_lately=st.sampled_from([0.0, 100.0]),
    power=st.sampled_from([PowerClass.MAINS, PowerClass.BATTERY]),
)
TROUBLE = st.sampled_from(
    [
        {"steps_per_second": 0.5, "pace": Pace(step_s=2.0)},
        {"latency_s": 0.5, "bytes_per_second": 50_000.0},
        {"pace": Pace(step_s=0.1, start_s=20.0)},
        {"host": "one", "cores": 1.0, "others": 5.0},
        {"queued_steps": 300},
        {"steps_per_second": 0.0},
        {"power": PowerClass.BATTERY, "joules_per_step": 50.0},
        {"steps_per_second": 200.0, "latency_s": 2.0, "bytes_per_second": 10_000.0},
    ]
)


@st.composite
def joining(draw: st.DrawFn) -> Profile:
    return device(**{"steps_per_second": 10.0, **draw(TROUBLE)})  # type: ignore[arg-type]


ASKED = st.lists(
    st.builds(
        lambda prompt, node, steps, side: (prompt, node, steps, side),
        st.sampled_from(PROMPTS),
        st.sampled_from(NODES + "Z"),
        st.sampled_from([4, 11, 30]),
        st.sampled_from([128, 256]),
    ),
    min_size=2,
    max_size=8,
)


def requests_of(asked: list[tuple[str, str, int, int]]) -> list[Request]:
    return [
        ask(f"r{number}", prompt, node, steps=steps, width=side, height=side, seed_free=True)
        for number, (prompt, node, steps, side) in enumerate(asked)
    ]


@settings(max_examples=200, deadline=None)
@given(ASKED, st.fixed_dictionaries(dict.fromkeys(NODES, ORDINARY)), joining())
def test_nobody_is_promised_later_than_alone_and_patience_whoever_joins(
    asked: list[tuple[str, str, int, int]], devices: dict[str, Profile], joined: Profile
) -> None:
    for known in ({**devices, "Z": joined}, {**devices, "Z": device(engine=False)}):
        for draft in plan(requests_of(asked), known).drafts:
            told = draft.forecast
            for one in told.each:
                patience_s = one.seconds_alone * RULES.patience_factor + RULES.patience_extra_s
                assert one.seconds <= patience_s + 1e-3, draft
            if len(told.each) > 1:
                assert told.denoiser_calls < told.denoiser_calls_alone
                assert told.joules < told.joules_alone or told.seconds < told.seconds_alone or _on_battery(known)


def _on_battery(devices: dict[str, Profile]) -> bool:
    """A plan may draw more in all to spare a battery."""
    return any(profile.power is not PowerClass.MAINS for profile in devices.values())


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(NODES, ORDINARY)), joining(), st.integers(1, 10))
def test_the_one_that_joins_never_makes_alone_slower(devices: dict[str, Profile], joined: Profile, steps: int) -> None:
    parts = [
        Part(r.id, r.origin, r.origin, r.call) for r in requests_of([(PROMPTS[0], node, 11, 128) for node in NODES])
    ]
    without = Load({NodeId(node): profile for node, profile in devices.items()}, RULES)
    with_it = Load({**without.devices, NodeId("Z"): joined}, RULES)
    assert forecast.alone(with_it, parts).done_s == forecast.alone(without, parts).done_s
    way = forecast.shared(with_it, parts, NodeId("Z"), steps)
    assert min(way.done_s.values()) > 0.0
    assert way.denoiser_calls == steps + len(parts) * (11 - steps)


@given(st.fixed_dictionaries(dict.fromkeys(NODES, ORDINARY)), st.integers(1, 10))
def test_taking_turns_stays_near_the_best_finish(devices: dict[str, Profile], steps: int) -> None:
    load = Load({NodeId(node): profile for node, profile in devices.items()}, RULES)
    parts = [
        Part(r.id, r.origin, r.origin, r.call) for r in requests_of([(PROMPTS[0], node, 11, 128) for node in NODES])
    ]
    ways = {node: forecast.shared(load, parts, node, steps) for node in load.devices}
    order = rank(ways, ways, parts[0], load)
    assert sorted(order) == sorted(ways)
    battery = {
        node: RULES.battery_reluctance if p.power is PowerClass.BATTERY else 1.0 for node, p in load.devices.items()
    }
    best_s = min(ways[node].seconds * battery[node] for node in ways)
    assert ways[order[0]].seconds * battery[order[0]] <= best_s * RULES.fair_factor + RULES.fair_extra_s + 1e-9
    if not any(profile.joules_lately for profile in devices.values()):
        assert ways[order[0]].seconds * battery[order[0]] <= best_s + 1e-5
