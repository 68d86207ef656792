"""A leader knows what it gave out before its devices tell of it."""

import pytest

from peerd.planning.ledger import TOLD_AFTER_S, Ledger
from peerd_protocol.ids import NodeId
from tests.peerd.planning.people import ask, device, plan

A, B = NodeId("A"), NodeId("B")


def test_a_device_that_was_just_given_work_is_busy_until_it_can_tell_so_itself() -> None:
    ledger = Ledger()
    devices = {"A": device(10.0), "B": device(10.0)}
    planned = plan([ask("a", "apple on table", steps=20)], devices)
    (one,) = planned.drafts[0].forecast.each
    ledger.give(planned.drafts, 100.0)
    known = dict(ledger.as_given([(A, devices["A"]), (B, devices["B"])], 100.5))
    assert known[A].queued_s == pytest.approx(one.seconds - 0.5)
    assert known[B] == devices["B"]
    second = plan([ask("b", "a cat on the grass", "A", steps=20)], {str(node): it for node, it in known.items()})
    assert second.drafts[0].forecast.seconds == pytest.approx(2 * one.seconds - 0.5, abs=0.01)
    told = ledger.as_given([(A, devices["A"])], 100.0 + TOLD_AFTER_S + 0.1)
    assert dict(told)[A] == devices["A"], "by now its own word counts"


def test_its_own_word_counts_where_it_is_worse() -> None:
    ledger = Ledger()
    ledger.give(plan([ask("a", "apple on table")], {"A": device(10.0)}).drafts, 0.0)
    busier = device(10.0, queued_s=60.0)
    assert dict(ledger.as_given([(A, busier)], 0.1))[A] == busier


def test_executors_are_busy_with_what_is_shared() -> None:
    ledger = Ledger()
    devices = {"A": device(10.0), "B": device(10.0), "E": device(40.0)}
    planned = plan([ask("a", "apple on table", steps=30), ask("b", "lemon on table", steps=30)], devices)
    assert planned.drafts[0].shared_steps > 0
    ledger.give(planned.drafts, 0.0)
    known = dict(ledger.as_given([(NodeId(name), profile) for name, profile in devices.items()], 0.0))
    busy = {node for node, profile in known.items() if profile.queued_s}
    assert busy == {A, B, planned.drafts[0].candidates[0]}
