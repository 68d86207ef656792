"""What is done to the world of election: half a minute of every fault, then healing, and the proof that it settles.

One seed is one story, which `python -m tests.simulation.election_chaos --first SEED --seeds 1 --nodes N` tells again.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from peerd_protocol.election import Role
from peerd_protocol.ids import Term
from peerd_protocol.timing import COUNT_S, SILENCE_INTERVALS, STAGGER_S, own_interval_s
from tests.simulation.election_world import SKEW, Device, Violation, Weather, World

NODES = (2, 3, 5, 8, 16)
FAULTS_S = 30.0
STAYS_INTERVALS = 20.0
LOOK_S = 0.05
MEASURE_S = 0.5
ONE_LEADER_INTERVALS = 6.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed showed. Times count from healing, in each side's own H."""

    simulated_s: float
    events: int
    first_leader_intervals: list[float]
    one_leader_intervals: list[float]
    faults: Counter[str]
    changes: Counter[tuple[Role, Role]]


def first_leader_bound_s(nodes: int, interval_s: float) -> float:
    """I5, with the slowest clock that the world allows."""
    return (SILENCE_INTERVALS * interval_s + nodes * STAGGER_S + COUNT_S + 2 * interval_s) / (1 - SKEW)


def one_leader_bound_s(nodes: int, interval_s: float) -> float:
    """I6: where I5 allows more time for a first leader, that."""
    return max(ONE_LEADER_INTERVALS * interval_s / (1 - SKEW), first_leader_bound_s(nodes, interval_s))


@dataclass(slots=True)
class Side:
    """One part of the healed world, fully connected in itself. Times count from healing."""

    name: int
    nodes: int
    interval_s: float = 0.0
    measured_s: float = 0.0
    led_s: float | None = None
    term: Term | None = None
    changed_s: float = 0.0

    @property
    def ends_s(self) -> float:
        return one_leader_bound_s(self.nodes, self.interval_s) + STAYS_INTERVALS * self.interval_s

    def look(self, world: World, after_s: float) -> None:
        """I5 and I6, a moment later."""
        if self.led_s is None and world.leaders(self.name):
            self.led_s = after_s
        if self.led_s is None and after_s > first_leader_bound_s(self.nodes, self.interval_s):
            world.fail(f"I5 side {self.name} has no leader after {after_s:.1f} s, H = {self.interval_s} s")
        term, self.term = self.term, world.one_leader(self.name)
        if term != self.term:
            self.changed_s = after_s
            if after_s > one_leader_bound_s(self.nodes, self.interval_s):
                world.fail(f"I6 side {self.name} changes from {term} to {self.term} after {after_s:.1f} s")


