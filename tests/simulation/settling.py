"""What must hold once all has healed and every side is fully connected in itself.

    I5  every side has a leader soon.     I6  it has only one, which stays.
    I7  every accepted request whose origin kept its disk ends, and nothing of it is left anywhere.

H is the largest interval that anyone on a side has or must wait for. Never here: what must hold always.
"""

from collections import Counter

from peerd_protocol.ids import NodeId, Term
from tests.simulation.device import SKEW
from tests.simulation.invariants import Violation
from tests.simulation.world import World

FIRST_LEADER_INTERVALS = 3.5 + 2.0
"""What the rules promise, not what the code has: a dead leader is silent for 3.5 H, and 2 H are for what goes wrong."""
STAGGER_S, COUNT_S = 0.25, 0.6
ONE_LEADER_INTERVALS = 6.0
STAYS_INTERVALS = 20.0
ENDS_S = 150.0
"""A plan's wait, an engine's lease and a repeat of each; longer is a request that hangs."""
MEASURE_S = 0.5
"""How often H is looked at: a peer's last words may announce another."""


def first_leader_bound_s(nodes: int, interval_s: float) -> float:
    """I5, with the slowest clock that the world allows."""
    return (FIRST_LEADER_INTERVALS * interval_s + nodes * STAGGER_S + COUNT_S) / (1 - SKEW)


def one_leader_bound_s(nodes: int, interval_s: float) -> float:
    """I6: where I5 allows more time for a first leader, that."""
    return max(ONE_LEADER_INTERVALS * interval_s / (1 - SKEW), first_leader_bound_s(nodes, interval_s))


class Side:
    """One part of the healed world. Times count from healing."""

    def __init__(self, name: int, nodes: int) -> None:
        self.name, self.nodes = name, nodes
        self.interval_s = 0.0
        self.led_s: float | None = None
        self.term: Term | None = None
        self.changed_s = 0.0

    @property
    def ends_s(self) -> float:
        return one_leader_bound_s(self.nodes, self.interval_s) + STAYS_INTERVALS * self.interval_s

    def measure(self, world: World) -> None:
        """The dead are missed by their own H, on other sides too: their last words may come after the healing."""
        for process in world.processes.values():
            if world.links.sides[process.device.name] != self.name:
                continue
            membership, now_s = process.node._membership, process.clock_s()
            peers = membership.peers(now_s)
            waited = [peers[peer].interval_s for peer in membership.living(now_s)]
            self.interval_s = max(self.interval_s, process.node._election.interval_s, *waited)

    def look(self, world: World, after_s: float) -> None:
        if self.led_s is None and world.leaders(self.name):
            self.led_s = after_s
        if self.led_s is None and after_s > first_leader_bound_s(self.nodes, self.interval_s):
            raise Violation("I5", f"side {self.name} has no leader after {after_s:.1f} s, H = {self.interval_s} s")
        term, self.term = self.term, world.one_leader(self.name)
        if term != self.term:
            self.changed_s = after_s
            if after_s > one_leader_bound_s(self.nodes, self.interval_s):
                raise Violation("I6", f"side {self.name} goes from {term} to {self.term} after {after_s:.1f} s")


def settle(world: World) -> list[Side]:
    """Run until all has been seen to hold."""
    healed_s = world.now_s
    sides = [Side(side, count) for side, count in sorted(Counter(world.links.sides.values()).items())]

    def look() -> None:
        for side in sides:
            side.look(world, world.now_s - healed_s)

    world.terms.changed = look
    world.requests.healed({name for name in world.devices if _has_engine_near(world, name)})
    while True:
        after_s = world.now_s - healed_s
        for side in sides:
            if after_s <= one_leader_bound_s(side.nodes, side.interval_s):
                side.measure(world)
        look()
        if all(after_s > side.ends_s for side in sides) and not _left_open(world):
            break
        if after_s > ENDS_S:
            raise Violation("I7", f"after {after_s:.0f} s there is still {_left_open(world)}")
        world.clockwork.run(world.now_s + MEASURE_S)
    for side in sides:
        if side.term is None:
            raise Violation("I6", f"side {side.name} never agrees")
    if silent := world.requests.silent():
        raise Violation("I7", f"{silent} ended without a word")
    return sides


def _has_engine_near(world: World, name: NodeId) -> bool:
    sides = world.links.sides
    return any(device.temper.engine and sides[device.name] == sides[name] for device in world.devices.values())


def _left_open(world: World) -> list[str]:
    """Accepted requests that have not ended, and whatever any node still holds of any, its leader's books aside."""
    left = [f"{name} {entry.state}" for name, entry in world.requests.open()]
    for name, process in world.processes.items():
        node = process.node
        held = (
            *node._origin._open,
            *node._runner._parts,
            *node._executor._shares,
            *node._handoffs._giving,
            *node._handoffs._taking,
            *process.engine.works,
        )
        left += [f"{thing} at {name}" for thing in held]
    return left
