"""From the protocol's work to the engine's order: who names their prompt is probed, or held to the table."""

import pytest

from peerd.engine.port import Look
from peerd.engine.toy import ToyEngine
from peerd.orders import order_of
from peerd.planning.calibration import Band, Calibration, Row, Stay
from peerd_protocol.actions import Denoise
from peerd_protocol.errors import CheckpointError
from peerd_protocol.plan import Call, Leave

CALL = Call(model="m", prompt="apple on table", steps=11, seed=1, guidance=3.0, scheduler="ddim", width=16, height=16)
BANDS, STAYS = (Band(0.6, 5 / 11),), (Stay(0.3, 8 / 11), Stay(0.6, 4 / 11))
ROW = Row(scheduler="ddim", total=11, quality="fast", bands=BANDS, look=2, stays=STAYS)
MEASURED = Calibration(model="a" * 64, guidance=3.0, pairs=120, seed=1, rows=(ROW,))
LEAVES = (
    Leave(name="lead", step=8, prompt="apple on table"),
    Leave(name="near", step=8, prompt="lemon on table"),
    Leave(name="asked", step=8),
)


def work(start: bytes | None = None, **more: object) -> Denoise:
    return Denoise("w", CALL, start, 8, leaves=LEAVES, quality="fast", **more)  # type: ignore[arg-type]


def test_a_measured_model_is_probed() -> None:
    order = order_of(work(blend=("apple on table", "lemon on table"), hide_prompt=True), MEASURED)
    assert order.probe == (Look(2, ((0.3, 8), (0.6, 4))),)
    assert order.leaves == LEAVES
    assert order.blend == ("apple on table", "lemon on table")
    assert order.hide_prompt


def test_without_a_measurement_the_table_by_words_holds() -> None:
    """Who names no prompt leaves where the plan says: somebody asked for that."""
    order = order_of(work(), None)
    assert order.probe == ()
    assert [leave.step for leave in order.leaves] == [8, 5, 8]


async def test_a_run_that_starts_behind_the_look_is_held_to_the_table() -> None:
    saved = [event async for event in ToyEngine().run(order_of(Denoise("w", CALL, None, 3), None))][-2]
    order = order_of(work(start=saved.data), MEASURED)  # type: ignore[union-attr]
    assert order.probe == ()
    assert [leave.step for leave in order.leaves] == [8, 5, 8]


def test_a_start_that_is_none_is_an_error() -> None:
    with pytest.raises(CheckpointError):
        order_of(work(start=b"rubbish"), MEASURED)


def test_work_without_leaves_is_passed_on() -> None:
    order = order_of(Denoise("w", CALL, None, None, spare_s=5.0, resumes=True), MEASURED)
    assert (order.stop, order.checkpoint_every, order.leaves, order.probe) == (None, 0, (), ())
    assert (order.spare_s, order.resumes) == (5.0, True)


def test_shared_steps_leave_a_checkpoint_where_late_requests_may_begin() -> None:
    assert order_of(work(), MEASURED).checkpoint_every == 3
