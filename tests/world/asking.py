"""Words for stories about real daemons: ask one for a picture, watch what it tells, wait for what must come.

A wait always looks for something that happens, with a bound far above what it takes. Never here: starting daemons
(`peerd.demo.cluster`), or what a story expects of them.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psutil

from peerd.api.desk import MemberView, Wish
from peerd.config import HOME_VARIABLE
from peerd.demo.cluster import Agreement, Cluster, agreed, who_misses_whom
from peerd.demo.nodes import NodeProcess
from peerd.network import sealing_key
from peerd.screen.tale import Tale
from peerd.sealing import Seal
from peerd.store import PLAN_PLACE
from peerd_protocol.errors import PeerdError
from peerd_protocol.ids import RequestId
from peerd_protocol.notices import AnyNotice, Failed, Finished
from peerd_protocol.plan import GroupPlan

LOOK_S = 0.05
SOON_S = 30.0
"""Far above what anything here takes, so that only a thing that never comes is told as missing."""
PICTURE_S = 120.0
"""A cold engine on a crowded machine needs a good part of it."""
TOY = {"PEERD_ENGINE": "toy"}

Found = TypeVar("Found")


def until(look: Callable[[], Found | None], what: str, within_s: float = SOON_S) -> Found:
    """What `look` finds once there is something; the story fails with `what` if nothing comes."""
    deadline_s = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what}"
        time.sleep(LOOK_S)
    return found


class Asked:
    """One wish at one node, followed by a thread of its own until it ends or its daemon does."""

    def __init__(self, node: NodeProcess, wish: Wish) -> None:
        self.node, self.tale = node, Tale(wish.prompt)
        self.notices: list[AnyNotice] = []
        self.broken = ""
        self._client = node.client
        self.request: RequestId = self._client.submit(wish)
        self._more = threading.Condition()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        try:
            for notice in self._client.follow(self.request):
                with self._more:
                    self.notices.append(notice)
                    self.tale.hear(notice)
                    self._more.notify_all()
        except PeerdError as error:
            self.broken = str(error)
        with self._more:
            self.broken = self.broken or "the daemon ended the story"
            self._more.notify_all()

    def wait_for(self, fits: Callable[[AnyNotice], bool], what: str, within_s: float = PICTURE_S) -> AnyNotice:
        """The first notice that fits."""
        deadline_s = time.monotonic() + within_s
        with self._more:
            while not (found := [notice for notice in self.notices if fits(notice)]):
                left_s = deadline_s - time.monotonic()
                assert not self.broken, f"{self.node.name} never told {what}: {self.broken}; {self.notices[-3:]}"
                assert left_s > 0, f"{self.node.name} did not tell {what} within {within_s:g} s"
                self._more.wait(left_s)
        return found[0]

    def first(self, kind: type[Found], within_s: float = PICTURE_S) -> Found:
        found = self.wait_for(lambda notice: isinstance(notice, kind), kind.__name__, within_s)
        assert isinstance(found, kind)
        return found

    def ended(self, within_s: float = PICTURE_S) -> Finished | Failed:
        found = self.wait_for(lambda notice: isinstance(notice, Finished | Failed), "an end", within_s)
        assert isinstance(found, Finished | Failed)
        return found

    def finished(self, within_s: float = PICTURE_S) -> Finished:
        ending = self.ended(within_s)
        assert isinstance(ending, Finished), ending
        return ending


def ask(node: NodeProcess, prompt: str, **wishes: object) -> Asked:
    return Asked(node, msgspec.convert({"prompt": prompt, **wishes}, Wish))


def ask_together(nodes: Sequence[NodeProcess], prompts: Sequence[str], group: str, **wishes: object) -> list[Asked]:
    """One prompt at each node, all under one group name, so that they wait for each other."""
    together = {"group_name": group, "group_size": len(prompts), "wait_s": SOON_S, **wishes}
    return [ask(node, prompt, **together) for node, prompt in zip(nodes, prompts, strict=True)]


# ---- what nodes know -------------------------------------------------------------------------------------------


def agreement_of(*nodes: NodeProcess) -> Agreement | None:
    """What these nodes agree on now."""
    return agreed([node.client.view() for node in nodes])


def wait_for_agreement(*nodes: NodeProcess, within_s: float = SOON_S) -> Agreement:
    """Until these nodes see each other and follow one of themselves."""
    names = ", ".join(node.name for node in nodes)
    try:
        return until(lambda: agreement_of(*nodes), f"one leader for {names}", within_s)
    except AssertionError as error:
        raise AssertionError(f"{error}: {who_misses_whom([node.client.view() for node in nodes])}") from None


def member_at(seer: NodeProcess, seen: str) -> MemberView | None:
    """How one node shows another, by its name."""
    return next((member for member in seer.client.view().members if member.name == seen), None)


def status_at(seer: NodeProcess, seen: str) -> str:
    member = member_at(seer, seen)
    return member.status if member else ""


def promises_of(node: NodeProcess) -> list[GroupPlan]:
    """The plans whose promises lie in this node's state file."""
    seal = Seal(sealing_key.load_or_make(node.home))
    rows = _rows(node, "SELECT group_id, plan FROM promises ORDER BY number")
    opened = [seal.open(plan, PLAN_PLACE + group) for group, plan in rows]
    return [msgspec.json.decode(plan, type=GroupPlan) for plan in opened if plan is not None]


