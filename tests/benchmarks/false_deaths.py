"""Whether devices that live are ever taken for dead: five starved daemons on a network that loses packets.

Five real daemons, each in a network namespace of its own, joined by a bridge that drops 5 % of all IP packets by
chance. Each of them stands still (SIGSTOP) for 30 % of the time, in pieces too short to be told from a busy core.
Nobody ends and nothing is asked. What their witnesses write is counted: deaths declared, and changes of the leader
after the first. Both goals are zero; `--minutes 1 --lost 70 --starved 0.9` shows that deaths would be seen. Exit code
1 says that a goal was missed. It needs root and nft; without them it says so and ends.
"""

import argparse
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from peerd.demo.cluster import Cluster
from tests.goals import Goals
from tests.soak.firewall import lossy
from tests.soak.house import house, memory_folder
from tests.soak.namespaces import why_not
from tests.soak.testimony import Line
from tests.world.asking import TOY, pid_of

NAMES = ("ada", "bob", "cleo", "dan", "eve")
LOST_PERCENT, STARVED_SHARE = 5, 0.3
PERIOD_S = 0.2
"""Of standing still and running on, as a scheduler deals out a crowded core."""
REPORT_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--lost", type=int, default=LOST_PERCENT, help="percent of all packets")
    parser.add_argument("--starved", type=float, default=STARVED_SHARE, help="share of the time that each stands still")
    options = parser.parse_args()
    if reason := why_not():
        print(f"not measured: {reason}")
        return
    deaths: Counter[str] = Counter()
    with memory_folder("peerd-starved-") as folder, house(folder, _five, on_street=True) as home:
        assert home.firewall is not None, "the house is on a street"
        ids = {str(view.id): view.name for view in home.cluster.views()}
        home.lines()
        changes = connections = 0
        stalled_s = 0.0
        began_s, minutes = time.monotonic(), float(options.minutes)
        with home.firewall.drops(lossy(options.lost)), _starved(home.cluster, options.starved):
            while (gone_s := time.monotonic() - began_s) < minutes * 60:
                time.sleep(min(REPORT_S, minutes * 60 - gone_s))
                lines = home.lines()
                deaths += Counter(_death(line, ids) for line in lines if line["is"] == "lost")
                changes += sum(line["is"] == "turned" for line in lines)
                connections += sum(line["is"] == "closed" for line in lines)
                stalled_s += sum(line["seconds"] for line in lines if line["is"] in ("stalled", "slow disk"))
                home.cluster.check()
                print(
                    f"{(time.monotonic() - began_s) / 60:5.1f} min: {deaths.total()} deaths, {changes} changes of role "
                    f"or term, {connections} connections lost, loops held up for {stalled_s:.1f} s in all",
                    flush=True,
                )
    for death, times in deaths.most_common():
        print(f"{times:4} {death}")
    goals = Goals()
    goals.judge("living peers declared dead", deaths.total(), 0, f"in {minutes:g} minutes")
    goals.judge("changes of role or term", changes, 0, f"in {minutes:g} minutes")
    goals.end()


def _five(folder: Path, environment: Mapping[str, str]) -> Cluster:
    return Cluster(folder, NAMES, environment={**TOY, **environment})


def _death(line: Line, ids: Mapping[str, str]) -> str:
    return f"{line['by']} took {ids.get(line['peer'], line['peer'])} for dead, by {line['cause']}"


@contextmanager
def _starved(cluster: Cluster, share: float) -> Iterator[None]:
    """Each daemon on its own beat, so that they do not all stand still together."""
    ended = threading.Event()
    daemons = [psutil.Process(pid_of(node)) for node in cluster.nodes]
    threads = [threading.Thread(target=_starve, args=(daemon, share, ended), daemon=True) for daemon in daemons]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _starve(daemon: psutil.Process, share: float, ended: threading.Event) -> None:
    chance = random.Random(daemon.pid)
    try:
        while not ended.wait(PERIOD_S * (1 - share) * chance.uniform(0.5, 1.5)):
            daemon.send_signal(signal.SIGSTOP)
            time.sleep(PERIOD_S * share * chance.uniform(0.5, 1.5))
            daemon.send_signal(signal.SIGCONT)
    except psutil.NoSuchProcess:
        return  # `check` tells it


if __name__ == "__main__":
    main()
