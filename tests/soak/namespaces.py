"""A house of its own for each daemon, on one street: network namespaces that a bridge joins, made and removed again.

    ada --veth--+                    The hub has the bridge, and the rules of what crosses it (`firewall.py`);
    bob --veth--+-- bridge in hub    nothing of this touches the network of the machine itself.
    cleo --veth-+

Whatever is made is a namespace named after the process that made it, so that the next street takes down what a killed
one has left. Never here: daemons, or what goes wrong on the street.
"""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

PREFIX = "peerd-soak"
BRIDGE = "street"
INTERFACE = "eth0"
COMMAND_S_MAX = 10.0
HOUSES_MAX = 16
NETWORK = "10.83.0"
MOVES_MAX = 200
"""Addresses for those who move, behind the first ones; then they begin again."""

_streets = itertools.count()


def why_not() -> str:
    """Why no street can be built here; '' where one can."""
    if sys.platform != "linux":
        return "only Linux has network namespaces"
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    for program, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(program) is None:
            return f"the program {program} is missing (package {package})"
    try:
        with street(["probe"]) as built:
            run("ip", "netns", "exec", built.hub, "nft", "-f", "-", said="add table bridge peerd\n")
    except StreetFailed as error:
        return str(error)
    return ""


class StreetFailed(Exception):
    """A command failed; the text is what it said."""


class Street:
    """One house a name; `within` are the words that start a program in one."""

    def __init__(self, names: Sequence[str]) -> None:
        assert 0 < len(names) <= HOUSES_MAX
        self._stem = f"{PREFIX}-{os.getpid()}-{next(_streets)}"
        self.hub = f"{self._stem}-hub"
        self.names = tuple(names)
        self._addresses: dict[str, str] = {}
        self._given = 0

    def within(self, name: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self._house(name))

    def address(self, name: str) -> str:
        return self._addresses[name]

    def build(self) -> None:
        run("ip", "netns", "add", self.hub)
        run("ip", "-n", self.hub, "link", "add", "name", BRIDGE, "type", "bridge")
        run("ip", "-n", self.hub, "link", "set", BRIDGE, "up")
        for name in self.names:
            house = self._house(name)
            run("ip", "netns", "add", house)
            peer = ("peer", "name", INTERFACE, "netns", house)
            run("ip", "-n", self.hub, "link", "add", "name", name, "type", "veth", *peer)
            run("ip", "-n", self.hub, "link", "set", name, "master", BRIDGE, "up")
            run("ip", "-n", house, "link", "set", "lo", "up")
            run("ip", "-n", house, "link", "set", INTERFACE, "up")
            self._addresses[name] = self._new_address()
            run("ip", "-n", house, "address", "add", f"{self._addresses[name]}/24", "dev", INTERFACE)

    def move(self, name: str) -> str:
        """The house has another address from now on, as after a new lease of a router."""
        old, new = self._addresses[name], self._new_address()
        house = self._house(name)
        run("ip", "-n", house, "address", "del", f"{old}/24", "dev", INTERFACE)
        run("ip", "-n", house, "address", "add", f"{new}/24", "dev", INTERFACE)
        self._addresses[name] = new
        return new

    def tear_down(self) -> None:
        _remove(self._stem)

    def _house(self, name: str) -> str:
        return f"{self._stem}-{name}"

    def _new_address(self) -> str:
        self._given = self._given % MOVES_MAX + 1
        return f"{NETWORK}.{self._given}"


@contextmanager
def street(names: Sequence[str]) -> Iterator[Street]:
    """Gone after the block, whatever happened in it; so is the street of a program that was killed."""
    _sweep()
    built = Street(names)
    try:
        built.build()
        yield built
    finally:
        built.tear_down()


def run(*words: str, said: str | None = None) -> str:
    """What the command answers. StreetFailed tells what it complains of."""
    try:
        done = subprocess.run(words, input=said, capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StreetFailed(f"{' '.join(words)}: {error}") from error
    if done.returncode != 0:
        raise StreetFailed(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _sweep() -> None:
    """Remove what was made by a process that is gone."""
    for name in _namespaces():
        maker, _, _ = name.removeprefix(f"{PREFIX}-").partition("-")
        if maker.isdigit() and not _lives(int(maker)):
            _remove(f"{PREFIX}-{maker}")


def _remove(stem: str) -> None:
    """A namespace takes its interfaces with it, and ends when the last process in it does."""
    for name in _namespaces():
        if name.startswith(f"{stem}-"):
            try:
                run("ip", "netns", "delete", name)
            except StreetFailed as error:
                print(f"not removed: {error}", file=sys.stderr)


def _namespaces() -> list[str]:
    """Ours alone."""
    listed = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.strip()]
    return [name for name in listed if name.startswith(f"{PREFIX}-")]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's process has the number now; its owner can sweep
    return True
