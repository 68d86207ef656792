"""What is promised where one device is lost over its work, and nothing else goes wrong.

    C5  a loss costs no more steps than were made since the last spares. What they are of goes on from them, and a
        branch that had not begun begins where it would have.
    C6  whoever goes on makes the very picture that would have been made.
    C7  a request that was planned once waits for its named group no more: its origin dies, comes back, and it is in
        hand again soon.

What a loss costs, and what would have been, is told from the same household without it. An engine stands still for a
moment before its device is lost, so that all that was saved has come through: a spare that is nowhere was never sent.
Never here: who leads then (`calm`), or a loss among other faults (`stories`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from peerd_protocol.coordination.runner import WORK
from peerd_protocol.events import Asked
from peerd_protocol.ids import RequestId
from peerd_protocol.plan import Call, Request
from tests.simulation.calm import Promises
from tests.simulation.device import Device, equal_device
from tests.simulation.engine import step_of
from tests.simulation.figures import CALM_S, LOOK_S
from tests.simulation.invariants import Violation
from tests.simulation.links import Weather
from tests.simulation.planner import KindPlan
from tests.simulation.settling import first_leader_bound_s
from tests.simulation.stories import names_of
from tests.simulation.world import World

STEPS = (11, 20)
STEP_S = (0.05, 0.1, 0.2, 0.5)
DELAY_S_MAX = 0.25
"""So slow that one spare may still be under way when the next is there."""
HANGS_S = 2.2
"""Two handoffs of four words each at the slowest, and less than a lease: nobody gives it up before it is lost."""
ENDS_S = 150.0
WAITS_MS = 30_000
GONE_S_MAX = 4.0
TOLD_S = 3.0
"""From a leader to a plan: a request is announced once a second, and an offer takes a moment."""
IN_HAND = frozenset(("planned", "alone", "delivering", "finished"))


def lost_device(seed: int, nodes: int) -> None:
    """One with an engine, and with something in hand if anyone has."""
    whole = _household(seed, nodes)
    _run_until(whole, lambda: _is_through(whole))
    world, chance = _household(seed, nodes), Random(f"loss/{seed}/{nodes}")
    steps = chance.randrange(1, whole.steps)
    _run_until(world, lambda: world.steps >= steps and _all_in_hand(world))
    if not (losable := _losable(world)):
        return
    device = chance.choice(losable)
    device.temper.hangs_until_s = world.now_s + 2 * HANGS_S
    world.clockwork.run(world.now_s + HANGS_S)
    loss = _loss_of(device, world)
    world.crash(device, refuses=chance.random() < 0.5)
    _run_until(world, lambda: _is_through(world))
    if (more := world.steps - whole.steps) > loss.steps:
        raise Violation("C5", f"{device.name} had {loss.steps} steps unsaved, and {more} more are run for its loss")
    for name, entry in world.requests.entries.items():
        made, would_be = _pixels(entry.picture), _pixels(whole.requests.entries[name].picture)
        if entry.request.origin != device.name and name not in loss.anew and made != would_be:
            raise Violation("C6", f"{name} is {made} after the loss of {device.name}, and would have been {would_be}")


def lost_origin(seed: int, nodes: int) -> None:
    """It dies over its own request and comes back."""
    world, chance = _household(seed, nodes), Random(f"return/{seed}/{nodes}")
    steps = chance.randrange(1, min(STEPS))
    _run_until(world, lambda: world.steps >= steps and _all_in_hand(world))
    device = world.devices[chance.choice(sorted({entry.request.origin for _, entry in world.requests.open()}))]
    world.crash(device, refuses=chance.random() < 0.5)
    world.clockwork.run(world.now_s + chance.uniform(0.1, GONE_S_MAX))
    world.boot(device)
    world.clockwork.run(world.now_s + first_leader_bound_s(nodes, device.interval_s) + TOLD_S)
    for name, entry in world.requests.open():
        if entry.request.origin == device.name and entry.state not in IN_HAND:
            raise Violation("C7", f"{name} is {entry.state} again, though it was planned before {device.name} died")


PROMISES: Promises = ((lost_device, 2), (lost_origin, 2))

# ---- the household -----------------------------------------------------------------------------------------


def _household(seed: int, nodes: int) -> World:
    """Devices of any pace, at least two with an engine, that have a leader and were just asked for pictures."""
    chance, devices = Random(f"household/{seed}/{nodes}"), [equal_device(name, str(seed)) for name in names_of(nodes)]
    for device in chance.sample(devices, chance.randint(0, nodes - 2)):
        device.temper.engine = False
    world = World(str(seed), devices)
    for device in devices:
        device.temper.step_s = chance.choice(STEP_S)
        world.boot(device)
    world.hands.planner = KindPlan
    world.links.weather = Weather(delay_s_max=chance.uniform(0.01, DELAY_S_MAX))
    world.clockwork.run(CALM_S)
    steps, count = chance.choice(STEPS), chance.randint(2, 5)
    for number in range(count):
        name, origin = RequestId(f"r{number:02}"), chance.choice(devices).name
        call = Call(
            model="toy",
            prompt=f"picture {name}",
            steps=steps,
            seed=41 + number,
            guidance=3.0,
            scheduler="ddim",
            width=64,
            height=64,
        )
        request = Request(id=name, origin=origin, call=call, group_name="g", group_size=count, wait_ms=WAITS_MS)
        world.requests.asked(request)
        world.processes[origin].post(Asked(request))
    return world


def _run_until(world: World, happened: Callable[[], bool]) -> None:
    began_s = world.now_s
    while not happened():
        world.clockwork.run(world.now_s + LOOK_S)
        if world.now_s - began_s > ENDS_S:
            raise Violation("I7", f"after {ENDS_S:.0f} s there is still {world.requests.open()}")


def _all_in_hand(world: World) -> bool:
    return all(entry.state in IN_HAND for entry in world.requests.entries.values())


def _is_through(world: World) -> bool:
    """All requests of the living have ended, and every engine is still."""
    asked = [entry for entry in world.requests.entries.values() if entry.request.origin in world.processes]
    return all(entry.closed for entry in asked) and not any(each.engine.works for each in world.processes.values())


# ---- what a loss may cost ----------------------------------------------------------------------------------


def _losable(world: World) -> list[Device]:
    able = [each for each in world.processes.values() if each.device.temper.engine]
    busy = [each for each in able if each.engine.works or each.node._executor._shares or each.node._runner._parts]
    return [process.device for process in busy or able]


@dataclass(slots=True)
class _Loss:
    """`anew`: requests of whose own steps nothing was saved. Whoever is asked next begins them in its own way."""

    steps: int = 0
    anew: set[RequestId] = field(default_factory=set)


def _loss_of(device: Device, world: World) -> _Loss:
    """What it made and nobody else has, for those that live on."""
    loss, process, saved = _Loss(), world.processes[device.name], world.requests.saved
    works = process.engine.works
    for name, work in works.items():
        if not name.startswith(WORK):  # whoever stands by was handed its beginning too
            loss.steps += work.step - max(saved.get(name, 0), step_of(work.order.start))
    for request, part in process.node._runner._parts.items():
        if part.assignment.origin == device.name:
            continue
        kept, name = saved.get(WORK + request, 0), WORK + request
        loss.steps += (works[name].step if name in works else part.shared_steps) - kept
        if not kept:
            loss.anew.add(request)
    return loss


def _pixels(picture: bytes) -> str:
    """Which attempt of a group a picture came of does not show in it."""
    return re.sub(r"(shared/[^/,;]*)/\d+", r"\1", picture.decode())