def open_requests_of(node: NodeProcess) -> list[RequestId]:
    """The requests that its state file holds as neither done nor given up."""
    rows = _rows(node, "SELECT key FROM memory WHERE key LIKE 'request/%' ORDER BY key")
    return [RequestId(str(key).removeprefix("request/")) for (key,) in rows]


def results_of(node: NodeProcess) -> dict[RequestId, tuple[Path, str]]:
    """The pictures that its state file says were delivered: where each lies, and the digest of its pixels."""
    rows = _rows(node, "SELECT request, path, pixels_sha256 FROM results")
    return {RequestId(request): (Path(path), pixels) for request, path, pixels in rows}


def _rows(node: NodeProcess, query: str) -> list[tuple[Any, ...]]:
    """Read beside the running daemon, or after it."""
    with closing(sqlite3.connect(f"file:{node.home / 'state.sqlite'}?mode=ro", uri=True)) as base:
        return base.execute(query).fetchall()


def restart(*nodes: NodeProcess, options: Sequence[str] = ()) -> None:
    """Start them side by side on new ports, whether they were stopped, killed or never started."""
    for node in nodes:
        node.start("--port", "0", *options)
    for node in nodes:
        node.wait_until_up()


def leader_and_followers(cluster: Cluster) -> tuple[NodeProcess, list[NodeProcess]]:
    agreement = wait_for_agreement(*cluster.nodes)
    leader = cluster[agreement.leader_name]
    return leader, [node for node in cluster.nodes if node is not leader]


# ---- processes -------------------------------------------------------------------------------------------------


def pid_of(node: NodeProcess) -> int:
    assert node.process is not None
    return node.process.pid


def end(node: NodeProcess, number: signal.Signals = signal.SIGTERM) -> None:
    """One signal to the daemon alone, not to its engine; returns when the daemon has ended."""
    process = psutil.Process(pid_of(node))
    process.send_signal(number)
    until(lambda: not _runs(process), f"{node.name} ends by {number.name}")
    node.finish(time.monotonic())


def engine_of(node: NodeProcess) -> psutil.Process | None:
    """Its engine's process, while there is one."""
    for child in psutil.Process(pid_of(node)).children():
        if "peerd.engine.child" in child.cmdline():
            return child
    return None


def wait_for_engine(node: NodeProcess) -> psutil.Process:
    return until(lambda: engine_of(node), f"an engine of {node.name}")


def wait_until_gone(process: psutil.Process) -> None:
    until(lambda: not _runs(process), f"process {process.pid} is gone")


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def full_disk(node: NodeProcess) -> Iterator[None]:
    """The kernel refuses the daemon every write (RLIMIT_FSIZE, set from outside), as a full disk does; Linux alone."""
    daemon = psutil.Process(pid_of(node))
    before = daemon.rlimit(psutil.RLIMIT_FSIZE)
    daemon.rlimit(psutil.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        daemon.rlimit(psutil.RLIMIT_FSIZE, before)


# ---- the command line ------------------------------------------------------------------------------------------


def begin(home: Path, *words: str, **environment: str) -> "subprocess.Popen[str]":
    """`peerd WORDS` on this home."""
    return subprocess.Popen(
        [sys.executable, "-m", "peerd", *words],
        env={**os.environ, **TOY, **environment, HOME_VARIABLE: str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def peerd(home: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    with begin(home, *words, **environment) as process:
        try:
            stdout, stderr = process.communicate(timeout=PICTURE_S)
        finally:
            process.kill()
    return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)


def the_sentence(stderr: str) -> str:
    """What a failed command says: one line, and no traceback."""
    (line,) = [line for line in stderr.strip().splitlines() if line.strip()]
    assert line.startswith("peerd: "), line
    return line.removeprefix("peerd: ")


def all_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
