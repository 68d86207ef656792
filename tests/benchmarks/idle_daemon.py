"""What a daemon costs while nobody asks for anything, and how soon one is there: each figure beside its goal.

Three daemons as `peerd up` starts them, with the real engine. On mains each wakes its engine once, to measure itself,
and that is waited for; the daemons alone are then watched, for an engine is stopped when idle and costs no time. Exit
code 1 says that a goal was missed: run on a quiet machine, since a crowded one makes the times longer.
"""

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import psutil

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import NodeProcess
from tests.goals import Goals
from tests.world.asking import end, member_at, pid_of, until, wait_for_agreement

IDLE_S = 20.0
HELPS = 5
MEMORY_GOAL_MB, CORE_GOAL_PERCENT, HELP_GOAL_S, MEETING_GOAL_S = 90, 1.0, 0.4, 4.0
MEASURED_S_MAX = 180.0


def main() -> None:
    goals = Goals()
    goals.judge("peerd --help", _help_s(), HELP_GOAL_S, f"s, the best of {HELPS}")
    with (
        tempfile.TemporaryDirectory(prefix="peerd-idle-") as folder,
        Cluster(Path(folder), ["ada", "bob", "cleo"]) as cluster,
    ):
        cluster.start()
        cluster.pair_all()
        cluster.wait_for_leader()
        for node in cluster.nodes:
            until(partial(_has_measured, node), f"{node.name} has measured itself", MEASURED_S_MAX)
        _idle(cluster, goals)
        _meeting(cluster, goals)
    goals.end()


def _idle(cluster: Cluster, goals: Goals) -> None:
    daemons = {node.name: psutil.Process(pid_of(node)) for node in cluster.nodes}
    before = {name: _cpu_s(daemon) for name, daemon in daemons.items()}
    began_s = time.monotonic()
    time.sleep(IDLE_S)
    for name, daemon in daemons.items():
        percent = 100 * (_cpu_s(daemon) - before[name]) / (time.monotonic() - began_s)
        goals.judge(f"{name}, resident", daemon.memory_info().rss / 1e6, MEMORY_GOAL_MB, "MB")
        goals.judge(f"{name}, idle", percent, CORE_GOAL_PERCENT, f"% of a core over {IDLE_S:g} s")


def _meeting(cluster: Cluster, goals: Goals) -> None:
    """From `up` on the second node to a common leader, by what is remembered and by mDNS alone."""
    ada, bob, cleo = cluster.nodes
    end(cleo)
    for known in ("remembered addresses", "mDNS alone"):
        end(bob)
        until(lambda: ada.client.view().leader == ada.client.view().id, "ada leads by herself")
        if known == "mDNS alone":
            for node in (ada, bob):
                (node.home / "addresses").unlink()
        began_s = time.monotonic()
        bob.start("--port", "0")
        bob.wait_until_up()
        wait_for_agreement(ada, bob)
        goals.judge(f"second `up` to a common leader by {known}", time.monotonic() - began_s, MEETING_GOAL_S, "s")


def _has_measured(node: NodeProcess) -> bool:
    me = member_at(node, node.name)
    return me is not None and me.steps_per_second > 0


def _help_s() -> float:
    took = []
    for _ in range(HELPS):
        began_s = time.monotonic()
        subprocess.run([Path(sys.executable).with_name("peerd"), "--help"], stdout=subprocess.DEVNULL, check=True)
        took.append(time.monotonic() - began_s)
    return min(took)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
