"""What a full cluster bears: 32 daemons on this machine come and go for minutes, and are asked all the while.

Seeded by chance a daemon is killed with its engine, or leaves with a goodbye; more often than by chance it is the
leader. A while later it is back. All others are asked for toy pictures, alone or in small groups, one after the other.
At the end everyone is back, and whatever was accepted must have ended: each request with one picture, or in words that
the person was told. Exit code 1 says that a request was lost, or has two pictures. 32 daemons on a small machine take
all of it: run it beside nothing else.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from peerd.demo.nodes import NodeProcess
from peerd_protocol.errors import PeerdError
from tests.goals import Goals
from tests.world.asking import TOY, Asked, ask, open_requests_of, results_of
from tests.world.churn_watch import Watch
from tests.world.gathering import Gathering
from tests.world.processes import marked

FAULT_EVERY_S, AWAY_S_MIN, AWAY_S_MAX = 10.0, 1.0, 15.0
AWAY_AT_ONCE_MAX = 4
LOOKED_AT = 3
LEADER_IS_HIT = 0.25
ASK_EVERY_S, GROUP_SIZES = 1.5, (1, 1, 2, 3)
STEPS = 8
AGREES_S_MAX = 120.0
ENDS_S_MAX = 180.0
PROMPTS = ("apple on table", "lemon on table", "orange on table", "cat on sofa", "dog on sofa")


class Churn:
    """One gathering under churn. `asked` are the requests that a daemon has accepted."""

    def __init__(self, gathering: Gathering, seed: int) -> None:
        self.gathering, self.chance = gathering, random.Random(seed)
        self.watch = Watch(gathering.nodes, self._some)
        self.asked: list[Asked] = []
        self.refused = 0
        self.faults: Counter[str] = Counter()
        self._away: dict[str, float] = {}
        """When each that is away comes back."""

    def run(self, seconds: float) -> None:
        """The churn; at its end all are back."""
        end_s = time.monotonic() + seconds
        fault_s = ask_s = time.monotonic()
        while (now_s := time.monotonic()) < end_s:
            self._return(now_s)
            if now_s >= fault_s and len(self._away) < AWAY_AT_ONCE_MAX:
                fault_s = now_s + self.chance.uniform(0.5, 1.5) * FAULT_EVERY_S
                self._hit()
            if now_s >= ask_s:
                ask_s = now_s + ASK_EVERY_S
                self._ask()
            time.sleep(0.05)
        self._return(float("inf"))

    def _present(self) -> list[NodeProcess]:
        return [node for node in self.gathering.nodes if node.name not in self._away]

    def _some(self) -> list[NodeProcess]:
        """For the watch's own thread."""
        return random.sample(self._present(), LOOKED_AT)

    def _return(self, now_s: float) -> None:
        for node in self.gathering.nodes:
            if node.name in self._away and self._away[node.name] <= now_s:
                node.finish(time.monotonic() + 5.0)
                self.gathering.start(node)
                del self._away[node.name]

    def _hit(self) -> None:
        present = self._present()
        leading = [node for node in present if node.name == self.watch.leader]
        node = leading[0] if leading and self.chance.random() < LEADER_IS_HIT else self.chance.choice(present)
        kind = self.chance.choice(("killed", "left"))
        self.faults[kind + (", the leader" if node in leading else "")] += 1
        self._away[node.name] = time.monotonic() + self.chance.uniform(AWAY_S_MIN, AWAY_S_MAX)
        if kind == "killed":
            node.kill()
        else:
            node.ask_to_stop()

    def _ask(self) -> None:
        size = self.chance.choice(GROUP_SIZES)
        group = {"group_name": f"g{len(self.asked)}", "group_size": size, "wait_s": 3.0} if size > 1 else {}
        for node in self.chance.sample(self._present(), size):
            try:
                self.asked.append(ask(node, self.chance.choice(PROMPTS), steps=STEPS, **group))
            except PeerdError:
                self.refused += 1  # it was just killed, or is on its way out

    # ---- at the end ----

    def unended(self) -> int:
        """Wait until every accepted request is closed on its origin's disk; how many are not in time."""
        deadline_s = time.monotonic() + ENDS_S_MAX
        while (left := sum(len(open_requests_of(node)) for node in self.gathering.nodes)) and (
            time.monotonic() < deadline_s
        ):
            time.sleep(0.5)
        return left

    def judge(self) -> tuple[int, int, int]:
        """How many requests have a picture, were lost, and how many pictures are nobody's result."""
        results = {node.name: results_of(node) for node in self.gathering.nodes}
        drawn = lost = doubled = 0
        for one in self.asked:
            if one.request in results[one.node.name]:
                drawn += 1
            else:
                print(f"lost: {one.request} at {one.node.name}: {one.tale.ended or one.broken}")
                lost += 1
        for node in self.gathering.nodes:
            files = set((node.home / "pictures").glob("*.png"))
            doubled += len(files - {path for path, _ in results[node.name].values()})
        return drawn, lost, doubled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--nodes", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the daemons' homes and logs stay")
    options = parser.parse_args()
    names = [f"n{number:02}" for number in range(options.nodes)]
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peerd-churn-")))
        family = stack.enter_context(marked())
        gathering = stack.enter_context(Gathering(folder, names, {**family.environment, **TOY}))
        began_s = time.monotonic()
        gathering.start_all()
        print(f"{options.nodes} daemons are up after {time.monotonic() - began_s:.0f} s", flush=True)
        print(f"and agree: {gathering.agree(AGREES_S_MAX)}, after {time.monotonic() - began_s:.0f} s", flush=True)
        churn = Churn(gathering, options.seed)
        with churn.watch:
            churn.run(options.minutes * 60)
        agree, unended = gathering.agree(AGREES_S_MAX), churn.unended()
        drawn, lost, doubled = churn.judge()
        bugs = sum(node.log.read_text(errors="replace").count("Traceback") for node in gathering.nodes)
    print(f"faults: {', '.join(f'{count} {kind}' for kind, count in sorted(churn.faults.items()))}")
    print("\n".join(churn.watch.lines()))
    print(f"requests: {len(churn.asked)} accepted, {drawn} with a picture; {churn.refused} askings met a dead daemon")
    goals = Goals()
    goals.judge("requests lost", lost, 0, f"of {len(churn.asked)}")
    goals.judge("requests still open", unended, 0, f"after {ENDS_S_MAX:g} s")
    goals.judge("pictures that are nobody's result", doubled, 0, f"of {drawn}")
    goals.judge("tracebacks in the logs", bugs, 0, f"of {len(names)} daemons")
    goals.judge("without one leader at the end", not agree, 0, "")
    goals.end()


if __name__ == "__main__":
    main()
