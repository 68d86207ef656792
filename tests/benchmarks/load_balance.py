"""How evenly a cluster bears 100 mixed requests: Jain's index of the joules that each engine drew, for its capacity.

The planner itself decides, in virtual time: six unequal devices, two of them on battery, people who ask at random
devices for pictures of several kinds, alone or up to four at once; once evenly, once more often at quicker devices.
Capacity is `Load.capacity`: denoiser calls a second, and a third of that on battery.

A device runs its own people's own steps itself: they are made with the own words, which stay there. So the planner
chooses only who runs the shared steps, and beside what it reached stands what any choice could reach: the best index
over all ways to cut these shared steps into pieces of any size and give them to any device, patience and batteries
aside. Asked evenly, a weak device's own steps alone weigh more than a strong one's whole work, so that bound lies below
the goal; only moving own steps would pass it. Seeded, so that each run prints the same; a markdown table (first
argument: a file too; `--publish`: its place in RESULTS.md). Ends with 1 where the goal of .9 is missed.
"""

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from peerd.planning.allowance import Allowance
from peerd.planning.load import Load
from peerd.planning.planner import make_plan
from peerd.planning.settings import PlanSettings
from peerd.planning.split import total_of
from peerd_protocol.actions import MakePlan
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Call, Request
from peerd_protocol.profile import Pace, PowerClass, Profile
from tests.results_page import tell

REQUESTS, SEED, GOAL = 100, 7, 0.9
SMALLEST_PIECE = 1e-5
"""Of all that is given out: finer than the three digits that are printed."""
PAUSE_S = 4.0
"""Between two askings, on the average: the cluster is busy and not drowned."""
PEOPLE_AT_ONCE = (1, 2, 3, 4)
SCENES = (
    ("apple on table", "lemon on table", "pear on table", "orange on table"),
    ("a cat on the grass", "a dog on the grass", "a bird on the grass", "a horse on the grass"),
    ("a red car on the road", "a bus on the road", "a truck on the road", "a bicycle on the road"),
)
KINDS = ((11, "ddim", 128), (20, "euler_a", 128), (8, "dpmpp_2m", 256), (11, "heun", 128))
STEPS_PER_SECOND = {"edge": 24.0, "desk": 16.0, "laptop": 12.0, "old": 8.0, "phone": 8.0, "tablet": 6.0}
WATTS = {"edge": 48.0, "desk": 32.0, "laptop": 24.0, "old": 16.0, "phone": 8.0, "tablet": 6.0}
BATTERY = frozenset({"phone", "tablet"})


@dataclass(slots=True)
class Device:
    """One device as it stands at a moment of virtual time."""

    profile: Profile
    free_at_s: float = 0.0
    for_others: float = 0.0
    own: float = 0.0

    @property
    def joules_per_call(self) -> float:
        return self.profile.joules_per_step

    @property
    def capacity(self) -> float:
        return Load({NodeId(""): self.profile}, PlanSettings()).capacity(NodeId(""))


@dataclass(slots=True)
class World:
    fair: bool
    devices: dict[NodeId, Device] = field(default_factory=dict)
    now_s: float = 0.0
    shared: int = 0
    shared_calls: float = 0.0
    """Counted in calls of the usual size, by the time that they take."""
    seconds: list[float] = field(default_factory=list)
    late: int = 0

    def profiles(self) -> tuple[tuple[NodeId, Profile], ...]:
        """What each would tell in its heartbeat now."""
        return tuple(
            (
                node,
                msgspec.structs.replace(
                    device.profile,
                    queued_s=max(0.0, device.free_at_s - self.now_s),
                    queued_steps=int(max(0.0, device.free_at_s - self.now_s) * device.profile.steps_per_second),
                    joules_lately=device.for_others + device.own if self.fair else 0.0,
                ),
            )
            for node, device in sorted(self.devices.items())
        )


