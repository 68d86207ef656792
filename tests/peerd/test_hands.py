"""Stories of the hands: what several actions that are carried out at once may do to each other."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from peerd.hands import DaemonHands
from peerd.store import Store
from peerd_protocol.actions import MakePlan
from peerd_protocol.certificates import ALL_ROLES, Role
from peerd_protocol.events import Event, Planned
from peerd_protocol.ids import NodeId
from peerd_protocol.roles import GUEST
from tests.peerd.planning.people import SETTINGS, UNCALIBRATED, ask, device


class Roster:
    """Who may do what; everyone not named may do all."""

    def __init__(self, **roles: tuple[Role, ...]) -> None:
        self._roles = roles

    def member(self, node: NodeId) -> SimpleNamespace:
        return SimpleNamespace(roles=self._roles.get(node, ALL_ROLES))


def hands_for(store: Store, posted: list[Event], roster: Roster) -> DaemonHands:
    others: Any = None  # no other adapter has a part in planning
    return DaemonHands(
        post=posted.append,
        profile=cast(Any, device),
        transport=others,
        roster=cast(Any, roster),
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


def test_a_guest_is_planned_for_as_a_device_without_an_engine(tmp_path: Path) -> None:
    posted: list[Event] = []
    store = Store(tmp_path)
    devices = tuple((NodeId(name), device(engine=True)) for name in "AB")
    order = MakePlan(1, (ask("a", "apple on table", "A"),), devices)
    try:
        asyncio.run(hands_for(store, posted, Roster(A=GUEST)).make_plan(order))
    finally:
        store.close()
    (planned,) = posted
    assert isinstance(planned, Planned)
    assert [draft.runners for draft in planned.drafts] == [(("a", "B"),)]


def test_of_two_plans_at_once_the_second_knows_what_the_first_gave_out(tmp_path: Path) -> None:
    posted: list[Event] = []
    store = Store(tmp_path)
    hands = hands_for(store, posted, Roster())
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
