"""One engine's life: it works, ends a run within a step, and its death is an error and no more."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from peerd.engine.port import EngineEvent, Halted, Order, Painted, Saved, Stepped
from peerd.engine.process import ProcessEngine
from peerd_protocol.errors import CheckpointError, EngineError
from tests.engine.stories import PATIENCE_S, Model, engine_of, runs
from tests.engine.zygote import Zygote

# One child process for all of these, since starting one takes seconds.
pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDLESS = 1000


async def everything(events: AsyncIterator[EngineEvent]) -> list[EngineEvent]:
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in events]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(picture_model: Model, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProcessEngine]:
    engine = engine_of(picture_model, log_path=tmp_path_factory.mktemp("log") / "engine.log")
    yield engine
    await engine.close()


async def test_a_picture_is_that_of_the_plain_call(engine: ProcessEngine, picture_model: Model, fresh: Zygote) -> None:
    assert not engine.warm
    call = picture_model.call()
    *steps, painted = await everything(engine.run(Order(call)))
    assert engine.warm
    assert [(step.step, step.total) for step in steps if isinstance(step, Stepped)] == [(n, 6) for n in range(1, 7)]
    assert isinstance(painted, Painted)
    assert painted.rgb == fresh.plain(picture_model.folder, call, "DDIMScheduler", {}).rgb
    assert (painted.width, painted.height) == (call.width, call.height)
    assert painted.denoiser_calls == 6
    assert painted.exact


async def test_previews_come_with_the_steps_unless_unwanted(engine: ProcessEngine, picture_model: Model) -> None:
    shown = await everything(engine.run(Order(picture_model.call(), stop=2)))
    for step in shown[:2]:
        assert isinstance(step, Stepped)
        assert 16 <= step.preview_side <= 32
        assert len(step.preview) == step.preview_side**2 * 3
    hidden = await everything(engine.run(Order(picture_model.call(), stop=1, previews=False)))
    assert isinstance(hidden[0], Stepped)
    assert hidden[0].preview == b""


async def test_a_run_in_two_parts_is_the_run_in_one(engine: ProcessEngine, picture_model: Model) -> None:
    call = picture_model.call(scheduler="euler_a")
    alone = (await everything(engine.run(Order(call))))[-1]
    *_, saved, halted = await everything(engine.run(Order(call, stop=4, checkpoint_every=3)))
    assert isinstance(saved, Saved)
    assert halted == Halted(4)
    ended = (await everything(engine.run(Order(call, start=saved.data))))[-1]
    assert isinstance(alone, Painted)
    assert isinstance(ended, Painted)
    assert ended.rgb == alone.rgb
    assert ended.denoiser_calls == 2


async def test_closing_the_iterator_ends_the_run_within_a_step(engine: ProcessEngine, picture_model: Model) -> None:
    async with aclosing(engine.run(Order(picture_model.call(steps=ENDLESS)))) as events:
        first = await anext(events)
    assert isinstance(first, Stepped)
    # The next order has the engine while a thousand steps would still run for long.
    next_first = (await everything(engine.run(Order(picture_model.call(), stop=1))))[0]
    assert isinstance(next_first, Stepped)
    assert next_first.total == 6


async def test_cancelling_the_task_ends_the_run_and_the_order_after_it_starts(
    engine: ProcessEngine, picture_model: Model
) -> None:
    began = asyncio.Event()

    async def endless() -> None:
        async for _ in engine.run(Order(picture_model.call(steps=ENDLESS))):
            began.set()

    pid = engine.pid
    task = asyncio.create_task(endless())
    await asyncio.wait_for(began.wait(), PATIENCE_S)
    waiting = asyncio.create_task(everything(engine.run(Order(picture_model.call(), stop=1))))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance((await waiting)[-1], Halted)
    assert engine.pid == pid, "a cancelled order costs no restart"


async def test_prompts_are_embedded(engine: ProcessEngine) -> None:
    apple, again, car = await engine.embed(["apple on table", "apple on table", "a car"])
    assert apple == again != car
    assert len(apple) % 2 == 0


async def test_speed_is_measured(engine: ProcessEngine, picture_model: Model) -> None:
    assert await engine.measure(picture_model.call()) > 0.1


async def test_refusals_come_as_errors_and_harm_nothing(engine: ProcessEngine, picture_model: Model) -> None:
    pid = engine.pid
    with pytest.raises(EngineError, match="no scheduler 'foo'; choose one of"):
        await everything(engine.run(Order(picture_model.call(scheduler="foo"))))
    with pytest.raises(CheckpointError, match="not a peerd checkpoint"):
        await everything(engine.run(Order(picture_model.call(), start=b"noise")))
    with pytest.raises(EngineError, match=r"nowhere is not a model: there is no model_index\.json"):
        await everything(engine.run(Order(picture_model.call(model="n" * 64))))
    assert isinstance((await everything(engine.run(Order(picture_model.call(), stop=1))))[-1], Halted)
    assert engine.pid == pid


async def test_a_child_that_is_killed_is_an_error_and_the_next_order_starts_another(
    engine: ProcessEngine, picture_model: Model
) -> None:
    killed = engine.pid
    assert killed is not None
    with pytest.raises(EngineError, match=r"was killed by signal 9 .*; the next order starts a new one"):
        async for _ in engine.run(Order(picture_model.call(steps=ENDLESS))):
            os.kill(killed, signal.SIGKILL)
    assert not engine.warm
    assert isinstance((await everything(engine.run(Order(picture_model.call(), stop=1))))[-1], Halted)
    assert engine.pid not in (None, killed)


async def test_closing_leaves_no_process(engine: ProcessEngine, picture_model: Model) -> None:
    pid = engine.pid
    assert pid is not None
    await engine.close()
    assert not runs(pid)
    with pytest.raises(EngineError, match="closed"):
        await engine.prepare(picture_model.call().model)
