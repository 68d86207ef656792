"""Many daemons on this machine that are one cluster from their first start: certified and told of each other on disk.

Pairing them by words takes two processes and a second each; a gathering of 32 is for what comes after. Never here:
what is done to them.
"""

import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from peerd.demo.nodes import NodeProcess, stop_all
from peerd.network.addresses import AddressBook
from peerd.network.identity import Identity
from peerd.network.roster import Roster
from peerd_protocol.certificates import ALL_ROLES
from peerd_protocol.errors import PeerdError

HOST = "127.0.0.1"


class Gathering:
    """`nodes` are not started yet; each has a port of its own, for all of its lives."""

    def __init__(self, folder: Path, names: Sequence[str], environment: Mapping[str, str]) -> None:
        self.nodes = [NodeProcess(name, folder / name, environment) for name in names]
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        identities = {node.name: Identity.load_or_make(_made(node.home)) for node in self.nodes}
        first, *others = self.nodes
        founder = Roster.load_or_found(first.home, identities[first.name], first.name)
        for node in others:
            joiner = identities[node.name]
            founder.admit(joiner.device_key, joiner.curve_key, joiner.key_bind, node.name, ALL_ROLES)
        for node in others:
            roster = Roster.load_or_found(node.home, identities[node.name], node.name)
            roster.adopt(founder.keys, founder.certificates, founder.revocations)
        for node in self.nodes:
            book = AddressBook(node.home)
            for other in self.nodes:
                if other is not node:
                    book.remember(identities[other.name].node, HOST, self._ports[other.name])

    def __enter__(self) -> "Gathering":
        return self

    def __exit__(self, *_: object) -> None:
        stop_all(self.nodes)

    def start(self, node: NodeProcess) -> None:
        """Where the others know it; returns when it answers."""
        node.start("--port", str(self._ports[node.name]), "--no-mdns")
        node.wait_until_up()

    def start_all(self) -> None:
        """One after the other: side by side they would start too slowly for all."""
        for node in self.nodes:
            self.start(node)

    def agree(self, within_s: float) -> bool:
        """Whether all follow one leader and miss nobody, by then."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            if self._agree_now():
                return True
            time.sleep(1.0)
        return False

    def _agree_now(self) -> bool:
        terms = set()
        for node in self.nodes:
            try:
                view = node.client.view()
            except PeerdError:
                return False
            living = sum(member.status == "alive" for member in view.members)
            terms.add((view.leader, view.term))
            if view.leader is None or living < len(self.nodes) or len(terms) > 1:
                return False
        return True


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _free_ports(count: int) -> list[int]:
    """That nobody has now; they are held together, so that no two are alike."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            one = held.enter_context(socket.socket())
            one.bind((HOST, 0))
            ports.append(one.getsockname()[1])
        return ports
