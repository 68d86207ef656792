"""A whole set of 32 prompts as people type them: planned for real, and carried out by whole nodes in a little world.

Never here: trees drawn by hand and what goes wrong in them (`tests/protocol/test_trees.py`), or real daemons
(`tests/world/test_trees.py`).
"""

from collections.abc import Callable
from pathlib import Path

import pytest

import peerd.engine.embedded
from peerd.planning.allowance import Allowance
from peerd.planning.calibration import Calibration, parse
from peerd.planning.planner import make_plan
from peerd.planning.settings import PlanSettings
from peerd_protocol.actions import Denoise, MakePlan
from peerd_protocol.events import Draft
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Call
from tests.peerd.planning.people import GRADED, WHOLE_SET
from tests.protocol.little_world import LittleWorld, picture_request

NODES = ("ann", "bob", "eve", "kim", "max")
TOTAL = GRADED.rows[0].total


class Planner:
    """The real one, in the place of the little world's; it keeps what it planned."""

    def __init__(self, calibration: Calibration | None) -> None:
        self._allowance = Allowance(lambda _: calibration)
        self.drafts: tuple[Draft, ...] = ()

    def __call__(self, order: MakePlan) -> tuple[Draft, ...]:
        planned = make_plan(order, PlanSettings(), self._allowance)
        assert not self.drafts and not planned.impossible, "one plan for the whole set"
        self.drafts = planned.drafts
        return planned.drafts

    @property
    def branches(self) -> list[Draft]:
        return [draft for draft in self.drafts if draft.parent is not None]

    @property
    def promised_calls(self) -> int:
        """Every draft of a tree carries the promise of the whole, so that of the roots is all."""
        return sum(draft.forecast.denoiser_calls for draft in self.drafts if draft.parent is None)

    def begins(self, draft: Draft, step: int) -> str:
        """What the checkpoint at a step of a draft tells of itself: by whose prompts it came to be."""
        before = self.begins(self.drafts[draft.parent], draft.start) + "+" if draft.parent is not None else ""
        return f"{before}{WHOLE_SET[int(draft.lead)]}@{step}"

    def pictures(self) -> dict[RequestId, str]:
        """How each picture must have come to be."""
        return {
            request: f"{self.begins(draft, step) if step else 'noise'}->{WHOLE_SET[int(request)]}#{draft.seed}"
            for draft in self.drafts
            for request, step in draft.leaves
        }


def shipped() -> Calibration:
    return parse((Path(peerd.engine.embedded.__path__[0]) / "calibration.json").read_bytes())


def all_asked(plan: Callable[[MakePlan], tuple[Draft, ...]]) -> LittleWorld:
    """Every prompt asked, in turn at each node, under one group name; run until all is done."""
    world = LittleWorld(*NODES)
    world.drafts = plan
    world.elect()
    for number, prompt in enumerate(WHOLE_SET):
        call = Call(
            model="m", prompt=prompt, steps=TOTAL, seed=41, guidance=3.0, scheduler="ddim", width=128, height=128
        )
        name, node = f"{number:02d}", NODES[number % len(NODES)]
        wishes = {"call": call, "shared": None, "group_name": "set", "group_size": len(WHOLE_SET), "wait_ms": 10_000}
        world.ask(node, picture_request(name, node, **wishes))
    world.run(0.2)
    world.run_until_nothing_is_open(200.0)
    return world


def calls_of(order: Denoise) -> int:
    begun = int(order.start.rsplit(b"@")[-1]) if order.start else 0
    return (order.stop or order.call.steps) - begun


@pytest.mark.parametrize("calibration", [GRADED, shipped(), None], ids=["graded", "shipped", "none"])
def test_thirty_two_prompts_of_people_become_trees_and_all_are_drawn_as_promised(
    calibration: Calibration | None,
) -> None:
    planner = Planner(calibration)
    world = all_asked(planner)
    drawn: dict[RequestId, str] = {}
    for place in world.places.values():
        for request, pictures in place.pictures.items():
            (picture,) = pictures
            drawn[request] = picture.decode()
    assert drawn == planner.pictures()
    assert len(drawn) == len(WHOLE_SET)
    counted = sum(calls_of(order) for place in world.places.values() for order in place.denoised)
    assert planner.promised_calls < len(WHOLE_SET) * TOTAL
    if any(draft.probed for draft in planner.drafts):  # nobody differs here, so whoever is looked at stays longer
        assert counted < planner.promised_calls
    else:
        assert counted == planner.promised_calls
    print(f"{counted} calls of {len(WHOLE_SET) * TOTAL}, {len(planner.branches)} branches")


def test_graded_steps_make_branches_that_run_beside_their_parents() -> None:
    """Where near and middling pairs may share about as much, as with the model that ships, no branch pays."""
    planner = Planner(GRADED)
    all_asked(planner)
    assert len(planner.branches) >= 2
    for branch in planner.branches:
        assert branch.parent is not None
        parent = planner.drafts[branch.parent]
        assert 0 < branch.start <= parent.shared_steps
        assert branch.shared_steps > branch.start and len(branch.requests) > 1
    elsewhere = [b for b in planner.branches if b.candidates[0] != planner.drafts[b.parent or 0].candidates[0]]
    assert elsewhere, "some branch runs on another device than its parent"
    used: set[NodeId] = {draft.candidates[0] for draft in planner.drafts if draft.candidates}
    assert len(used) > 1
