"""The toy engine keeps the port's contract, so that what is tested with it is plumbed for the real one."""

import asyncio
import math
import struct
from contextlib import aclosing

import pytest

from peerd.engine.port import Engine, EngineEvent, Halted, Look, Order, Painted, Saved, Stepped
from peerd.engine.toy import ToyEngine
from peerd_protocol.checkpoint import prompt_digest_of, unpack
from peerd_protocol.commitment import step_digest
from peerd_protocol.errors import CheckpointError, EngineError
from peerd_protocol.plan import Call, Leave

CALL = Call(model="m", prompt="apple on table", steps=6, seed=41, guidance=3.0, scheduler="heun", width=24, height=16)
TOTAL = 11


async def everything(engine: Engine, order: Order) -> list[EngineEvent]:
    return [event async for event in engine.run(order)]


def other(**fields: object) -> Call:
    return Call(**{**{name: getattr(CALL, name) for name in CALL.__struct_fields__}, **fields})


async def test_at_any_step_a_split_run_is_the_whole_run() -> None:
    engine = ToyEngine()
    alone = await everything(engine, Order(CALL))
    assert [event.step for event in alone if isinstance(event, Stepped)] == list(range(1, TOTAL + 1))
    painted = alone[-1]
    assert isinstance(painted, Painted)
    assert len(painted.rgb) == 24 * 16 * 3
    for step in range(1, TOTAL + 1):
        *_, saved, halted = await everything(engine, Order(CALL, stop=step))
        assert isinstance(saved, Saved)
        assert (saved.step, halted) == (step, Halted(step))
        ended = (await everything(ToyEngine(), Order(CALL, start=saved.data)))[-1]
        assert isinstance(ended, Painted)
        assert (ended.rgb, ended.denoiser_calls) == (painted.rgb, TOTAL - step)


async def test_each_step_commits_to_its_latent() -> None:
    events = await everything(ToyEngine(), Order(CALL, checkpoint_every=1))
    told = {event.step: event.digest for event in events if isinstance(event, Stepped)}
    saved = {event.step: event.data for event in events if isinstance(event, Saved)}
    assert len(set(told.values())) == len(told) > len(saved) > 1
    for step, data in saved.items():
        assert told[step] == step_digest(step, unpack(data).outputs[0].data)


async def test_prompts_share_a_beginning_and_end_apart() -> None:
    engine = ToyEngine()
    saved = (await everything(engine, Order(CALL, stop=5)))[-2]
    assert isinstance(saved, Saved)
    assert unpack(saved.data).facts.prompt == prompt_digest_of(CALL)
    pictures = set()
    for order in (Order(CALL), Order(other(prompt="lemon")), Order(other(prompt="lemon"), start=saved.data)):
        painted = (await everything(engine, order))[-1]
        assert isinstance(painted, Painted)
        pictures.add(painted.rgb)
    assert len(pictures) == 3


async def test_words_can_be_kept_out_of_a_checkpoint() -> None:
    saved = (await everything(ToyEngine(), Order(CALL, stop=5, hide_prompt=True)))[-2]
    assert isinstance(saved, Saved)
    assert unpack(saved.data).facts.prompt == ""


async def test_checkpoints_come_on_the_way() -> None:
    events = await everything(ToyEngine(), Order(CALL, checkpoint_every=4))
    assert [event.step for event in events if isinstance(event, Saved)] == [4, 8]


async def test_members_leave_with_checkpoints_of_their_own() -> None:
    leaves = (Leave(name="b", step=7), Leave(name="a", step=3), Leave(name="c", step=3))
    events = await everything(ToyEngine(), Order(CALL, leaves=leaves))
    saved = [event for event in events if isinstance(event, Saved)]
    assert [(event.step, event.names) for event in saved] == [(3, ("a", "c")), (7, ("b",))]
    assert events[-1] == Halted(7)
    for event in saved:
        assert (await everything(ToyEngine(), Order(CALL, stop=event.step)))[-2] == Saved(event.step, event.data)
    again = await everything(ToyEngine(), Order(CALL, start=saved[0].data, leaves=leaves))
    assert again[0] == Saved(3, saved[0].data, ("a", "c"))
    assert again[-1] == Halted(4)


async def test_a_probe_lets_far_prompts_leave_sooner() -> None:
    leaves = (
        Leave(name="lead", step=8),
        Leave(name="near", step=8, prompt="lemon on table"),
        Leave(name="far", step=8, prompt="a car"),
    )
    engine = ToyEngine()
    events = await everything(engine, Order(CALL, leaves=leaves, probe=(Look(2, ((0.6, 6),)),)))
    assert [(event.step, event.names) for event in events if isinstance(event, Saved)] == [
        (2, ("far",)),
        (6, ("near",)),
        (8, ("lead",)),
    ]
    assert events[-1] == Halted(8, probe_calls=1.0)


async def test_what_does_not_fit_is_refused() -> None:
    engine = ToyEngine()
    saved = (await everything(engine, Order(CALL, stop=5)))[-2]
    assert isinstance(saved, Saved)
    for call in (other(seed=42), other(model="n"), other(scheduler="kdpm2"), other(steps=7)):
        with pytest.raises(CheckpointError):
            await everything(engine, Order(call, start=saved.data))
    with pytest.raises(CheckpointError, match="at step 5 already"):
        await everything(engine, Order(CALL, start=saved.data, stop=5))
    with pytest.raises(EngineError, match="can not stop at step 12"):
        await everything(engine, Order(CALL, stop=12))
    with pytest.raises(EngineError, match="no scheduler 'foo'"):
        await everything(engine, Order(other(scheduler="foo")))


async def test_orders_run_one_at_a_time_and_closing_one_lets_the_next_run() -> None:
    engine = ToyEngine()
    async with aclosing(engine.run(Order(CALL))) as events:
        await anext(events)
        waiting = asyncio.create_task(everything(engine, Order(CALL, stop=1)))
        await anext(events)
        assert not waiting.done()
    assert (await waiting)[-1] == Halted(1)
    assert engine.denoiser_calls == 3


async def test_a_death_that_was_ordered_happens_once() -> None:
    engine = ToyEngine(die_at_step=3)
    with pytest.raises(EngineError, match="died"):
        await everything(engine, Order(CALL))
    assert isinstance((await everything(engine, Order(CALL)))[-1], Painted)


async def test_common_words_make_prompts_near() -> None:
    def cosine(left: bytes, right: bytes) -> float:
        pairs = zip(struct.iter_unpack("<e", left), struct.iter_unpack("<e", right), strict=True)
        return math.fsum(a * b for (a,), (b,) in pairs)

    apple, lemon, car = await ToyEngine().embed(["apple on table", "lemon on table", "a red car"])
    assert cosine(apple, apple) == pytest.approx(1.0, abs=0.01)
    assert cosine(apple, lemon) > 0.5 > cosine(apple, car)
