"""How fast: seconds from a fault to a leader in a calm world, H = 1 s.

    python -m tests.simulation.figures                  each kind of change, by the number of nodes
    python -m tests.simulation.figures --heals 2500     partitions that heal alone, beside their goal

Links are a home network's, clocks are skewed, nothing is lost: what remains is the time that the rules take.
"""

import argparse
import math
from collections.abc import Callable
from random import Random

from peerd_protocol.ids import NodeId
from tests.goals import Goals
from tests.simulation.device import equal_device
from tests.simulation.settling import ONE_LEADER_INTERVALS
from tests.simulation.stories import names_of
from tests.simulation.world import World

NODES = (2, 3, 5, 8, 16)
HEALS = {2: 0.3, 3: 0.3, 5: 0.2, 8: 0.15, 16: 0.05}
"""Of all healed partitions, how many are of a cluster of so many nodes: a large one takes long to play."""
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
    """p50, p99, p99.9 and the maximum."""
    return f"{name:52} {' '.join(f'{value:5.2f}' for value in spread(values))}"


def spread(values: list[float]) -> tuple[float, float, float, float]:
    """p50, p99, p99.9 and the maximum, or noughts where there is nothing."""
    ordered = sorted(values) or [0.0]
    p50, p99, p999 = (ordered[math.ceil(len(ordered) * part) - 1] for part in (0.5, 0.99, 0.999))
    return p50, p99, p999, ordered[-1]


def print_all(seeds: int) -> None:
    for nodes in NODES:
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


def print_heals(seeds: int) -> None:
    """So many healed partitions in all, fewer of the larger clusters, and the goal."""
    heals: list[float] = []
    for nodes, part in HEALS.items():
        seconds = [heal_to_one_leader(seed, nodes) for seed in range(max(1, round(seeds * part)))]
        print(row(f"{nodes:2} nodes, {len(seconds)} partitions heal -> one leader", seconds), flush=True)
        heals += seconds
    print(row(f"all {len(heals)}", heals))
    goals = Goals()
    goals.judge(f"one leader after {len(heals)} healed partitions, p99.9", spread(heals)[2], ONE_LEADER_INTERVALS, "H")
    goals.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--heals", type=int, help="healed partitions alone, so many in all")
    options = parser.parse_args()
    print(f"{'seconds, H = 1 s':52} {'p50':>5} {'p99':>5} {'p99.9':>5} {'max':>5}")
    if options.heals:
        print_heals(options.heals)
    else:
        print_all(options.seeds)


if __name__ == "__main__":
    main()
