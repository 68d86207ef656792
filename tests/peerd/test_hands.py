"""Stories of the hands: what several actions that are carried out at once may do to each other."""

import asyncio
from pathlib import Path
from typing import Any, cast

from peerd.hands import DaemonHands
from peerd.store import Store
from peerd_protocol.actions import MakePlan
from peerd_protocol.events import Event, Planned
from peerd_protocol.ids import NodeId
from tests.peerd.planning.people import SETTINGS, UNCALIBRATED, ask, device


def test_of_two_plans_at_once_the_second_knows_what_the_first_gave_out(tmp_path: Path) -> None:
    posted: list[Event] = []
    others: Any = None  # no other adapter has a part in planning
    store = Store(tmp_path)
    hands = DaemonHands(
        post=posted.append,
        profile=cast(Any, device),
        transport=others,
        roster=others,
        store=store,
        works=others,
        board=others,
        outbox=others,
        links=others,
        cache=others,
        settings=SETTINGS,
        allowance=UNCALIBRATED,
        roster_changed=others,
    )
    devices = tuple((NodeId(name), device(engine=name != "A")) for name in "ABC")
    orders = [
        MakePlan(1, (ask("a", "apple on table", "A"),), devices),
        MakePlan(2, (ask("b", "a cat on the grass", "A"),), devices),
    ]

    async def plan_both() -> None:
        await asyncio.gather(*map(hands.make_plan, orders))

    try:
        asyncio.run(plan_both())
    finally:
        store.close()
    runners = [draft.runners for event in posted if isinstance(event, Planned) for draft in event.drafts]
    assert runners == [(("a", "B"),), (("b", "C"),)]
