"""Stories of late requests and what earlier ones left: which kept checkpoint may be gone on from, and which is best."""

import msgspec
import pytest

from peerd.planning.cached import Start, best_start, layout_steps, worth_keeping
from peerd.planning.drawn import CALLS_KEPT_MAX, Drawn
from peerd.planning.nearness import Nearness
from peerd_protocol.events import Draft
from peerd_protocol.ids import NodeId
from peerd_protocol.plan import CacheEntry, Forecast, Request
from tests.peerd.planning.people import SETTINGS, ask, device, plan

ADA, BOB = NodeId("ADA"), NodeId("BOB")
EVERYBODY = {ADA, BOB}
EARLY = ask("early", "apple on table").call
TOTAL = 11
FORECAST = Forecast(
    seconds=1.0, seconds_alone=1.0, denoiser_calls=6, denoiser_calls_alone=11, joules=1.0, joules_alone=1.0,
    handoff_bytes=0,
)  # fmt: skip


def allowed(first: Request, second: Request, similar: float) -> int:
    """Up to six steps of eleven, and far fewer for pictures that must be strict."""
    steps = round(6 * similar)
    return steps // 2 if "strict" in (first.quality, second.quality) else steps


NEARNESS = Nearness(SETTINGS.similar_min, allowed)


def kept(step: int = 3, name: str = "", **changes: object) -> CacheEntry:
    entry = {key: changes.pop(key) for key in list(changes) if key in CacheEntry.__struct_fields__}
    call = msgspec.structs.replace(EARLY, **changes)
    name = name or f"{call.prompt} {step}"
    return CacheEntry(**{"digest": name, "call": call, "step": step, "size": 70_000, **entry})  # type: ignore[arg-type]


def late(prompt: str = "lemon on table", **changes: object) -> Request:
    return ask("late", prompt, **{"seed": 7, "seed_free": True, **changes})


def start_of(request: Request, *cached: tuple[NodeId, CacheEntry], **options: object) -> Start | None:
    return best_start(request, cached, NEARNESS, **{"fit": EVERYBODY, **options})  # type: ignore[arg-type]


def test_a_late_request_goes_on_from_what_an_earlier_similar_one_left() -> None:
    assert start_of(late(), (BOB, kept(3))) == Start(BOB, kept(3))


def test_the_checkpoint_that_saves_most_is_taken_of_those_that_its_nearness_allows() -> None:
    cached = [(ADA, kept(2)), (BOB, kept(1)), (ADA, kept(9)), (BOB, kept(3))]
    assert start_of(late(), *cached) == Start(BOB, kept(3))
    assert start_of(late(quality="strict"), *cached) == Start(ADA, kept(2))


def test_words_that_had_no_say_decide_no_more_than_the_layout_unless_more_is_asked_for() -> None:
    assert layout_steps(EARLY) == 3
    assert start_of(late(), (ADA, kept(4))) is None, "a group of both may share so many, for it runs by both"
    assert start_of(late(shared=4), (ADA, kept(4))) == Start(ADA, kept(4))
    for steps, layout in ((1, 0), (4, 1), (8, 2), (22, 6), (50, 13)):
        assert layout_steps(msgspec.structs.replace(EARLY, steps=steps)) == layout


def test_only_what_somebody_may_start_from_is_worth_keeping() -> None:
    both = ("apple on table", "lemon on table")
    assert worth_keeping(kept(3, blend=both))
    assert not worth_keeping(kept(4, blend=both))
    assert worth_keeping(kept(9)), "the lead's own picture may be asked for again"


def test_at_the_same_step_the_nearest_prompt_then_home_then_the_lower_name() -> None:
    orange, car = kept(3, prompt="orange on table"), kept(3, prompt="car on table")
    for cached in ([(ADA, car), (BOB, orange)], [(BOB, orange), (ADA, car)]):
        assert start_of(late(), *cached, home=ADA) == Start(BOB, orange)
    assert start_of(late(), (ADA, orange), (BOB, orange), home=BOB) == Start(BOB, orange)
    assert start_of(late(), (BOB, orange), (ADA, orange)) == Start(ADA, orange)


def test_an_unlike_prompt_starts_from_noise() -> None:
    assert start_of(late("a car on the beach"), (ADA, kept(1))) is None


def test_only_nodes_that_may_be_asked_give_theirs() -> None:
    assert start_of(late(), (BOB, kept(3)), fit={ADA}) is None
    assert start_of(late(), (BOB, kept(3)), (ADA, kept(2)), fit={ADA}) == Start(ADA, kept(2))


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "another"}, {"width": 256}, {"height": 256}, {"steps": 12}, {"scheduler": "euler"}, {"guidance": 4.0},
        {"negative": "blur"},
    ],
)  # fmt: skip
def test_all_but_the_words_has_to_be_the_same(changes: dict[str, object]) -> None:
    assert start_of(late(), (ADA, kept(3, **changes))) is None
    assert start_of(late(**changes), (ADA, kept(3, **changes))) is not None


def test_a_free_seed_takes_the_checkpoints_and_a_named_one_must_be_it() -> None:
    assert start_of(late(seed=7), (ADA, kept(3, seed=41))) is not None
    assert start_of(late(seed=7, seed_free=False), (ADA, kept(3, seed=41))) is None
    assert start_of(late(seed=41, seed_free=False), (ADA, kept(3, seed=41))) is not None


def test_nobody_gets_the_same_picture_twice_unless_the_seed_is_named() -> None:
    same = (ADA, kept(9))
    assert start_of(late("Apple on  table"), same) is None
    assert start_of(late("apple on table", seed=41, seed_free=False), same) == Start(*same)


