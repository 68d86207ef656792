"""Several real daemons on this machine that become one cluster: by invite and join, mDNS and election.

    with Cluster(folder, ["ada", "bob"]) as cluster:
        cluster.start()
        cluster.pair_all()
        cluster.wait_for_leader()

Leaving the block stops every daemon. Nothing here sleeps for a fixed time: it looks until what it waits for is there,
with a bound. Never here: requests (`errands.py`), or drawing.
"""

import threading
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from peerd.api.desk import NodeView
from peerd.api.wire import Asking, PairingLine
from peerd.demo.nodes import POLL_S, DemoFailed, NodeProcess, stop_all
from peerd.pairing_news import Joined, PairingFailed, TokenMade
from peerd_protocol.errors import PeerdError
from peerd_protocol.ids import NodeId

NODES_MAX = 16
PAIRING_S_MAX = 20.0
MEETING_S_MAX = 12.0
"""Discovery takes a second or two and an election four; a good deal more means that multicast is blocked."""
NAMES = (
    *("ada", "bob", "cleo", "dan", "eve", "finn", "gus", "hal"),
    *("ivy", "jon", "kim", "lea", "max", "noa", "oli", "pia"),
)

Watch = Callable[[Sequence[NodeView]], None]


@dataclass(frozen=True, slots=True)
class Agreement:
    """All nodes see each other and follow the same leader in the same term."""

    leader: NodeId
    leader_name: str
    term: int
    views: tuple[NodeView, ...]


class Cluster:
    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        *,
        mdns: bool = True,
        environment: Mapping[str, str] | None = None,
        each: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """`environment` is for all daemons, `each` for one by its name."""
        if not 1 <= len(names) <= NODES_MAX:
            raise DemoFailed(f"A cluster here has 1 to {NODES_MAX} nodes; {len(names)} were asked for.")
        self.mdns = mdns
        self.nodes = [
            NodeProcess(name, folder / name, {**(environment or {}), **((each or {}).get(name, {}))}) for name in names
        ]

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __getitem__(self, name: str) -> NodeProcess:
        return next(node for node in self.nodes if node.name == name)

    def start(self) -> None:
        """Start all daemons side by side, each on a free port, and return when all answer."""
        for node in self.nodes:
            node.start("--port", "0", *([] if self.mdns else ["--no-mdns"]))
        for node in self.nodes:
            node.wait_until_up()

    def stop(self) -> None:
        stop_all(self.nodes)

    def check(self, lost: Collection[str] = ()) -> None:
        """Raise DemoFailed if any daemon has ended that was not `lost` on purpose."""
        for node in self.nodes:
            if node.name not in lost:
                node.check()

    def views(self) -> tuple[NodeView, ...]:
        self.check()
        return tuple(node.client.view() for node in self.nodes)

    def denoiser_calls(self) -> dict[str, int]:
        """All denoiser calls of each node since its start, as its engine counted them."""
        return {view.name: view.denoiser_calls for view in self.views()}

    def pair_all(self, on_pair: Callable[[str, str, str], None] | None = None) -> None:
        """The first node invites all others, one after the other. `on_pair` hears both names and the check words."""
        inviter = self.nodes[0]
        for joiner in self.nodes[1:]:
            words = pair(inviter, joiner)
            if on_pair is not None:
                on_pair(inviter.name, joiner.name, words)

    def wait_for_leader(self, watch: Watch | None = None, within_s: float = MEETING_S_MAX) -> Agreement:
        """Until all see each other and one leader. DemoFailed says who misses whom."""
        deadline_s = time.monotonic() + within_s
        while True:
            views = self.views()
            if watch is not None:
                watch(views)
            agreement = agreed(views)
            if agreement is not None:
                return agreement
            if time.monotonic() > deadline_s:
                raise DemoFailed(f"There is no common leader after {within_s:g} s: {who_misses_whom(views)}")
            time.sleep(POLL_S)

    def reconnect_by_address(self) -> None:
        """Where multicast is blocked: start all again, each told the addresses of the others."""
        addresses = [view.endpoints[0].removeprefix("tcp://") for view in self.views()]
        self.stop()
        for mine, node in zip(addresses, self.nodes, strict=True):
            others = [part for address in addresses if address != mine for part in ("--peer", address)]
            node.start("--port", mine.rpartition(":")[2], "--no-mdns", *others)
        for node in self.nodes:
            node.wait_until_up()


