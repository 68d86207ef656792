"""What a daemon costs while nobody asks for anything, and how soon one is there. Prints its figures; goals beside them.

Three daemons with the real engine's settings, none of them warm, on mains. Run on a quiet machine: a crowded one makes
the times longer, the memory and the share of a core hardly. Never here: a verdict (the tests assert generous bounds).
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from peerd.demo.cluster import Cluster
from tests.world.asking import TOY, end, pid_of, until, wait_for_agreement

IDLE_S = 20.0
HELPS = 5
MEMORY_GOAL_MB, CORE_GOAL_PERCENT, HELP_GOAL_S, MEETING_GOAL_S = 90, 1.0, 0.4, 4.0


def main() -> None:
    print(f"peerd --help: {_help_s():.2f} s, the best of {HELPS} (goal <= {HELP_GOAL_S:g} s)")
    with (
        tempfile.TemporaryDirectory(prefix="peerd-idle-") as folder,
        Cluster(Path(folder), ["ada", "bob", "cleo"], environment=TOY) as cluster,
    ):
        cluster.start()
        cluster.pair_all()
        cluster.wait_for_leader()
        daemons = {node.name: psutil.Process(pid_of(node)) for node in cluster.nodes}
        before = {name: _cpu_s(daemon) for name, daemon in daemons.items()}
        began_s = time.monotonic()
        time.sleep(IDLE_S)
        for name, daemon in daemons.items():
            percent = 100 * (_cpu_s(daemon) - before[name]) / (time.monotonic() - began_s)
            resident = daemon.memory_info().rss / 1e6
            print(
                f"{name}: {resident:.0f} MB resident (goal <= {MEMORY_GOAL_MB}),"
                f" {percent:.2f} % of a core over {IDLE_S:g} s (goal < {CORE_GOAL_PERCENT:g} %)"
            )
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
            took_s = time.monotonic() - began_s
            print(f"second `up` to a common leader by {known}: {took_s:.2f} s (goal <= {MEETING_GOAL_S:g} s)")


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
