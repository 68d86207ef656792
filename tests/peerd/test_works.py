"""Stories of the engine's work, told with the toy engine: what is counted of an order that comes to no good end."""

import asyncio
import contextlib

from peerd.device.host import Host
from peerd.device.pace import Paces
from peerd.engine.toy import ToyEngine
from peerd.works import Works
from peerd_protocol.actions import Denoise
from peerd_protocol.events import Event, PicturePainted, StepDone, WorkFailed
from peerd_protocol.plan import Call

CALL = Call(model="m", prompt="apple on table", steps=6, seed=41, guidance=3.0, scheduler="ddim", width=24, height=16)


def works(engine: ToyEngine) -> Works:
    return Works(engine, Paces(), Host(1))


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
