"""Leadership among whole nodes: who slept does not command, who runs low hands over without a gap, and a full mesh."""

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from peerd_protocol.actions import Action, Send
from peerd_protocol.election import Role
from peerd_protocol.events import Profiled
from peerd_protocol.ids import NodeId
from peerd_protocol.membership import MEMBERS_MAX
from peerd_protocol.messages import Heartbeat, Offer, PlanTold, Preclaim, Resign
from peerd_protocol.profile import PowerClass
from peerd_protocol.timing import GAP_INTERVALS
from tests.protocol.little_world import LittleWorld, picture_request


class WatchedWorld(LittleWorld):
    """A little world that notes what is said, and looks at everyone after each event."""

    def __init__(self, *names: str) -> None:
        self.said: list[tuple[NodeId, Send]] = []
        self.look: Callable[[], None] = lambda: None
        super().__init__(*names)

    def _perform(self, me: NodeId, actions: list[Action]) -> None:
        super()._perform(me, actions)
        self.said += [(me, action) for action in actions if isinstance(action, Send)]
        self.look()

    def feed(self, name: str, power: PowerClass) -> None:
        self.tell(name, Profiled(msgspec.structs.replace(self[name].node.profile, power=power)))

    def kinds(self) -> Counter[type]:
        return Counter(type(send.message) for _, send in self.said)


# ---- who slept -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slept_s", "commands"), [(GAP_INTERVALS - 0.1, True), (GAP_INTERVALS + 0.1, False)])
def test_a_leader_that_slept_too_long_listens_before_it_commands(slept_s: float, commands: bool) -> None:
    """Its followers have not given it up yet, so no fence stands between them and an order from the past."""
    world = WatchedWorld("ann", "bob", "eve")
    assert world.elect() == "eve"
    world.run(2.0)
    world.ask("ann", picture_request("apple", "ann", group_name="fruit", group_size=2, wait_ms=1_000))
    world.run(0.1)
    world["eve"].asleep = True
    world.run(slept_s)
    assert world["ann"].node.leader == "eve", "nobody has missed it"
    world.said.clear()
    world.wake("eve")
    world.run(0.0)
    ordered = [send for me, send in world.said if me == "eve" and isinstance(send.message, Offer | PlanTold)]
    assert bool(ordered) is commands
    assert (world["eve"].node.role is Role.LEAD) is commands
    world.run_until(lambda: bool(world["ann"].pictures), seconds_max=20.0)


# ---- who runs low ----------------------------------------------------------------------------------------------------


def everyone_has_a_leader_in_office(world: LittleWorld) -> None:
    for place in world.places.values():
        assert place.node.leader is not None
        assert world.places[place.node.leader].node.role is Role.LEAD


@pytest.mark.parametrize("resigns_lost", [0, 1, 3])
@pytest.mark.parametrize("others", [("ann",), ("ann", "bob"), ("ann", "bob", "dan", "eve")])
def test_a_leader_low_on_battery_hands_over_and_at_no_moment_is_anyone_without_a_leader(
    others: tuple[str, ...], resigns_lost: int
) -> None:
    world = WatchedWorld(*others, "zoe")
    assert world.elect() == "zoe"
    for name in others[1:]:
        world.feed(name, PowerClass.BATTERY)
    world.run(3.0)
    world.said.clear()
    world.look = lambda: everyone_has_a_leader_in_office(world)
    world.loses = lambda *said: isinstance(said[2], Resign) and world.kinds()[Resign] < resigns_lost
    world.feed("zoe", PowerClass.LOW)
    world.run_until(lambda: world["zoe"].node.leader == "ann", seconds_max=2.0 * (resigns_lost + 1))
    assert world.elect() == "ann", "the only one on mains"
    world.run(20.0)
    assert world.elect() == "ann"
    assert world.kinds()[Resign] == resigns_lost + 1
    assert world.kinds()[Preclaim] == 0, "a successor does not ask"


# ---- a full mesh -----------------------------------------------------------------------------------------------------


def full_mesh() -> WatchedWorld:
    return WatchedWorld(*(f"n{number:02}" for number in range(MEMBERS_MAX)))


def test_a_full_mesh_has_one_leader_and_says_no_more_than_one_heartbeat_each_to_each_per_interval() -> None:
    world = full_mesh()
    assert world.elect() == "n31"
    world.run(3.0)
    world.said.clear()
    world.run(10.0)
    assert world.elect() == "n31"
    assert world.kinds() == {Heartbeat: 10 * MEMBERS_MAX * (MEMBERS_MAX - 1)}


def test_a_full_mesh_replaces_a_leader_whose_process_dies_within_a_second_and_a_half() -> None:
    world = full_mesh()
    world.elect()
    world.run(3.0)
    world.said.clear()
    world.kill("n31")
    world.run_until(lambda: world["n00"].node.leader == "n30", seconds_max=1.5)
    assert world.elect() == "n30"
    asked = [send for _, send in world.said if isinstance(send.message, Preclaim)]
    assert len(asked) == MEMBERS_MAX - 2, "one candidate asks the living once; all others let it go first"


def test_one_too_many_disturbs_nobody() -> None:
    world = full_mesh()
    world.elect()
    term = world["n00"].node.term
    world.boot("zoe")
    world.run(20.0)
    assert {place.node.term for name, place in world.places.items() if name != "zoe"} == {term}
    assert not [name for name, place in world.places.items() if "zoe" in place.node.peers()]