def main() -> int:
    lines = [
        "| people ask | who runs shared steps | shared | promised s, middle | index | any choice at most"
        " | own steps moved too, at most | goal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    reached = True
    for evenly in (True, False):
        for fair in (False, True):
            world = _live(fair, evenly=evenly)
            devices = list(world.devices.values())
            found = jain([(one.for_others + one.own) / one.capacity for one in devices])
            best = most([one.own for one in devices], devices, world.shared_calls)
            free = most(
                [0.0] * len(devices), devices, world.shared_calls + sum(o.own / o.joules_per_call for o in devices)
            )
            reached &= not fair or found >= GOAL
            verdict = "reached" if found >= GOAL else "missed" + ("" if best >= GOAL else ", as by any choice")
            people = "evenly" if evenly else "in proportion to speed"
            chosen = "the least burdened of the soonest" if fair else "the soonest always"
            middle = sorted(world.seconds)[len(world.seconds) // 2]
            lines.append(
                f"| {people} | {chosen} | {world.shared} of {REQUESTS} | {middle:.2f} | {found:.3f} | {best:.3f}"
                f" | {free:.3f} | {verdict} |"
            )
            print(f"{people}, {chosen}; {world.late} of {REQUESTS} later than their patience")
            for name, device in world.devices.items():
                power, speed = device.profile.power.name.lower(), device.profile.steps_per_second
                borne = (device.for_others + device.own) / device.capacity
                print(
                    f"  {name:7} {speed:4.0f} calls/s {power:8} for others {device.for_others:7.0f} J,"
                    f" own {device.own:7.0f} J, {borne:6.1f} J for capacity"
                )
    print()
    tell("load balance", lines)
    return 0 if reached else 1


def most(own: Sequence[float], devices: Sequence[Device], calls: float) -> float:
    """The best index over all ways to give out so many calls, in pieces of any size, beside the own joules.

    The index is one hill over those ways, so moving ever smaller pieces uphill from device to device ends on its top.
    """
    given = [calls / len(devices)] * len(devices)

    def index() -> float:
        return jain(
            [
                (mine + share * device.joules_per_call) / device.capacity
                for mine, share, device in zip(own, given, devices, strict=True)
            ]
        )

    best, piece = index(), calls
    while piece > calls * SMALLEST_PIECE:
        moved = False
        for giver in range(len(devices)):
            for taker in range(len(devices)):
                part = min(piece, given[giver])
                given[giver], given[taker] = given[giver] - part, given[taker] + part
                if giver != taker and index() > best + 1e-12:
                    best, moved = index(), True
                else:
                    given[giver], given[taker] = given[giver] + part, given[taker] - part
        piece = piece if moved else piece / 2
    return best


def jain(values: Sequence[float]) -> float:
    """(sum x)^2 / (n * sum x^2): 1 when all bear alike, 1/n when one bears all. Jain, Chiu and Hawe, 1984."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def _live(fair: bool, *, evenly: bool) -> World:
    chance = random.Random(SEED)
    world = World(fair, {NodeId(name): Device(_profile(name)) for name in STEPS_PER_SECOND})
    nodes, often = list(world.devices), [1.0 if evenly else speed for speed in STEPS_PER_SECOND.values()]
    asked = 0
    while asked < REQUESTS:
        count = min(chance.choice(PEOPLE_AT_ONCE), REQUESTS - asked)
        scene, (steps, scheduler, side) = chance.choice(SCENES), chance.choice(KINDS)
        requests = []
        for prompt in chance.sample(scene, count):
            asked += 1
            call = Call(
                model="model", prompt=prompt, steps=steps, seed=asked, guidance=3.0, scheduler=scheduler, width=side,
                height=side,
            )  # fmt: skip
            origin = chance.choices(nodes, often)[0]
            requests.append(Request(id=RequestId(f"{asked:03}"), origin=origin, call=call, seed_free=True))
        _plan(world, requests)
        world.now_s += chance.expovariate(1 / PAUSE_S)
    return world


def _plan(world: World, requests: list[Request]) -> None:
    """One asking: the real planner chooses, and the devices are busy with it."""
    settings = PlanSettings()
    planned = make_plan(MakePlan(1, tuple(requests), world.profiles()), settings, Allowance(lambda model: None))
    load = Load(dict(world.profiles()), settings)
    calls = {request.id: request.call for request in requests}
    for draft in planned.drafts:
        runners = dict(draft.runners)
        for name, leaves in draft.leaves:
            device = world.devices[runners[name]]
            device.own += (total_of(calls[name]) - leaves) * load.joules_per_call(runners[name], calls[name])
        if draft.shared_steps:
            executor, call = draft.candidates[0], calls[draft.lead]
            steps = draft.shared_steps - draft.start
            device = world.devices[executor]
            device.for_others += steps * load.joules_per_call(executor, call)
            world.shared_calls += steps * load.joules_per_call(executor, call) / device.joules_per_call
            device.free_at_s = max(device.free_at_s, world.now_s) + steps * load.step_s(executor, call)
            world.shared += len(runners)
        for one in draft.forecast.each:
            if one.request not in runners:
                continue  # of another branch of the same tree, which tells it itself
            device = world.devices[runners[one.request]]
            device.free_at_s = max(device.free_at_s, world.now_s + one.seconds)
            world.seconds.append(one.seconds)
            world.late += one.seconds > one.seconds_alone * settings.patience_factor + settings.patience_extra_s + 1e-3


def _profile(name: str) -> Profile:
    speed = STEPS_PER_SECOND[name]
    # At 128 pixels with guidance one call takes 1 / speed, a third of it whatever the size.
    pace = Pace(step_s=1 / speed / 3, step_s_per_mpixel=2 / speed / 3 / 0.032768, decode_s_per_mpixel=24 / speed)
    return Profile(
        model="model", steps_per_second=speed, joules_per_step=WATTS[name] / speed, watts=WATTS[name], pace=pace,
        power=PowerClass.BATTERY if name in BATTERY else PowerClass.MAINS, battery_percent=80, loaded="model",
        memory_free_mib=4_000,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
