"""What one sees of many daemons from outside: who they say leads, for how long nobody did, and what they cost.

Never here: doing anything to them.
"""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import psutil

from peerd.demo.nodes import NodeProcess
from peerd_protocol.errors import PeerdError

LOOK_EVERY_S = 0.2
WEIGH_EVERY_S = 5.0
ANSWERS_S_MAX = 3.0
MB = 1e6


class Watch:
    """Looks from a thread of its own. `present` are some daemons that run, another choice at each look.

    There is a leader while anyone asked names one that runs.
    """

    def __init__(self, nodes: Sequence[NodeProcess], present: Callable[[], Sequence[NodeProcess]]) -> None:
        self._nodes, self._present = nodes, present
        self.leader = ""
        self.changes, self.looks = 0, 0
        self.without_s: list[float] = []
        """Each time without a leader, as far as looks can tell."""
        self._began_s = self._led_s = time.monotonic()
        self._missed = False
        self._cpu_s: dict[int, float] = {}
        self._cpu_before_s: dict[int, float] = {}
        self.memory_mb: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._weigh()
        self._cpu_before_s = dict(self._cpu_s)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def lines(self) -> list[str]:
        seconds = time.monotonic() - self._began_s
        cpu_s = sum(spent_s - self._cpu_before_s.get(pid, 0.0) for pid, spent_s in self._cpu_s.items())
        mean_mb = sum(self.memory_mb) / len(self.memory_mb)
        return [
            f"leaders: {self.changes} changes in {seconds:.0f} s and {self.looks} looks; "
            f"without one {len(self.without_s)} times, the longest {max(self.without_s, default=0.0):.1f} s",
            f"all daemons and engines: {cpu_s:.0f} s of processor, {cpu_s / seconds:.2f} cores; "
            f"{mean_mb:.0f} MB of memory, at most {max(self.memory_mb):.0f}",
        ]

    def _run(self) -> None:
        weigh_s = 0.0
        while not self._ended.wait(LOOK_EVERY_S):
            self._look()
            if time.monotonic() >= weigh_s:
                weigh_s = time.monotonic() + WEIGH_EVERY_S
                self._weigh()

    def _look(self) -> None:
        named: set[str] = set()
        for node in self._present():
            try:
                named.add(node.client.view(timeout_s=ANSWERS_S_MAX).leader_name)
            except PeerdError:
                continue
        running = {node.name for node in self._nodes if node.process is not None and node.process.poll() is None}
        now_s, leaders = time.monotonic(), sorted(named & running)
        self.looks += 1
        if not leaders:
            self._missed = True
            return
        if self._missed:
            self.without_s.append(now_s - self._led_s)
        self._led_s, self._missed = now_s, False
        if self.leader not in leaders:
            self.changes += self.leader != ""
            self.leader = leaders[0]

    def _weigh(self) -> None:
        """The memory that only they use; the processor time of the dead is what was last seen of it."""
        bytes_used = 0
        for node in self._nodes:
            try:
                daemon = psutil.Process(node.process.pid if node.process is not None else -1)
                for process in (daemon, *daemon.children(recursive=True)):
                    times = process.cpu_times()
                    self._cpu_s[process.pid] = times.user + times.system
                    bytes_used += process.memory_full_info().uss
            except (psutil.Error, ValueError):
                continue
        self.memory_mb.append(bytes_used / MB)
