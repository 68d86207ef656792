"""What can go wrong with a daemon, as blocks: inside one the fault lasts, after it the daemon runs as before.

Never here: whom it meets and when (`cycle.py`), or what must come of it (`play.py`).
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil

from peerd.demo.nodes import NodeProcess
from tests.soak.cycle import Fault
from tests.world.asking import end, full_disk, pid_of, restart


@contextmanager
def killed(node: NodeProcess) -> Iterator[None]:
    """As a power cut would: the daemon and its engine at once."""
    node.kill()
    yield
    node.finish(time.monotonic())
    restart(node)


@contextmanager
def paused(node: NodeProcess) -> Iterator[None]:
    """It neither hears nor says anything, and its connections stay open: as a device that is cut off."""
    daemon = psutil.Process(pid_of(node))
    daemon.suspend()
    try:
        yield
    finally:
        daemon.resume()


@contextmanager
def stopped(node: NodeProcess) -> Iterator[None]:
    """It says goodbye."""
    end(node, signal.SIGTERM)
    yield
    restart(node)


@contextmanager
def on_a_new_port(node: NodeProcess) -> Iterator[None]:
    """Killed, and back at once where nobody knows it."""
    with killed(node):
        pass
    yield


BLOCKS: dict[Fault, Callable[[NodeProcess], AbstractContextManager[None]]] = {
    "killed": killed,
    "paused": paused,
    "stopped": stopped,
    "new port": on_a_new_port,
    "disk full": full_disk,
}
SILENCING: frozenset[Fault] = frozenset({"killed", "paused", "stopped"})
"""While these last, the others are without the one that they meet."""
