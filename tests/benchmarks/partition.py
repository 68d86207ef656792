"""How soon a cluster that was parted has one leader again, with H = 1 s: each figure beside its goal.

Five real daemons, each in a network namespace of its own. A bridge between them drops everything that crosses from one
side to the other, until each side has a leader; then it drops nothing, and time runs until all five follow one leader,
who is still theirs three seconds later. Sides are drawn from a seed. Exit code 1 says that the goal was missed. It
needs a quiet machine for a quarter of an hour, root and nft; without the last two it says so and ends.
"""

import argparse
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from tests.goals import Goals
from tests.soak.firewall import parted
from tests.soak.house import House, house, memory_folder, now_s
from tests.soak.namespaces import why_not
from tests.soak.watching import GIVEN_UP_S, LOOK_S, percentile
from tests.world.asking import TOY, until

NAMES = ("ada", "bob", "cleo", "dan", "eve")
INTERVAL_S = 1.0
GOAL_INTERVALS = 6.0
STAYS_S = 3.0
SILENT_S_MIN, SILENT_S_MAX = 5.0, 12.0
"""How long they are parted at the least; ZeroMQ gives a silent connection up after six and a half seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heals", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if reason := why_not():
        print(f"not measured: {reason}")
        return
    chance, healed_s, connected_s, broken = random.Random(options.seed), [], [], []
    with memory_folder("peerd-parted-") as folder, house(folder, _five, on_street=True) as home:
        for number in range(options.heals):
            side = chance.sample(NAMES, chance.randint(1, len(NAMES) // 2))
            took_s = _healed_s(home, side, chance.uniform(SILENT_S_MIN, SILENT_S_MAX))
            healed, violations = home.healed(now_s() - STAYS_S - took_s, INTERVAL_S)
            healed_s.append(took_s)
            connected_s += [healed.connected_s] if healed.connected_s is not None else []
            broken += violations
            stalled = f", the machine stood still for {healed.stalled_s:.1f} s" if healed.stalled_s else ""
            print(f"{number + 1:3} {'+'.join(sorted(side)):12} one leader after {took_s:.2f} s{stalled}", flush=True)
            for violation in violations:
                print(f"    VIOLATION {violation}", flush=True)
    for what, figures_s in (("all connected", connected_s), ("one leader for all", healed_s)):
        low_s, high_s = percentile(figures_s, 0.5), percentile(figures_s, 0.99)
        print(f"{what}: {len(figures_s)} times, p50 {low_s:.2f} s, p99 {high_s:.2f} s, max {max(figures_s):.2f} s")
    goals = Goals()
    goals.judge("partition healed, one leader, max", max(healed_s), GOAL_INTERVALS * INTERVAL_S, "s")
    goals.judge("violations that the witnesses show", len(broken), 0, f"in {options.heals} heals")
    goals.end()


def _five(folder: Path, environment: Mapping[str, str]) -> Cluster:
    return Cluster(folder, NAMES, environment={**TOY, **environment})


def _healed_s(home: House, side: Sequence[str], silent_s: float) -> float:
    """From the moment when nothing is dropped any more until the last change to the one leader who stays."""
    assert home.firewall is not None, "the house is on a street"
    cluster = home.cluster
    home.cluster.wait_for_leader(within_s=GIVEN_UP_S)
    sides = [[node for node in cluster.nodes if (node.name in side) is within] for within in (True, False)]
    began_s = time.monotonic()
    with home.firewall.drops(parted(*([node.name for node in each] for each in sides))):
        for each in sides:
            until(lambda each=each: _own_leader(each), "a leader for each side", GIVEN_UP_S)  # type: ignore[misc]
        time.sleep(max(0.0, began_s + silent_s - time.monotonic()))
    healed_s = agreed_s = time.monotonic()
    followed: set[tuple[str, int | None]] = set()
    while len(followed) != 1 or time.monotonic() - agreed_s < STAYS_S:
        before, followed = followed, _followed(cluster.nodes)
        if followed != before:
            agreed_s = time.monotonic()
        assert agreed_s - healed_s < GIVEN_UP_S, f"{side} and the others have no common leader: {followed}"
        time.sleep(LOOK_S)
    return agreed_s - healed_s


def _followed(nodes: Sequence[NodeProcess]) -> set[tuple[str, int | None]]:
    return {(view.leader_name, view.term) for view in (node.client.view() for node in nodes)}


def _own_leader(side: Sequence[NodeProcess]) -> bool:
    followed = _followed(side)
    return len(followed) == 1 and next(iter(followed))[0] in {node.name for node in side}


if __name__ == "__main__":
    main()
