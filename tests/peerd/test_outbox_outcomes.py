"""An origin writes down how each request went beside what its plan promised. Never here: the picture's own file."""

from pathlib import Path

import msgspec
import pytest

from peerd import pictures
from peerd.models.registry import Registry
from peerd.outbox import Outbox
from peerd.store import Store
from peerd_protocol.actions import Deliver
from peerd_protocol.plan import Expected, GroupPlan, Request
from tests.protocol.samples import PLAN, REQUESTED

PICTURE = pictures.pack(
    pictures.Picture(
        width=2, height=2, rgb=bytes(12), seed=41, denoiser_calls=6, exact=True, shared_steps=5, checkpoint_digest="d"
    )
)


def delivered(folder: Path, request: Request, plan: GroupPlan | None) -> Store:
    store = Store(folder)
    outbox = Outbox(store, Registry(folder), folder / "pictures", joules_per_call=lambda call: call.steps / 10)
    action = Deliver(request, PICTURE, plan, seconds=4.0, planned_s=0.5)
    assert outbox.deliver(action) == outbox.deliver(action), "told twice, kept once"
    return store


def test_what_was_promised_stands_beside_what_came(tmp_path: Path) -> None:
    each = (Expected(request=REQUESTED.id, seconds=3.0, seconds_alone=5.0),)
    plan = msgspec.structs.replace(PLAN, forecast=msgspec.structs.replace(PLAN.forecast, each=each))
    (told,) = delivered(tmp_path, REQUESTED, plan).outcomes()
    assert (told.request, told.group, told.seconds, told.planned_s) == (REQUESTED.id, PLAN.group, 4.0, 0.5)
    assert (told.promised_s, told.promised_alone_s) == (3.0, 5.0)
    assert (told.denoiser_calls, told.joules) == (6, pytest.approx(6 * 1.1))
    assert (told.steps, told.shared_steps, told.scheduler, told.width) == (11, 5, "ddim", 512)


def test_a_plan_of_an_older_leader_promised_nothing_to_each(tmp_path: Path) -> None:
    (told,) = delivered(tmp_path, REQUESTED, msgspec.structs.replace(
        PLAN, forecast=msgspec.structs.replace(PLAN.forecast, each=())
    )).outcomes()  # fmt: skip
    assert told.promised_s == 0.0


def test_who_went_alone_had_no_promise(tmp_path: Path) -> None:
    assert delivered(tmp_path, REQUESTED, None).outcomes() == []
