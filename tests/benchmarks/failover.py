"""How soon a lost leader is replaced, and what its loss costs whoever is left: each figure beside its goal.

Three real daemons on this machine. Their leader's process is killed again and again, and each time a follower is asked
for a picture in the same moment; then leaders are stopped by a signal, which looks like a device that is cut off: its
connections stay open, and it is silent. Last, with the real engine, leaders die while the others draw: engines that
live must not be started again. Exit code 1 says that a goal was missed: run on a quiet machine, for two minutes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from peerd_protocol.notices import Finished
from tests.goals import Goals
from tests.soak.faults import killed, paused
from tests.soak.watching import GIVEN_UP_S, percentile, replaced_s
from tests.world.asking import (
    TOY,
    Asked,
    ask,
    leader_and_followers,
    wait_for_agreement,
    wait_for_engine,
)

KILLED_GOAL_S = 1.5
SILENT_MEDIAN_GOAL_S, SILENT_GOAL_S = 4.5, 6.0
PROMPT, STEPS = "apple on table", 6

Lose = Callable[[NodeProcess], AbstractContextManager[None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--stops", type=int, default=8)
    parser.add_argument("--engine-kills", type=int, default=3)
    options = parser.parse_args()
    asked: list[Asked] = []
    with _three(TOY) as cluster:
        killed_s = [_replaced_s(cluster, killed, asked) for _ in range(options.kills)]
        silent_s = [_replaced_s(cluster, paused, asked) for _ in range(options.stops)]
    with _three({}) as cluster:
        restarted = sum(_engines_restarted(cluster, asked) for _ in range(options.engine_kills))
    print("| leader | times | new leader after p50, s | p99, s | max, s |\n|---|---|---|---|---|")
    for what, figures_s in (("process killed", killed_s), ("cut off", silent_s)):
        low_s, high_s = percentile(figures_s, 0.5), percentile(figures_s, 0.99)
        print(f"| {what} | {len(figures_s)} | {low_s:.2f} | {high_s:.2f} | {max(figures_s):.2f} |")
    lost = sum(not isinstance(one.ended(), Finished) for one in asked)
    goals = Goals()
    goals.judge("leader's process killed, new leader p99", percentile(killed_s, 0.99), KILLED_GOAL_S, "s")
    goals.judge("leader cut off, new leader p50", percentile(silent_s, 0.5), SILENT_MEDIAN_GOAL_S, "s")
    goals.judge("leader cut off, new leader p99", percentile(silent_s, 0.99), SILENT_GOAL_S, "s")
    goals.judge("requests lost", lost, 0, f"of {len(asked)}")
    goals.judge("living engines started again", restarted, 0, f"in {options.engine_kills} losses")
    goals.end()


@contextmanager
def _three(environment: Mapping[str, str]) -> Iterator[Cluster]:
    with (
        tempfile.TemporaryDirectory(prefix="peerd-failover-") as folder,
        Cluster(Path(folder), ["ada", "bob", "cleo"], environment=environment) as cluster,
    ):
        cluster.start()
        cluster.pair_all()
        cluster.wait_for_leader(within_s=GIVEN_UP_S)
        yield cluster


def _ask(node: NodeProcess) -> Asked:
    """A picture that nobody keeps the beginning of, so that each is drawn whole."""
    return ask(node, PROMPT, steps=STEPS, keep=False)


def _replaced_s(cluster: Cluster, lose: Lose, asked: list[Asked]) -> float:
    """From the leader's loss until both others follow the same new one; all three agree again when this returns."""
    leader, others = leader_and_followers(cluster)
    asked.append(_ask(others[0]))
    began_s = time.monotonic()
    with lose(leader):
        took_s = replaced_s(leader.name, others, began_s)
        assert took_s is not None, f"nobody has replaced {leader.name}"
        asked[-1].ended()
    wait_for_agreement(*cluster.nodes)
    return took_s


def _engines_restarted(cluster: Cluster, asked: list[Asked]) -> int:
    """How many of the followers' warm engines are other processes once the leader is lost and both have drawn."""
    leader, others = leader_and_followers(cluster)
    warm = _draw(others, asked)
    with killed(leader):
        after = _draw(others, asked)
    wait_for_agreement(*cluster.nodes)
    return sum(after[name] != pid for name, pid in warm.items())


def _draw(nodes: Sequence[NodeProcess], asked: list[Asked]) -> dict[str, int]:
    """One picture each; the engines that made them."""
    mine = [_ask(node) for node in nodes]
    asked += mine
    for one in mine:
        one.ended()
    return {node.name: wait_for_engine(node).pid for node in nodes}


if __name__ == "__main__":
    main()
