"""When a spare checkpoint is due: never more than the wished seconds of work without one, but for a single step."""

import itertools

import pytest

from peerd.engine.port import Order, Saved
from peerd.engine.spare import is_due
from peerd.engine.toy import ToyEngine
from peerd_protocol.plan import Call

SPARE_S = 5.0
CALL = Call(model="m", prompt="apple", steps=8, seed=41, guidance=3.0, scheduler="ddim", width=24, height=16)


@pytest.mark.parametrize(("step_s", "steps"), [(0.3, 16), (1.0, 5), (2.5, 2), (2.6, 1), (4.9, 1), (5.0, 1), (60.0, 1)])
def test_so_many_steps_go_by_without_one(step_s: float, steps: int) -> None:
    """Steps of 4.9 s once went by in pairs, and with the device nearly ten seconds of work, its spare not yet sent."""
    first = next(count for count in itertools.count(1) if is_due(count * step_s, step_s, SPARE_S))
    assert first == steps
    assert first * step_s <= max(SPARE_S, step_s)


def test_where_none_is_wanted_none_is_due() -> None:
    assert not is_due(1e9, 1e9, 0.0)


async def test_an_engine_leaves_them_before_the_work_is_too_much() -> None:
    engine = ToyEngine(seconds_per_step=0.02)
    events = [event async for event in engine.run(Order(CALL, spare_s=0.05))]
    assert [event.step for event in events if isinstance(event, Saved)] == [2, 4, 6]
