"""How fast: seconds from a fault to a leader in a calm world, H = 1 s (`python -m tests.simulation.figures`).

Links are a home network's, clocks are skewed, nothing is lost: what remains is the time that the rules take.
"""

from collections.abc import Callable
from random import Random

from peerd_protocol.ids import NodeId
from tests.simulation.device import equal_device
from tests.simulation.stories import names_of
from tests.simulation.world import World

LOOK_S = 0.01
CALM_S = 12.0
"""By then any of these clusters agrees."""
GIVEN_UP_S = 60.0


def dark_world(seed: int, nodes: int) -> World:
    """Equal devices on mains, none of them switched on."""
    return World(str(seed), [equal_device(name, str(seed)) for name in names_of(nodes)])


def calm_world(seed: int, nodes: int, dark: int = 0) -> World:
    """A cluster, but for the last `dark` devices, that has agreed on a leader, at a random moment of its rhythm."""
    world = dark_world(seed, nodes)
    for device in list(world.devices.values())[: nodes - dark]:
        world.boot(device)
    world.clockwork.run(CALM_S + 2 * Random(seed).random())
    assert len(world.leaders()) == 1
    return world


def seconds_until(world: World, happened: Callable[[], bool]) -> float:
    """How long until something holds."""
    began_s = world.now_s
    while not happened():
        world.clockwork.run(world.now_s + LOOK_S)
        assert world.now_s - began_s < GIVEN_UP_S
    return world.now_s - began_s


def crash_to_leader(seed: int, nodes: int, refuses: bool = False) -> float:
    """The leader's device loses power, or (`refuses`) only its process dies."""
    world = calm_world(seed, nodes)
    world.crash(world.leaders()[0], refuses=refuses)
    return seconds_until(world, lambda: bool(world.leaders()))


def heal_to_one_leader(seed: int, nodes: int) -> float:
    """Two sides, each with a leader of its own, hear each other again."""
    world = calm_world(seed, nodes)
    world.part({name: index % 2 for index, name in enumerate(world.devices)})
    world.clockwork.run(world.now_s + CALM_S)
    assert len(world.leaders()) == 2
    world.part({})
    return seconds_until(world, lambda: world.one_leader() is not None)


def start_to_leader(seed: int, nodes: int) -> float:
    """All devices are switched on at once."""
    world = dark_world(seed, nodes)
    for device in world.devices.values():
        world.boot(device)
    return seconds_until(world, lambda: bool(world.leaders()))


def second_node_to_common_leader(seed: int, leads_first: bool = True) -> float:
    """A second device is switched on beside a first that leads already, or has only just started."""
    world = dark_world(seed, 2)
    first, second = (world.devices[NodeId(name)] for name in ("n00", "n01"))
    world.boot(first)
    world.clockwork.run(CALM_S if leads_first else Random(seed).uniform(0, 2.2))
    world.boot(second)
    return seconds_until(world, lambda: world.one_leader() is not None)


def row(name: str, values: list[float]) -> str:
    """p50, p99 and the maximum."""
    ordered = sorted(values)
    p50, p99 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    return f"{name:52} {p50:5.2f} {p99:5.2f} {ordered[-1]:5.2f}"


def main(seeds: int = 300) -> None:
    print(f"{'seconds, H = 1 s, ' + str(seeds) + ' seeds':52} {'p50':>5} {'p99':>5} {'max':>5}")
    for nodes in (2, 3, 5, 8, 16):
        runs = range(seeds if nodes < 16 else seeds // 3)
        print(row(f"{nodes:2} nodes, leader's device dies -> new leader", [crash_to_leader(s, nodes) for s in runs]))
        killed = [crash_to_leader(s, nodes, refuses=True) for s in runs]
        print(row(f"{nodes:2} nodes, leader's process dies -> new leader", killed))
        print(row(f"{nodes:2} nodes, partition heals -> one leader", [heal_to_one_leader(s, nodes) for s in runs]))
        print(row(f"{nodes:2} nodes, all start -> first leader", [start_to_leader(s, nodes) for s in runs]))
    joined = [second_node_to_common_leader(s) for s in range(seeds)]
    print(row("second node starts beside a leader -> common leader", joined))
    both = [second_node_to_common_leader(s, leads_first=False) for s in range(seeds)]
    print(row("second node starts beside a joiner -> common leader", both))


if __name__ == "__main__":
    main()