def test_what_was_drawn_from_a_checkpoint_once_is_not_drawn_from_it_again_unasked() -> None:
    """Two askers of "lemon on table" who both went on from the apple's fifth step would have one picture."""
    first, drawn = late(), Drawn()
    start = start_of(first, (ADA, kept(3)), drawn=drawn)
    assert start is not None
    draft = Draft(
        leaves=((first.id, 3),), lead=first.id, seed=start.entry.call.seed, candidates=(ADA,),
        runners=((first.id, ADA),), forecast=FORECAST, start=3, cached=start.entry.digest,
    )  # fmt: skip
    drawn.planned([draft], {first.id: first})
    assert start_of(late("Lemon on  TABLE", seed=8), (ADA, kept(3)), drawn=drawn) is None
    assert start_of(late(seed=8), (ADA, kept(3)), (BOB, kept(2, seed=42)), drawn=drawn) == Start(BOB, kept(2, seed=42))
    assert start_of(late("orange on table"), (ADA, kept(3)), drawn=drawn) is not None
    assert start_of(late(seed=41, seed_free=False), (ADA, kept(3)), drawn=drawn) is not None, "who names it gets it"


def test_what_is_remembered_of_drawn_pictures_is_bounded_and_holds_no_words() -> None:
    drawn = Drawn()
    for number in range(CALLS_KEPT_MAX + 1):
        request = ask(f"r{number}", f"apple {number}")
        drawn.planned(
            [Draft(((request.id, 0),), request.id, 41, (), ((request.id, ADA),), FORECAST)], {request.id: request}
        )
    calls = [ask("r", f"apple {number}").call for number in (0, 1, CALLS_KEPT_MAX)]
    assert [call in drawn for call in calls] == [False, True, True]
    assert "apple" not in repr(vars(drawn))
    assert [call in Drawn(drawn.packed) for call in calls] == [False, True, True], "and it comes back after a restart"
    assert not Drawn(b"torn").packed


def test_the_wish_for_shared_steps_holds() -> None:
    assert start_of(late(shared=0), (ADA, kept(3))) is None
    assert start_of(late(shared=2), (ADA, kept(3)), (ADA, kept(2))) == Start(ADA, kept(2))


def test_who_shares_nothing_starts_from_noise_and_nothing_of_such_a_one_is_gone_on_from() -> None:
    assert start_of(late(share="nothing"), (ADA, kept(3))) is None
    assert start_of(late(), (ADA, kept(3, share="nothing"))) is None


def test_a_concept_phrase_counts_as_one_of_many_things_in_its_place() -> None:
    """The late one's own words may be others than the earlier one's, though their phrases are one."""
    phrase = "edible fruit on table"
    hidden = late(phrase, share="concepts", seed=41, seed_free=False)
    for share in ("concepts", "prompt"):
        cached = [(ADA, kept(step, prompt=phrase, share=share)) for step in (3, 4)]
        assert start_of(hidden, *cached) == Start(*cached[0])


def test_what_the_mean_of_several_prompts_ran_has_to_be_near_to_all_of_them() -> None:
    lemon, car = "lemon on table", "a car on the beach"
    fruits = kept(3, blend=("apple on table", lemon))
    assert start_of(late("orange on table"), (ADA, fruits)) == Start(ADA, fruits)
    assert start_of(late("orange on table"), (ADA, kept(3, blend=("apple on table", car)))) is None
    assert start_of(late(lemon), (ADA, fruits)) is None, "that picture has been made"
    named = late("apple on table", seed=41, seed_free=False)
    assert start_of(named, (ADA, kept(8))) is not None, "its own steps"
    assert start_of(named, (ADA, kept(8, blend=("apple on table", lemon)))) is None, "not its own alone"


@pytest.mark.parametrize("step", [0, TOTAL, TOTAL + 5])
def test_a_step_that_leaves_nothing_to_run_or_nothing_to_save_is_no_start(step: int) -> None:
    named = late("apple on table", seed=41, seed_free=False)
    assert start_of(named, (ADA, kept(step))) is None


# ---- in a plan -------------------------------------------------------------------------------------------------

DEVICES = {"ADA": device(), "BOB": device()}


def test_late_requests_of_one_plan_each_go_on_from_it_and_of_one_prompt_only_the_first() -> None:
    entry = kept(3)
    requests = [
        ask("a", "lemon on table", origin="ADA", seed=7, seed_free=True),
        ask("b", "Lemon on  table", origin="BOB", seed=8, seed_free=True),
        ask("c", "orange on table", origin="BOB", seed=9, seed_free=True),
    ]
    planned = plan(requests, DEVICES, cached=[(BOB, entry)])
    begun = {draft.lead: draft for draft in planned.drafts if draft.cached}
    assert begun.keys() == {"a", "c"}
    for draft in begun.values():
        assert (draft.cached, draft.start, draft.leaves) == (entry.digest, 3, ((draft.lead, 3),))
        assert (draft.seed, draft.candidates) == (41, (BOB,))
        assert draft.forecast.denoiser_calls == draft.forecast.denoiser_calls_alone - 3
    (other,) = [draft for draft in planned.drafts if draft.lead == "b"]
    assert (other.leaves, other.seed) == ((("b", 0),), 8)


def test_a_holder_that_is_gone_or_hot_is_not_asked_for_it() -> None:
    request = ask("a", "lemon on table", origin="ADA", seed=7, seed_free=True)
    for devices in ({"ADA": device()}, {"ADA": device(), "BOB": device(hot=True)}):
        (draft,) = plan([request], devices, cached=[(BOB, kept(3))]).drafts
        assert (draft.cached, draft.leaves) == ("", (("a", 0),))
