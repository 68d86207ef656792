"""Who lets others keep checkpoints: all whose words are in the steps behind them, up the tree to its root."""

from collections.abc import Sequence

import pytest

from peerd_protocol.actions import Action, Send
from peerd_protocol.coordination.offers import Offers
from peerd_protocol.events import Draft
from peerd_protocol.ids import BootNonce, NodeId, RequestId, Term
from peerd_protocol.messages import Answer, Offer
from peerd_protocol.plan import Call, Forecast, Request

ADA = NodeId("ada")
TERM = Term(1, ADA, BootNonce("boot"))
FORECAST = Forecast(
    seconds=1.0, seconds_alone=2.0, denoiser_calls=9, denoiser_calls_alone=11, joules=1.0, joules_alone=2.0,
    handoff_bytes=0,
)  # fmt: skip


def request(name: str, keep: bool) -> Request:
    call = Call(
        model="m", prompt=f"{name} on table", steps=11, seed=1, guidance=3.0, scheduler="ddim", width=64, height=64
    )
    return Request(id=RequestId(name), origin=ADA, call=call, keep=keep)


def draft(lead: str, other: str, step: int, *, blended: bool, parent: int | None = None, start: int = 0) -> Draft:
    names = (RequestId(lead), RequestId(other))
    return Draft(
        leaves=tuple((name, step) for name in names),
        lead=names[0],
        seed=1,
        candidates=(ADA,),
        runners=tuple((name, ADA) for name in names),
        forecast=FORECAST,
        parent=parent,
        start=start,
        blended=blended,
    )


def kept_of(unwilling: str, *, blended: bool) -> list[bool]:
    """Whether the checkpoints of the root {a, b} and of its branch {c, d} may be kept."""
    requests = {RequestId(name): request(name, name != unwilling) for name in "abcd"}
    drafts = (draft("a", "b", 5, blended=blended), draft("c", "d", 7, blended=blended, parent=0, start=3))
    offers = Offers()
    branch = the_offer(offers.open(drafts, requests, 1, TERM, 0.0))
    yes = Answer(group=branch.group, attempt=branch.attempt, accepted=True)
    root = the_offer(offers.answered(ADA, yes, 0.0))
    assert (root.start, branch.start) == (0, 3)
    return [root.keep, branch.keep]


def the_offer(actions: Sequence[Action]) -> Offer:
    (offer,) = [action.message for action in actions if isinstance(action, Send) and isinstance(action.message, Offer)]
    return offer


@pytest.mark.parametrize(
    ("unwilling", "by_leads", "by_all"),
    [
        ("nobody", [True, True], [True, True]),
        ("a", [False, False], [False, False]),
        ("b", [True, True], [False, False]),
        ("c", [True, False], [False, False]),
        ("d", [True, True], [False, False]),
    ],
)
def test_whose_words_ran_the_steps_decides(unwilling: str, by_leads: list[bool], by_all: list[bool]) -> None:
    assert kept_of(unwilling, blended=False) == by_leads
    assert kept_of(unwilling, blended=True) == by_all
