"""How evenly a cluster bears 100 mixed requests: Jain's index of the joules that each engine drew, for its capacity.

The planner itself decides, in virtual time: six unequal devices, two of them on battery, people who ask at random
devices for pictures of several kinds, alone or up to four at once; once evenly, once more often at quicker devices.
Capacity is denoiser calls a second; that of a battery counts a third (`PlanSettings.battery_weight`).

Two figures: of all joules, each device's own steps included, which its own people decide (goal .9); and of the steps
run for others, which the planner gives out. Asked evenly, a weak device's own steps alone weigh more than a strong
one's whole work, and no choice of who runs the shared steps makes up for that. Seeded, so that each run prints the
same; beside it the same requests where the soonest always works.
"""

import random
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

REQUESTS, SEED, GOAL = 100, 7, 0.9
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


@dataclass(slots=True)
class World:
    fair: bool
    devices: dict[NodeId, Device] = field(default_factory=dict)
    now_s: float = 0.0
    shared: int = 0
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


def main() -> None:
    for evenly, fair in ((True, False), (True, True), (False, False), (False, True)):
        world = _live(fair, evenly=evenly)
        others = [device.for_others / _capacity(device) for device in world.devices.values()]
        whole = [(device.for_others + device.own) / _capacity(device) for device in world.devices.values()]
        title = "the least burdened of the soonest works" if fair else "the soonest always works"
        people = "as many ask at each device" if evenly else "more ask at quicker devices"
        print(
            f"{people}, {title}: {world.shared} of {REQUESTS} requests shared, {world.late} later than their patience"
        )
        for name, device in world.devices.items():
            print(
                f"  {name:7} {device.profile.steps_per_second:4.0f} calls/s {device.profile.power.name.lower():8}"
                f" for others {device.for_others:7.0f} J, own {device.own:7.0f} J"
            )
        middle = sorted(world.seconds)[len(world.seconds) // 2]
        print(f"  promised seconds in the middle {middle:.2f}")
        print(f"  Jain's index of joules for capacity: {jain(whole):.3f} of all, {jain(others):.3f} of work for others")
        if fair:
            print(f"  goal {GOAL} of all joules: {'reached' if jain(whole) >= GOAL else 'missed'}")


def jain(values: Sequence[float]) -> float:
    """(sum x)^2 / (n * sum x^2): 1 when all bear alike, 1/n when one bears all. Jain, Chiu and Hawe, 1984."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def _capacity(device: Device) -> float:
    profile = device.profile
    return Load({NodeId(""): profile}, PlanSettings()).capacity(NodeId(""))


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
        power=PowerClass.BATTERY if name in BATTERY else PowerClass.MAINS, battery_percent=80, warm=True,
        memory_free_mib=4_000,
    )  # fmt: skip


if __name__ == "__main__":
    main()
