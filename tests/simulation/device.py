"""What of a device outlives its processes: a disk, a clock, a battery, the temper of its engine and of its owner.

Never here: a process, or the network.
"""

from dataclasses import dataclass, field
from random import Random

import msgspec

from peerd_protocol.ids import NodeId, RequestId, Term
from peerd_protocol.plan import CacheEntry
from peerd_protocol.profile import PowerClass, Profile
from peerd_protocol.terms import ACCEPTED_KEY

SKEW = 0.05
"""How much faster or slower a device's clock may run."""
GOOD_SKEW = 0.01
LOW_CHARGE = 0.2
KEPT_MAX = 4
"""Checkpoints on one disk; so few that some are gone when they are asked for."""


@dataclass(slots=True)
class Disk:
    """What is durable. Only `World` writes here, and only when a write has had its time."""

    memory: dict[str, bytes] = field(default_factory=dict)
    results: dict[RequestId, bytes] = field(default_factory=dict)
    kept: dict[str, tuple[CacheEntry, bytes]] = field(default_factory=dict)
    term: Term | None = None
    """The accepted term, as `memory` holds it."""

    def remember(self, key: str, value: bytes) -> None:
        self.memory[key] = value
        if key == ACCEPTED_KEY:
            self.term = msgspec.json.decode(value, type=Term)

    def keep(self, entry: CacheEntry, data: bytes) -> None:
        self.kept.pop(entry.digest, None)
        self.kept[entry.digest] = entry, data
        if len(self.kept) > KEPT_MAX:
            del self.kept[next(iter(self.kept))]

    def rot(self) -> None:
        """A bit of everything kept has changed."""
        self.kept = {digest: (entry, bytes([data[0] ^ 1]) + data[1:]) for digest, (entry, data) in self.kept.items()}

    @property
    def entries(self) -> tuple[CacheEntry, ...]:
        return tuple(entry for entry, _ in self.kept.values())


@dataclass(slots=True)
class Battery:
    mains: bool = True
    charge: float = 1.0
    drain_per_s: float = 0.0

    @property
    def power(self) -> PowerClass:
        if self.mains:
            return PowerClass.MAINS
        return PowerClass.LOW if self.charge < LOW_CHARGE else PowerClass.BATTERY


@dataclass(slots=True)
class Temper:
    """How its engine works, what it is said to do, and what will go wrong with it next."""

    engine: bool = True
    step_s: float = 0.1
    boast: float = 1.0
    """So many times faster than it is, the device says."""
    hangs_until_s: float = 0.0
    breaks: int = 0
    """So many of the next steps fail."""
    mute: bool = False
    """The next shared work is lost, and nothing is heard of it for long."""
    declines: str = ""
    spoils: bool = False
    """The next picture does not reach the disk."""
    tears: bool = False
    """The next write reaches the disk, and the process dies before it does anything else."""


@dataclass(eq=False, slots=True)
class Device:
    name: NodeId
    chance: Random
    rate: float
    interval_s: float
    battery: Battery
    temper: Temper
    disk: Disk = field(default_factory=Disk)
    asleep_until_s: float = 0.0

    def profile(self) -> Profile:
        return Profile(
            model="toy",
            engine=self.temper.engine,
            steps_per_second=self.temper.boast / self.temper.step_s,
            power=self.battery.power,
            battery_percent=None if self.battery.mains else round(100 * self.battery.charge),
        )


def any_device(name: NodeId, seed: str, engine: bool) -> Device:
    """A device of a mixed household."""
    chance = Random(f"{seed}/{name}")
    mains = chance.random() < 0.5
    battery = Battery(mains, charge=chance.uniform(0.1, 1.0), drain_per_s=0.0 if mains else chance.uniform(0.0, 0.01))
    temper = Temper(engine, step_s=chance.choice((0.05, 0.1, 0.2, 0.5)))
    rate = 1 + chance.uniform(-SKEW, SKEW)
    return Device(name, chance, rate, chance.choice((0.5, 1.0, 1.0)), battery, temper)


def equal_device(name: NodeId, seed: str) -> Device:
    """One of several alike, on mains, H = 1 s; only their clocks differ, by more than good ones do."""
    chance = Random(f"{seed}/{name}")
    return Device(name, chance, 1 + chance.uniform(-GOOD_SKEW, GOOD_SKEW), 1.0, Battery(), Temper())
