"""A cluster whose processes are all known, whose daemons' logs are read, and whose devices can be tampered with.

Each daemon has a charger and a wall clock of its own and a witness of what it does; on a street it has a network of its
own too. Never here: what goes wrong (`faults.py`), or what the cluster does.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from peerd.demo.cluster import Cluster
from peerd.demo.nodes import POLL_S
from peerd.runtime import BUG
from tests.soak import testimony
from tests.soak.charger import Charger
from tests.soak.checker import Checker
from tests.soak.firewall import Firewall
from tests.soak.healing import Healed, Healing
from tests.soak.namespaces import Street, street
from tests.soak.testimony import Line, Witnesses
from tests.soak.wall_clock import WallClock
from tests.soak.watching import GIVEN_UP_S
from tests.world.processes import MARK, Marked

CONNECTED_S_MAX = 15.0
"""A connection that a fault made silent is given up after six and a half seconds, and made anew within three."""
MEMORY = Path("/dev/shm")


class House:
    def __init__(self, folder: Path, make: Callable[[Path, Mapping[str, str]], Cluster], built: Street | None) -> None:
        """`make` is given the environment by which each process of the cluster is known."""
        self._family = Marked()
        self.cluster = make(folder, {MARK: self._family.environment[MARK]})
        self.street, self.firewall = built, Firewall(built) if built else None
        files = {node.name: folder / f"{node.name}.events" for node in self.cluster.nodes}
        self.chargers = {name: Charger(folder / f"{name}.sys") for name in files}
        self.clocks = {name: WallClock(folder / f"{name}.clock") for name in files}
        for node in self.cluster.nodes:
            own = {**self.chargers[node.name].environment, **self.clocks[node.name].environment}
            witness = testimony.environment(files[node.name], node.environment)
            node.environment = {**node.environment, **own, **witness}
            node.within = built.within(node.name) if built else ()
        self._files = files
        self._witnesses = Witnesses(files)
        self.checker, self.healing = Checker(), Healing(files)

    def start(self) -> None:
        self.cluster.start()
        self.cluster.pair_all()
        self.cluster.wait_for_leader(within_s=GIVEN_UP_S)
        self.calm()

    def lines(self) -> list[Line]:
        """What was told since the last reading, for who judges it otherwise."""
        return self._witnesses.more()

    def calm(self) -> list[str]:
        """What is wrong with all that was told since the last reading, while nothing went wrong."""
        lines = self._witnesses.more()
        return [*self.checker.hear(lines), *self.healing.calm(lines)]

    def healed(self, healed_s: float, interval_s: float) -> tuple[Healed, list[str]]:
        """What is wrong with a cycle whose fault ended then, by the boot-time clock; with the H that it had."""
        lines, deadline_s = self._witnesses.more(), time.monotonic() + CONNECTED_S_MAX
        healed = self.healing.healed(lines, healed_s, interval_s)
        while healed.connected_s is None and time.monotonic() < deadline_s:
            time.sleep(POLL_S)
            lines += (more := self._witnesses.more())
            later = self.healing.healed(more, healed_s, interval_s)
            healed = replace(later, stalled_s=max(healed.stalled_s, later.stalled_s))
        return healed, [*self.checker.hear(lines), *self.checker.ended()]

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
            shutil.copy(self._files[node.name], folder)


@contextmanager
def memory_folder(prefix: str) -> Iterator[Path]:
    """For homes: in memory if there is such a place, since others who write to this machine's disk hold up every fsync
    for seconds."""
    with tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def house(folder: Path, make: Callable[[Path, Mapping[str, str]], Cluster], *, on_street: bool) -> Iterator[House]:
    """A house whose daemons run; on a street of namespaces, or on loopback."""
    if not on_street:
        yield from _inhabited(House(folder, make, None))
        return
    names = [node.name for node in make(folder, {}).nodes]
    with street(names) as built:
        yield from _inhabited(House(folder, make, built))


def _inhabited(made: House) -> Iterator[House]:
    with made.cluster:
        made.start()
        yield made


def now_s() -> float:
    """The clock of witnesses."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
