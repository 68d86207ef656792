"""What can be done to a world, as frozen values that a story is made of, and how each is done.

A fault says whom it hits by name, or "leader" or "worker": whoever leads, or runs steps for others, at that moment. It
is done only if that changes anything. Never here: which faults a seed draws (`stories`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from peerd_protocol.events import Leaving
from peerd_protocol.ids import NodeId
from tests.simulation.device import Device
from tests.simulation.links import Weather
from tests.simulation.process import Process
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Fault:
    at_s: float


@dataclass(frozen=True, slots=True)
class Storm(Fault):
    """Links and disks become worse, or better, everywhere."""

    weather: Weather


@dataclass(frozen=True, slots=True)
class Part(Fault):
    """The network parts into sides."""

    sides: tuple[tuple[NodeId, int], ...]


@dataclass(frozen=True, slots=True)
class Deafen(Fault):
    """One direction of some links is dead."""

    pairs: tuple[tuple[NodeId, NodeId], ...]


@dataclass(frozen=True, slots=True)
class Sever(Fault):
    """Some pairs do not reach each other, though others reach both."""

    pairs: tuple[tuple[NodeId, NodeId], ...]


@dataclass(frozen=True, slots=True)
class Mend(Fault):
    """All reach all again."""


@dataclass(frozen=True, slots=True)
class Aimed(Fault):
    who: str


@dataclass(frozen=True, slots=True)
class Crash(Aimed):
    """The process dies and comes back on its disk. `refuses`: its device lives on."""

    back_s: float
    refuses: bool


@dataclass(frozen=True, slots=True)
class Wipe(Aimed):
    """The device dies, and comes back without what was on its disk."""

    back_s: float


@dataclass(frozen=True, slots=True)
class Tear(Aimed):
    """The process dies between its next write and what follows."""

    back_s: float


@dataclass(frozen=True, slots=True)
class Leave(Aimed):
    """The daemon is stopped on purpose, and started again."""

    back_s: float


@dataclass(frozen=True, slots=True)
class Pause(Aimed):
    """The process stands still, as a suspended laptop's or one without a core to run on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Unplug(Aimed):
    charge: float
    drain_per_s: float


@dataclass(frozen=True, slots=True)
class Plug(Aimed):
    pass


@dataclass(frozen=True, slots=True)
class Break(Aimed):
    """So many of the engine's next steps fail."""

    steps: int


@dataclass(frozen=True, slots=True)
class Hang(Aimed):
    """The engine makes no step for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Mute(Aimed):
    """The engine loses the next shared work, and says nothing about it for longer than anybody waits."""


@dataclass(frozen=True, slots=True)
class Boast(Aimed):
    """From now on the device says that it is so many times as fast as it is."""

    times: float


@dataclass(frozen=True, slots=True)
class Refuse(Aimed):
    """The owner no longer helps others, or does so again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Spoil(Aimed):
    """The next picture does not reach the disk."""


@dataclass(frozen=True, slots=True)
class Rot(Aimed):
    """The checkpoints that the device keeps for later are no longer what they were."""


AnyFault = (
    Storm | Part | Deafen | Sever | Mend | Crash | Wipe | Tear | Leave | Pause | Unplug | Plug | Break | Hang | Mute
    | Boast | Refuse | Spoil | Rot
)  # fmt: skip
KINDS: tuple[type[Fault], ...] = AnyFault.__args__


def do(fault: AnyFault, world: World) -> bool:
    """Whether there was anything to do it to."""
    match fault:
        case Storm():
            world.links.weather = fault.weather
        case Part():
            world.part(dict(fault.sides), world.links.deaf)
        case Deafen():
            world.part(world.links.sides, frozenset(fault.pairs))
        case Sever():
            world.part(world.links.sides, frozenset((a, b) for pair in fault.pairs for a, b in (pair, pair[::-1])))
        case Mend():
            mended = bool(world.links.sides or world.links.deaf)
            world.part({})
            return mended
        case _:
            device = _aim(fault.who, world)
            return device is not None and _hit(fault, device, world)
    return True


def _aim(who: str, world: World) -> Device | None:
    match who:
        case "leader":
            return next(iter(world.leaders()), None)
        case "worker":
            return next((process.device for process in world.processes.values() if process.engine.shares), None)
        case _:
            return world.devices[NodeId(who)]


def _hit(fault: Aimed, device: Device, world: World) -> bool:
    process, temper, battery = world.processes.get(device.name), device.temper, device.battery
    match fault:
        case Unplug():
            hits = battery.mains
            battery.mains, battery.charge, battery.drain_per_s = False, fault.charge, fault.drain_per_s
        case Plug():
            hits = not battery.mains
            battery.mains = True
        case Hang():
            hits = temper.engine
            temper.hangs_until_s = world.now_s + fault.seconds
        case Break():
            hits, temper.breaks = temper.engine, fault.steps
        case Mute():
            hits = temper.mute = temper.engine
        case Boast():
            hits, temper.boast = temper.boast != fault.times, fault.times
        case Refuse():
            hits, temper.declines = temper.declines != fault.reason, fault.reason
        case Spoil():
            hits = temper.spoils = True
        case Rot():
            hits = bool(device.disk.kept)
            device.disk.rot()
        case Crash() | Wipe() | Tear() | Leave() | Pause():
            return process is not None and _stop(fault, process, world)
        case _:
            raise TypeError(fault)
    if isinstance(fault, Unplug | Plug | Boast):
        world.profiled(device)
    return hits


def _stop(fault: Crash | Wipe | Tear | Leave | Pause, process: Process, world: World) -> bool:
    device = process.device
    match fault:
        case Crash():
            world.crash(device, fault.refuses)
        case Wipe():
            world.crash(device, refuses=False, loses_disk=True)
        case Tear():
            device.temper.tears = True
        case Leave():
            process.post(Leaving())
            world.crash(device, refuses=True)
        case Pause():
            asleep = device.asleep_until_s > world.now_s
            if not asleep:
                world.sleep(device, fault.seconds)
            return not asleep
        case _:
            assert_never(fault)
    world.clockwork.after(fault.back_s, world.boot, device)
    return True


def heal(world: World, sides: Mapping[NodeId, int]) -> None:
    """All is well from now on: every device runs, and reaches all on its side."""
    world.links.weather, world.links.settled = Weather(), True
    for device in world.devices.values():
        temper, battery = device.temper, device.battery
        temper.breaks, temper.mute, temper.spoils, temper.tears, temper.declines = 0, False, False, False, ""
        temper.hangs_until_s, battery.drain_per_s = min(temper.hangs_until_s, world.now_s), 0.0
        if device.asleep_until_s > world.now_s:
            world.sleep(device, 0.0)
        world.boot(device)
    world.part(sides)
