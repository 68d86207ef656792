"""The transport: everything said to peers leaves here, everything heard from them arrives here, encrypted both ways.

It owns two ways in (control and bulk, so that a handoff never delays a heartbeat), one `Peer` for each member that
may be reachable, the doorkeeper, and the search for named addresses. Both sides dial each other; whoever was found
first learns from the other's Hello how to dial back. Nothing here waits inside a call but `start` and `close`.
Never here: what messages mean, who leads, or how peers are discovered.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from peerd.network.addresses import AddressBook
from peerd.network.identity import Identity
from peerd.network.interfaces import reachable_hosts
from peerd.network.knock import prove_door_is_shut
from peerd.network.peer import Peer
from peerd.network.receiver import Receiver
from peerd.network.roster import Roster
from peerd.network.sockets import ZAP_DOMAIN, Lane, end_context, endpoint, new_context
from peerd.network.static_peers import StaticPeers
from peerd.network.zap import Doorkeeper
from peerd_protocol import codec
from peerd_protocol.bounds import PORT_MAX
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import NodeId
from peerd_protocol.messages import AnyFrame, Chunk, Goodbye, Hello
from peerd_protocol.roles import may_be_told

log = logging.getLogger(__name__)


class Transport:
    """One node's encrypted channels. All calls come from its event loop.

    `hello(control_port, bulk_port)` makes the Hello that opens every connection. `on_connected(node)` says that
    messages to `node` now leave; `on_closed(node, refused)` that they don't, once with False at the cut, and once
    with True when a re-dial was refused, so that its process is known to be gone.
    """

    def __init__(
        self,
        identity: Identity,
        roster: Roster,
        hello: Callable[[int, int], Hello],
        on_message: Callable[[NodeId, AnyFrame], None],
        on_connected: Callable[[NodeId], None],
        on_closed: Callable[[NodeId, bool], None],
        addresses: AddressBook | None = None,
    ) -> None:
        self._identity, self._roster, self._addresses = identity, roster, addresses
        self._hello, self._on_message = hello, on_message
        self._tell_connected, self._tell_closed = on_connected, on_closed
        self._context = new_context()
        self._peers: dict[NodeId, Peer] = {}
        self._keys_let_in: dict[NodeId, bytes] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._rebinding: asyncio.Task[None] | None = None
        self._doorkeeper: Doorkeeper | None = None
        self._is_closing = False
        self._static_peers = StaticPeers(self._context, identity, roster, self)
        self._ways_in = {
            lane: Receiver(self._context, lane, identity.curve_secret, roster, self._heard, self._heard_two)
            for lane in Lane
        }

    async def start(self, host: str, port: int) -> None:
        """Listen on `port` (0: any) and the one after it, prove that strangers are refused, dial who is known."""
        self._doorkeeper = Doorkeeper(self._context, ZAP_DOMAIN, self._name_of)
        try:
            self._ways_in[Lane.CONTROL].bind(host, port)
            try:
                self._ways_in[Lane.BULK].bind(host, port + 1 if 0 < port < PORT_MAX else 0)
            except LocalError:  # peers learn the bulk port from our Hello, so any will do
                self._ways_in[Lane.BULK].bind(host, 0)
            self._doorkeeper.is_tested = True
            await self._prove_doors_are_shut()
            self._doorkeeper.is_tested = False
        except BaseException:
            await self.close()
            raise
        for node, known_host, known_port in self._addresses.known() if self._addresses else ():
            self.dial(known_host, known_port, node)

    # ---- what the daemon asks --------------------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """The address it listens on, as it was given to `start`."""
        return self._ways_in[Lane.CONTROL].host

    @property
    def control_port(self) -> int:
        return self._ways_in[Lane.CONTROL].port

    @property
    def bulk_port(self) -> int:
        return self._ways_in[Lane.BULK].port

    @property
    def endpoints(self) -> list[str]:
        """`tcp://HOST:PORT` of every way in, control first."""
        hosts = reachable_hosts(self.host)
        return [endpoint(host, port) for port in (self.control_port, self.bulk_port) for host in hosts]

    @property
    def connected(self) -> dict[NodeId, tuple[str, int]]:
        """Who is reached now, and where."""
        return {node: peer.address for node, peer in self._peers.items() if peer.address is not None}

    @property
    def counts(self) -> Counter[str]:
        """What was sent, heard, lost and dropped, and why; for metrics."""
        counts: Counter[str] = Counter(refused=self._doorkeeper.refused if self._doorkeeper else 0)
        for way_in in self._ways_in.values():
            counts.update(way_in.counts)
            counts["lost"] += way_in.lost
        for peer in self._peers.values():
            counts["sent"] += peer.sent
            counts["dropped"] += peer.dropped
        return counts

    def is_reached_at(self, host: str, port: int) -> bool:
        return (host, port) in self.connected.values()

    def dial(self, host: str, port: int, node: NodeId | None) -> None:
        """A member may listen there; with None, find out which one, and go on trying for ever."""
        if node is None:
            self._static_peers.add(host, port)
        elif (peer := self._peer_for(node)) is not None:
            peer.dial((host, port))

    def send(self, to: NodeId, message: AnyFrame) -> bool:
        """Say it, without waiting. False: not connected, too slow, or not a member; who needs it says it again."""
        peer, member = self._peers.get(to), self._roster.member(to)
        if peer is None or member is None:
            return False
        if not may_be_told(member.roles, message):
            log.info("%s is not for %s, whose roles are %s", type(message).__name__, to, ", ".join(member.roles))
            return False
        try:
            frame = codec.encode(message)
        except LocalError as error:
            log.error("not sent to %s: %s", to, error)
            return False
        return peer.send(Lane.BULK if isinstance(message, Chunk) else Lane.CONTROL, frame)

    def say_goodbye(self, node: NodeId) -> None:
        """The last word to a peer that the roster may not name any more."""
        if (peer := self._peers.get(node)) is not None:
            peer.send(Lane.CONTROL, codec.encode(Goodbye()))

    def forget_addresses(self) -> None:
        """Where members of a cluster that this node has left were reached."""
        if self._addresses is not None:
            self._addresses.erase()

    def drop(self, node: NodeId) -> None:
        """Close the channels to a node that is revoked or gone. Only a new dial opens them again."""
        peer = self._peers.pop(node, None)
        if peer is None:
            return
        was_connected = peer.is_connected
        self._run(peer.close(linger=False))
        if was_connected:
            self._tell_closed(node, False)

    def roster_changed(self) -> None:
        """Members came or went: forget who is none any more, and cut what their keys once opened."""
        for node, peer in list(self._peers.items()):
            member = self._roster.member(node)
            if member is None or member.curve_key != peer.receiver_key:
                self.drop(node)
        stale = [node for node, key in self._keys_let_in.items() if self._roster.node_of(key) != node]
        for node in stale:
            del self._keys_let_in[node]
        if stale:
            self._rebinding = self._run(self._rebind(self._rebinding))
        self._static_peers.changed()

    async def close(self) -> None:
        """End everything. What was just sent may still leave for a moment."""
        self._is_closing = True  # a Hello that arrives meanwhile opens no channel that nobody would close
        await self._static_peers.close()
        if self._rebinding is not None:
            self._rebinding.cancel()
        peers = list(self._peers.values())
        self._peers.clear()
        await asyncio.gather(*self._errands, *(peer.close(linger=True) for peer in peers), return_exceptions=True)
        for way_in in self._ways_in.values():
            await way_in.close()
        if self._doorkeeper is not None:
            await self._doorkeeper.close()
        await end_context(self._context)

    # ---- what the sockets tell -------------------------------------------------------------------------------------

    def _name_of(self, curve_key: bytes) -> str | None:
        """The doorkeeper's question."""
        node = self._roster.node_of(curve_key)
        if node is not None:
            self._keys_let_in[node] = curve_key
        return node

    def _heard(self, sender: NodeId, host: str, message: AnyFrame) -> None:
        if isinstance(message, Hello) and (peer := self._peer_for(sender)) is not None:
            peer.heard_hello(host.removeprefix("::ffff:"), message.control_port, message.bulk_port)
        self._on_message(sender, message)

    def _heard_two(self, sender: NodeId, earlier: Hello) -> None:
        """Two devices speak with one key: the node hears the earlier introduction twice, since once may be late.

        Nobody dials it for that: the channels stay with the later one, whom the node then refuses as well.
        """
        for _ in range(2):
            self._on_message(sender, earlier)

    def _connected(self, node: NodeId) -> None:
        peer = self._peers[node]
        if self._addresses is not None and peer.address is not None:
            self._addresses.remember(node, *peer.address)
        self._static_peers.changed()
        self._tell_connected(node)

    def _closed(self, node: NodeId, refused: bool) -> None:
        self._static_peers.changed()
        self._tell_closed(node, refused)

    # ---- inner work ------------------------------------------------------------------------------------------------

    def _peer_for(self, node: NodeId) -> Peer | None:
        """The peer, made when it is a member and not this node; there are never more peers than members."""
        member = self._roster.member(node)
        if member is None or node == self._identity.node or self._is_closing:
            return None
        peer = self._peers.get(node)
        if peer is None:
            keys = (self._identity.curve_key, self._identity.curve_secret)
            hello = self._encoded_hello
            peer = Peer(self._context, node, member.curve_key, keys, hello, self._connected, self._closed)
            self._peers[node] = peer
        return peer

    def _encoded_hello(self) -> bytes:
        return codec.encode(self._hello(self.control_port, self.bulk_port))

    async def _prove_doors_are_shut(self) -> None:
        for lane, way_in in self._ways_in.items():
            host = reachable_hosts(way_in.host)[0] if way_in.host not in ("0.0.0.0", "::") else "127.0.0.1"
            await prove_door_is_shut(self._context, host, way_in.port, self._identity.curve_key, lane)

    async def _rebind(self, earlier: asyncio.Task[None] | None) -> None:
        """libzmq can't end the connection of a key that was let in once; closing the socket can."""
        if earlier is not None:
            await asyncio.wait([earlier])
        for way_in in self._ways_in.values():
            try:
                await way_in.rebind()
            except TimeoutError:
                log.error("port %d was taken by somebody else; restart peerd to be reachable again", way_in.port)

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        errand = asyncio.get_running_loop().create_task(work)
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)
        return errand