def meet(cluster: Cluster, watch: Watch | None = None, say: Callable[[str], None] = print) -> tuple[Agreement, bool]:
    """Wait until all follow one leader: by mDNS, or by address where multicast is blocked, saying so."""
    try:
        return cluster.wait_for_leader(watch), cluster.mdns
    except DemoFailed as error:
        cluster.check()  # a dead daemon is no question of multicast
        say(f"mDNS did not bring them together here; trying again by address. {error}")
    cluster.reconnect_by_address()
    return cluster.wait_for_leader(watch), False


def agreed(views: Sequence[NodeView]) -> Agreement | None:
    """The common leader and term, once every node sees all others alive."""
    everyone = {view.id for view in views}
    first = views[0]
    if first.leader is None or first.term is None or first.leader not in everyone:
        return None
    if any((view.leader, view.term) != (first.leader, first.term) or not everyone <= alive(view) for view in views):
        return None
    return Agreement(first.leader, first.leader_name, first.term, tuple(views))


def alive(view: NodeView) -> set[NodeId]:
    return {member.id for member in view.members if member.status == "alive"} | {view.id}


def pair(inviter: NodeProcess, joiner: NodeProcess) -> str:
    """Let `joiner` into the cluster of `inviter`, saying yes on both sides; returns the check words of both."""
    seen: dict[str, str] = {}
    token: list[str] = []
    token_made = threading.Event()
    trouble: list[str] = []

    def hold(node: NodeProcess, news: Generator[PairingLine, None, None]) -> None:
        try:
            for line in news:
                match line:
                    case TokenMade():
                        token.append(line.token)
                        token_made.set()
                    case Asking():
                        seen[node.name] = line.words
                        node.client.answer(line, yes=True)
                    case Joined():
                        return
                    case PairingFailed():
                        trouble.append(line.reason)
                        return
        except PeerdError as error:
            trouble.append(str(error))
        finally:
            news.close()
            token_made.set()  # whoever waits for the token must not wait for one that never comes

    inviting = threading.Thread(target=hold, args=(inviter, inviter.client.invite(minutes=2)), daemon=True)
    inviting.start()
    if not token_made.wait(PAIRING_S_MAX) or not token:
        inviter.check()  # a daemon that has ended says more than a connection that broke
        raise DemoFailed(f"{inviter.name} could not invite: {'; '.join(trouble) or 'it gave no token.'}")
    joining = threading.Thread(target=hold, args=(joiner, joiner.client.join(token[0])), daemon=True)
    joining.start()
    deadline_s = time.monotonic() + PAIRING_S_MAX
    while (joining.is_alive() or inviting.is_alive()) and not trouble and time.monotonic() < deadline_s:
        inviter.check()
        joiner.check()
        (joining if joining.is_alive() else inviting).join(POLL_S)
    if trouble or joining.is_alive() or inviting.is_alive():
        raise DemoFailed(f"{joiner.name} could not join {inviter.name}: {'; '.join(trouble) or 'it took too long.'}")
    words = set(seen.values())
    if len(words) > 1:
        raise DemoFailed(f"{joiner.name} and {inviter.name} show different check words; they are not who they seem.")
    return next(iter(words), "")


def who_misses_whom(views: Sequence[NodeView]) -> str:
    """Why these nodes do not agree: whom they do not see, or whom they follow."""
    names = {view.id: view.name for view in views}
    missing = [
        f"{view.name} does not see {', '.join(sorted(names[other] for other in names.keys() - alive(view)))}"
        for view in views
        if names.keys() - alive(view)
    ]
    leaders = ", ".join(f"{view.name} follows {view.leader_name or 'nobody'}" for view in views)
    return "; ".join(missing) + "." if missing else leaders + "."
