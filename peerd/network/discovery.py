"""Finding members on the local network by mDNS, and being found by them alone.

What is found is a hint: an address at which a member may listen. mDNS can not tell that a node died (a killed one
stays announced for many minutes), so removals are ignored; liveness is the heartbeat's affair. Of what anybody may
send, records are kept up to zeroconf's own bound of 10,000, announcements up to `SEEN_MAX`, and only addresses that a
member's code covers lead anywhere. Never here: a connection, or who is a member.
"""

import asyncio
import contextlib
import logging
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from zeroconf import Error as ZeroconfError
from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from peerd.network.interfaces import own_addresses
from peerd.network.roster import Roster
from peerd_protocol.beacon import NONCE_BYTES, SERVICE_TYPE, beacon, recognise
from peerd_protocol.ids import NodeId

log = logging.getLogger(__name__)

INTERFACES_POLL_S: Final = 5.0
"""Without looking, a node whose address changed hears others but announces its old address for ever."""
AGAIN_S: Final = (5.0, 15.0, 35.0, 75.0, 155.0)
"""So long after it was first said an announcement is said again. A device that gets a new address often gets it from
the very trouble that swallows multicast, and nobody asks for what they never heard of: two who moved then would not
meet for minutes."""
SEEN_MAX: Final = 256
"""Announcements kept, to be judged again when the roster changes. A flood pushes out the oldest."""
RESOLVING_MAX: Final = 16
"""Announcements that came in pieces and are asked for again; a flood of them is dropped."""
RESOLVE_MS_MAX: Final = 2_000
CLOSE_S_MAX: Final = 2.0
"""A goodbye takes three packets, 125 ms apart."""


@dataclass(frozen=True, slots=True)
class _Seen:
    txt: dict[bytes, bytes | None]
    port: int


class Discovery:
    """Announces this node and reports members: `on_found(node, host, port)`, again and again, in the event loop."""

    def __init__(self, me: NodeId, roster: Roster, on_found: Callable[[NodeId, str, int], None]) -> None:
        self._me, self._roster, self._on_found = me, roster, on_found
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._own_names: set[str] = set()
        self._resolving: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._info: AsyncServiceInfo | None = None
        self._announced_secret = b""
        self._again_s: deque[float] = deque()
        """When to say the last announcement again, by the loop's clock."""
        self._keeper: asyncio.Task[None] | None = None

    async def start(self, port: int) -> bool:
        """Announce `port` and look around. False, and a warning, where this network or device has no multicast."""
        addresses = own_addresses()
        try:
            self._zeroconf = AsyncZeroconf(interfaces=list(addresses), ip_version=IPVersion.V4Only)
            self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, SERVICE_TYPE, handlers=[self._noticed])
            await self._announce(addresses, port)
        except (OSError, ZeroconfError, TimeoutError) as error:
            log.warning("mDNS does not work here (%s); name peers with --peer HOST:PORT", error)
            await self.close()
            return False
        self._keeper = asyncio.get_running_loop().create_task(self._keep(addresses, port), name="peerd discovery")
        return True

    def roster_changed(self) -> None:
        """Members came or went, or this node joined another cluster."""
        self._changed.set()

    async def close(self) -> None:
        """Say goodbye and stop; bounded."""
        tasks = [*self._resolving, *([self._keeper] if self._keeper else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._keeper = None
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is None:
            return
        with contextlib.suppress(TimeoutError, OSError, ZeroconfError):
            async with asyncio.timeout(CLOSE_S_MAX):
                if self._browser is not None:
                    await self._browser.async_cancel()
                await zeroconf.async_unregister_all_services()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S_MAX):
                await zeroconf.async_close()

    # ---- being found ---------------------------------------------------------------------------------------------

    async def _announce(self, addresses: list[str], port: int) -> None:
        """Register under fresh random names, so that nothing links this announcement to an earlier one."""
        assert self._zeroconf is not None
        label = secrets.token_hex(8)
        self._announced_secret = self._roster.keys.discovery_secret
        info = AsyncServiceInfo(
            SERVICE_TYPE,
            f"{label}.{SERVICE_TYPE}",
            port=port,
            properties=beacon(self._announced_secret, secrets.token_bytes(NONCE_BYTES), self._me, addresses, port),
            server=f"{label}.local.",
            parsed_addresses=addresses,
        )
        self._own_names.add(info.name)
        # Probing for the name's owner takes 1.5 s; nobody else draws the same 64 random bits.
        await self._zeroconf.async_register_service(info, cooperating_responders=True)
        self._info = info
        now_s = asyncio.get_running_loop().time()
        self._again_s = deque(now_s + pause_s for pause_s in AGAIN_S)

    async def _repeat(self) -> None:
        """Say the announcement again where it is due."""
        if self._again_s and asyncio.get_running_loop().time() >= self._again_s[0]:
            self._again_s.popleft()
            if self._zeroconf is not None and self._info is not None:
                await self._zeroconf.async_update_service(self._info)

    async def _keep(self, addresses: list[str], port: int) -> None:
        """Follow the device's interfaces and the roster."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERFACES_POLL_S):
                    await self._changed.wait()
            roster_changed = self._changed.is_set()
            self._changed.clear()
            try:
                current = own_addresses()
                if current != addresses or self._announced_secret != self._roster.keys.discovery_secret:
                    await self._move(current, port)
                    addresses = current
                else:
                    await self._repeat()
            except (OSError, ZeroconfError, TimeoutError) as error:
                log.warning("mDNS could not follow this device's interfaces (%s); trying again", error)
            if roster_changed:
                for seen in list(self._seen.values()):
                    self._judge(seen)

    async def _move(self, addresses: list[str], port: int) -> None:
        assert self._zeroconf is not None
        await self._zeroconf.async_update_interfaces(interfaces=list(addresses))
        if self._info is not None:
            await self._zeroconf.async_unregister_service(self._info)
        await self._announce(addresses, port)
        log.info("announced again, at %s", ", ".join(addresses))

    # ---- finding -------------------------------------------------------------------------------------------------

    def _noticed(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed or name in self._own_names:
            return
        info = AsyncServiceInfo(service_type, name)
        if info.load_from_cache(zeroconf):
            self._learn(info)
        elif len(self._resolving) < RESOLVING_MAX:
            task = asyncio.get_running_loop().create_task(self._resolve(zeroconf, info))
            self._resolving.add(task)
            task.add_done_callback(self._resolving.discard)

    async def _resolve(self, zeroconf: Zeroconf, info: AsyncServiceInfo) -> None:
        if await info.async_request(zeroconf, RESOLVE_MS_MAX):
            self._learn(info)

    def _learn(self, info: AsyncServiceInfo) -> None:
        if not info.port:
            return
        seen = _Seen(dict(info.properties), info.port)
        self._seen[info.name] = seen
        self._seen.move_to_end(info.name)
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        self._judge(seen)

    def _judge(self, seen: _Seen) -> None:
        others = self._roster.members - {self._me}
        found = recognise(self._roster.keys.discovery_secret, others, seen.txt, seen.port)
        if found is not None:
            node, hosts = found
            for host in hosts:
                self._on_found(node, host, seen.port)
