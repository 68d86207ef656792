"""What can go wrong with a daemon, as blocks: inside one the fault lasts, after it the daemon runs as before.

Never here: whom it meets and when (`cycle.py`), or what must come of it (`play.py`).
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil

from peerd.demo.nodes import NodeProcess
from tests.soak import firewall
from tests.soak.cycle import NETWORK_FAULTS, Cycle, Fault
from tests.soak.firewall import Rule
from tests.soak.house import House
from tests.world.asking import end, full_disk, pid_of, restart

LOST_PERCENT = 5


def why_not(fault: Fault, house: House) -> str:
    """Why it can not happen in this house; '' where it can."""
    if fault in NETWORK_FAULTS and house.street is None:
        return "it needs network namespaces"
    return ""


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


@contextmanager
def few_files(node: NodeProcess) -> Iterator[None]:
    """It may open no more files or connections than it has open now."""
    daemon = psutil.Process(pid_of(node))
    before = daemon.rlimit(psutil.RLIMIT_NOFILE)
    daemon.rlimit(psutil.RLIMIT_NOFILE, (daemon.num_fds(), before[1]))
    try:
        yield
    finally:
        daemon.rlimit(psutil.RLIMIT_NOFILE, before)


def _dropping(house: House, rules: list[Rule]) -> AbstractContextManager[None]:
    assert house.firewall is not None, "this fault needs a street"
    return house.firewall.drops(rules)


@contextmanager
def moved(house: House, node: NodeProcess, *, mdns: bool) -> Iterator[None]:
    """It has another address from now on, as after a new lease of the router; others may not hear it announced."""
    assert house.street is not None, "this fault needs a street"
    with _dropping(house, [] if mdns else [firewall.NO_MDNS]):
        house.street.move(node.name)
        yield


@contextmanager
def killed_without_mdns(house: House, node: NodeProcess) -> Iterator[None]:
    """Where multicast is blocked, it comes back on another port: remembered addresses alone lead to the others."""
    with _dropping(house, [firewall.NO_MDNS]):
        with killed(node):
            pass
        yield


def block(house: House, cycle: Cycle, node: NodeProcess) -> AbstractContextManager[None]:
    """The cycle's fault, when it meets this node."""
    others = [other.name for other in house.cluster.nodes if other is not node]
    blocks: dict[Fault, Callable[[], AbstractContextManager[None]]] = {
        "killed": lambda: killed(node),
        "paused": lambda: paused(node),
        "stopped": lambda: stopped(node),
        "new port": lambda: on_a_new_port(node),
        "disk full": lambda: full_disk(node),
        "few files": lambda: few_files(node),
        "clock jumps": lambda: house.clocks[node.name].off(cycle.jump_s),
        "unplugged": lambda: house.chargers[node.name].pulled(),
        "cut off": lambda: _dropping(house, firewall.parted([node.name], others)),
        "unheard": lambda: _dropping(house, firewall.one_way(node.name, others)),
        "deaf": lambda: _dropping(house, [rule for one in others for rule in firewall.one_way(one, [node.name])]),
        "losing packets": lambda: _dropping(house, firewall.lossy(LOST_PERCENT)),
        "moved": lambda: moved(house, node, mdns=True),
        "moved without mDNS": lambda: moved(house, node, mdns=False),
        "killed without mDNS": lambda: killed_without_mdns(house, node),
    }
    return blocks[cycle.fault]()


SILENCING: frozenset[Fault] = frozenset({"killed", "paused", "stopped", "cut off", "unheard"})
"""While these last, the others are without the one that they meet."""
FOR_A_WHILE: frozenset[Fault] = frozenset({"paused", "cut off", "unheard"})
"""Silence that may be over before the others have noticed."""
MOVING: frozenset[Fault] = frozenset({"moved", "moved without mDNS"})
"""What these lead to comes later."""
