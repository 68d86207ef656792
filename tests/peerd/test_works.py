"""What a device says of work: calls of orders that came to no good end count, the joules of a picture are its own."""

import asyncio
import contextlib
from itertools import count
from pathlib import Path

import msgspec
import pytest

from peerd import pictures
from peerd.device.host import Host
from peerd.device.pace import Paces
from peerd.engine.port import Order
from peerd.engine.toy import ToyEngine
from peerd.works import Works
from peerd_protocol.actions import Denoise
from peerd_protocol.events import Event, PicturePainted, StepDone, WorkFailed, WorkHalted
from peerd_protocol.plan import Call
from tests.protocol.samples import REQUESTED

CALL = Call(model="m", prompt="apple on table", steps=6, seed=41, guidance=3.0, scheduler="ddim", width=24, height=16)


STEP_S, WATTS = 0.01, 20.0


def works(engine: ToyEngine) -> Works:
    return Works(engine, Paces(), Host(1), lambda: WATTS)


async def test_calls_of_an_order_that_fails_are_counted() -> None:
    engine = ToyEngine(die_at_step=4)
    at_work, posted = works(engine), list[Event]()
    await at_work.run(Denoise("first", CALL, None, None), posted.append)
    assert isinstance(posted[-1], WorkFailed)
    assert at_work.denoiser_calls == engine.denoiser_calls == 4
    await at_work.run(Denoise("again", CALL, None, None), posted.append)
    assert isinstance(posted[-1], PicturePainted)
    assert at_work.denoiser_calls == engine.denoiser_calls == 10, (
        "each step once, whether told on the way or at the end"
    )


async def test_calls_of_an_order_that_is_cancelled_are_counted() -> None:
    engine = ToyEngine(0.01)
    at_work, three_done = works(engine), asyncio.Event()

    def post(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 3:
            three_done.set()

    running = asyncio.create_task(at_work.run(Denoise("first", CALL, None, None), post))
    await three_done.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert at_work.denoiser_calls == engine.denoiser_calls == 3
    assert at_work.queued_steps == 0


async def painted(works: Works) -> pictures.Picture:
    posted: list[Event] = []
    await works.run(Denoise("work", REQUESTED.call, None, None), posted.append)
    (last,) = [event for event in posted if isinstance(event, PicturePainted)]
    return pictures.unpack(last.picture)


async def test_a_picture_tells_the_joules_of_its_own_run_and_the_device_has_borne_as_many(tmp_path: Path) -> None:
    engine = ToyEngine(STEP_S)
    await engine.prepare(REQUESTED.call.model)
    # An empty folder for /proc: nothing else is seen on this host, so no run is taken for a crowded one.
    works = Works(engine, Paces(), Host(1, tmp_path), lambda: WATTS)
    picture = await painted(works)
    assert picture.joules >= picture.denoiser_calls * STEP_S * WATTS
    assert works.joules_lately == pytest.approx(picture.joules, abs=1e-3)


async def test_a_cold_engine_is_taken_to_draw_for_its_first_step_as_for_the_others(tmp_path: Path) -> None:
    picture = await painted(Works(ToyEngine(STEP_S), Paces(), Host(1, tmp_path), lambda: WATTS))
    assert picture.joules >= picture.denoiser_calls * STEP_S * WATTS


async def test_a_cold_engine_that_takes_one_step_is_taken_to_draw_as_was_learnt_before(tmp_path: Path) -> None:
    """Its first step is slow, and belongs to its start."""
    tried = Paces()
    tried.tried([(CALL, 0.5)])
    for paces, joules in ((Paces(), 0.0), (tried, 0.5 * WATTS)):
        works, posted = Works(ToyEngine(STEP_S), paces, Host(1, tmp_path), lambda: WATTS), list[Event]()
        await works.run(Denoise("work", CALL, None, 1), posted.append)
        assert isinstance(posted[-1], WorkHalted)
        assert works.joules_lately == pytest.approx(joules)


async def test_only_an_order_of_one_prompt_teaches_what_comes_before_its_steps(tmp_path: Path) -> None:
    engine, paces = ToyEngine(), Paces()
    await engine.prepare("m")
    works = Works(engine, paces, Host(1, tmp_path), clock_s=count().__next__)
    await works.run(Denoise("blended", CALL, None, 3, blend=("apple on table", "lemon on table")), lambda _: None)
    assert paces.knows("m")
    assert paces.of("m").prepare_s == 0.0
    await works.run(Denoise("plain", CALL, None, 3), lambda _: None)
    assert paces.of("m").prepare_s > 0.0


@pytest.mark.parametrize("before", ["m", "another model"])
async def test_how_long_the_engine_was_at_something_else_is_not_learnt_of_an_order(tmp_path: Path, before: str) -> None:
    """A model is loaded to read a request's words when an order comes: what is left to wait is no start."""
    engine, paces = ToyEngine(), Paces()
    works = Works(engine, paces, Host(1, tmp_path), clock_s=count().__next__)
    assert not engine.busy
    async with contextlib.aclosing(engine.run(Order(msgspec.structs.replace(CALL, model=before)))) as something_else:
        await anext(something_else)
        assert engine.busy
        joining = asyncio.create_task(works.run(Denoise("joins", CALL, None, 3), lambda _: None))
        await asyncio.sleep(0)
        assert works.queued_steps == 3
    await joining
    assert paces.knows("m"), "its steps are its own"
    assert (paces.of("m").prepare_s, paces.of("m").start_s) == (0.0, 0.0)


async def test_a_start_that_an_order_makes_itself_is_learnt(tmp_path: Path) -> None:
    paces = Paces()
    works = Works(ToyEngine(), paces, Host(1, tmp_path), clock_s=count().__next__)
    await works.run(Denoise("cold", CALL, None, 3), lambda _: None)
    assert paces.of("m").start_s > 0.0