class Chaos:
    """One story: start, faults, heal, settle."""

    def __init__(self, seed: int, nodes: int) -> None:
        self.world = World(seed, nodes)
        self.random = self.world.random
        self.healed_s = FAULTS_S

    def run(self) -> Outcome:
        world = self.world
        for device in world.devices.values():
            world.at(self.random.choice((0.0, self.random.uniform(0, 4))), partial(self._boot, device))
        at_s = 0.0
        while at_s < self.healed_s:
            world.at(at_s, self._do_harm)
            at_s += self.random.expovariate(1 / 1.5)
        for tenth in range(0, int(self.healed_s * 10), 2):
            world.at(tenth / 10, world.command)
        world.run(self.healed_s)
        self._heal()
        return self._settle()

    # ---- faults ----

    def _boot(self, device: Device) -> None:
        if device.process is None:
            self.world.boot(device)

    def _do_harm(self) -> None:
        faults = {
            self._weather: 4, self._part: 2, self._deafen: 2, self._mend: 3, self._crash: 4, self._sleep: 3,
            self._starve: 2, self._repower: 1,
        }  # fmt: skip
        fault = self.random.choices(list(faults), list(faults.values()))[0]
        if fault():
            self.world.faults[fault.__name__.strip("_")] += 1

    def _weather(self) -> bool:
        draw = self.random.uniform
        self.world.weather = Weather(draw(0, 0.3), draw(0, 0.2), draw(0, 0.3), draw(0.01, 0.3), draw(0.001, 0.4))
        return True

    def _part(self) -> bool:
        sides = self.random.choice((2, 2, 3))
        self.world.part({name: self.random.randrange(sides) for name in self.world.devices})
        return True

    def _deafen(self) -> bool:
        """One direction of some links is dead; so a may hear b and b hear c, and a not c."""
        names = list(self.world.devices)
        count = self.random.randrange(1, len(names) + 1)
        self.world.deaf = {(self.random.choice(names), self.random.choice(names)) for _ in range(count)}
        return True

    def _mend(self) -> bool:
        mended = bool(self.world.deaf or self.world.sides)
        self.world.deaf = set()
        self.world.part({})
        return mended

    def _crash(self) -> bool:
        device = self._someone()
        if device.process is None:
            return False
        self.world.crash(device, refuses=self.random.random() < 0.6, loses_disk=self.random.random() < 0.2)
        self.world.at(min(self.world.now_s + self.random.uniform(0.05, 8), self.healed_s), partial(self._boot, device))
        return True

    def _sleep(self) -> bool:
        return self._stand_still(self.random.uniform(1, 15))

    def _starve(self) -> bool:
        return self._stand_still(self.random.uniform(0.2, 1.5))

    def _stand_still(self, seconds: float) -> bool:
        device = self._someone()
        if device.process is None or device.asleep_until_s > self.world.now_s:
            return False
        self.world.sleep(device, min(seconds, self.healed_s - self.world.now_s))
        return True

    def _repower(self) -> bool:
        self._someone().profile = self.world.profile()
        return True

    def _someone(self) -> Device:
        """Often a leader: faults elsewhere rarely hurt."""
        leaders = self.world.leaders()
        return self.random.choice(
            leaders if leaders and self.random.random() < 0.4 else list(self.world.devices.values())
        )

    # ---- healing ----

    def _heal(self) -> None:
        world = self.world
        world.weather, world.deaf = Weather(), set()
        sides = self.random.choice((1, 1, 2))
        world.part({name: self.random.randrange(sides) for name in world.devices})

    def _settle(self) -> Outcome:
        world = self.world
        sides = [Side(side, count) for side, count in sorted(Counter(world.sides.values()).items())]
        while any(world.now_s - self.healed_s < side.ends_s for side in sides):
            world.run(world.now_s + LOOK_S)
            for side in sides:
                if world.now_s >= side.measured_s + MEASURE_S:
                    side.measured_s = world.now_s
                    side.interval_s = max(side.interval_s, self._interval_s(side.name))
                side.look(world, world.now_s - self.healed_s)
        for side in sides:
            if side.term is None:
                world.fail(f"I6 side {side.name} never agrees")
        first = [side.led_s / side.interval_s for side in sides if side.led_s is not None]
        one = [side.changed_s / side.interval_s for side in sides]
        return Outcome(world.now_s, world.events, first, one, world.faults, world.changes)

    def _interval_s(self, side: int) -> float:
        """The largest H that anyone on the side has, or must wait for in vain.

        The dead are missed by their own H, also those on other sides, whose last words may come after the healing.
        """
        members = [device for device in self.world.devices.values() if self.world.sides[device.name] == side]
        intervals = [own_interval_s(device.interval_s, device.profile.power) for device in members]
        for device in members:
            if device.process is not None:
                clock_s, membership = self.world.clock_s(device), device.process.membership
                living = membership.living(clock_s)
                intervals += [peer.interval_s for name, peer in membership.peers(clock_s).items() if name in living]
        return max(intervals)


def percentile(values: list[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--nodes", type=int, nargs="*", default=list(NODES))
    arguments = parser.parse_args()
    began_s, hours, events, violations = perf_counter(), 0.0, 0, 0
    faults: Counter[str] = Counter()
    changes: Counter[tuple[Role, Role]] = Counter()
    for nodes in arguments.nodes:
        first: list[float] = []
        one: list[float] = []
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            try:
                outcome = Chaos(seed, nodes).run()
            except Violation as violation:
                violations += 1
                print(f"VIOLATION {violation}", flush=True)
                continue
            hours, events = hours + outcome.simulated_s / 3600, events + outcome.events
            faults, changes = faults + outcome.faults, changes + outcome.changes
            first += outcome.first_leader_intervals
            one += outcome.one_leader_intervals
        if one:
            shown = [f"{percentile(values, p):5.2f}" for values in (first, one) for p in (50, 99, 100)]
            print(
                f"{nodes:2} nodes  first leader {' '.join(shown[:3])}  one leader {' '.join(shown[3:])}  H", flush=True
            )
    print(f"seeds {arguments.seeds} x nodes {arguments.nodes}, {hours:.1f} simulated hours, {events} events, "
          f"{perf_counter() - began_s:.0f} s; violations: {violations}")  # fmt: skip
    print("faults  " + ", ".join(f"{name} {count}" for name, count in sorted(faults.items())))
    print("passages  " + ", ".join(f"{a}->{b} {count}" for (a, b), count in sorted(changes.items())))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
