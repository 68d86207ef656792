"""An origin writes down how each request went beside what its plan promised. Never here: the picture's own file."""

from pathlib import Path

import msgspec
import pytest

from peerd import pictures
from peerd.models.registry import Registry
from peerd.outbox import WINDOW_S, Outbox
from peerd.store import Store
from peerd_protocol.actions import Deliver
from peerd_protocol.plan import Expected, GroupPlan, Request
from tests.protocol.samples import PLAN, REQUESTED

PICTURE = pictures.pack(
    pictures.Picture(
        width=2, height=2, rgb=bytes(12), seed=41, denoiser_calls=6, exact=True, shared_steps=5, checkpoint_digest="d",
        joules=6.6,
    )
)  # fmt: skip


def delivered(folder: Path, request: Request, plan: GroupPlan | None) -> Store:
    store = Store(folder)
    outbox = Outbox(store, Registry(folder), folder / "pictures")
    action = Deliver(request, PICTURE, plan, seconds=4.0, planned_s=0.5)
    assert outbox.deliver(action) == outbox.deliver(action), "told twice, kept once"
    return store


def test_what_was_promised_stands_beside_what_came(tmp_path: Path) -> None:
    each = (Expected(request=REQUESTED.id, seconds=3.0, seconds_alone=5.0, told_s=0.05, denoiser_calls=6, joules=7.0),)
    plan = msgspec.structs.replace(PLAN, forecast=msgspec.structs.replace(PLAN.forecast, each=each))
    unnamed = msgspec.structs.replace(REQUESTED, group_name="", group_size=1)
    (told,) = delivered(tmp_path, unnamed, plan).outcomes()
    assert (told.request, told.group, told.seconds, told.planned_s) == (REQUESTED.id, PLAN.group, 4.0, 0.5)
    assert (told.promised_s, told.promised_alone_s) == (3.0, 5.0)
    assert (told.promised_calls, told.denoiser_calls) == (6, 6)
    assert (told.promised_joules, told.joules) == (7.0, 6.6)
    assert told.promised_plan_s == pytest.approx(WINDOW_S + 0.05), "the window, and the offer"
    assert not told.waits_for_others
    assert (told.steps, told.shared_steps, told.scheduler, told.width) == (11, 5, "ddim", 512)


def test_who_names_a_group_is_promised_nothing_of_how_long_others_take(tmp_path: Path) -> None:
    each = (Expected(request=REQUESTED.id, seconds=3.0, seconds_alone=5.0),)
    plan = msgspec.structs.replace(PLAN, forecast=msgspec.structs.replace(PLAN.forecast, each=each))
    named = msgspec.structs.replace(REQUESTED, group_name="fruits", group_size=2)
    (told,) = delivered(tmp_path, named, plan).outcomes()
    assert told.waits_for_others
    assert told.promised_plan_s == pytest.approx(0.0)


def test_an_older_leader_promised_no_calls_and_no_joules(tmp_path: Path) -> None:
    each = (Expected(request=REQUESTED.id, seconds=3.0, seconds_alone=5.0),)
    plan = msgspec.structs.replace(PLAN, forecast=msgspec.structs.replace(PLAN.forecast, each=each))
    (told,) = delivered(tmp_path, REQUESTED, plan).outcomes()
    assert (told.promised_calls, told.promised_joules) == (0, 0.0)


def test_a_plan_of_an_older_leader_promised_nothing_to_each(tmp_path: Path) -> None:
    (told,) = delivered(tmp_path, REQUESTED, msgspec.structs.replace(
        PLAN, forecast=msgspec.structs.replace(PLAN.forecast, each=())
    )).outcomes()  # fmt: skip
    assert told.promised_s == 0.0


def test_who_went_alone_had_no_promise(tmp_path: Path) -> None:
    assert delivered(tmp_path, REQUESTED, None).outcomes() == []
