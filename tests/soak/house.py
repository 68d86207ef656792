"""A cluster whose processes are all known, and whose daemons' logs are read: what is left behind, and what are bugs.

Never here: what the cluster does.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from peerd.demo.cluster import Cluster
from peerd.runtime import BUG
from tests.soak.watching import GIVEN_UP_S
from tests.world.processes import MARK, Marked


class House:
    def __init__(self, make: Callable[[Mapping[str, str]], Cluster]) -> None:
        """`make` is given the environment by which each process of the cluster is known."""
        self._family = Marked()
        self.cluster = make({MARK: self._family.environment[MARK]})

    def start(self) -> None:
        self.cluster.start()
        self.cluster.pair_all()
        self.cluster.wait_for_leader(within_s=GIVEN_UP_S)

    def strays(self) -> list[str]:
        """Processes of the family that are none of the running daemons."""
        daemons = {node.process.pid for node in self.cluster.nodes if node.process is not None}
        return [f"process {one.pid} is left behind" for one in self._family.living() if one.pid not in daemons]

    def bugs(self) -> int:
        """How often daemons have logged one, in all of their lives."""
        return sum(node.log.read_text(errors="replace").count(BUG) for node in self.cluster.nodes)

    def keep_logs(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for node in self.cluster.nodes:
            shutil.copy(node.log, folder)
