"""The reception: the desk where this node's people ask, answered from the running daemon.

Here lives what each desk call means for the node and its adapters. Never here: HTTP (`api`), the rules of a request
(`wishes`, `peerd_protocol`), or how a plan is made (`planning`).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from peerd.api.desk import CacheView, KeptView, MemberView, NodeView, Wish
from peerd.checkpoint_cache import CheckpointCache, Kept
from peerd.engine.port import Engine
from peerd.models.registry import Registry
from peerd.network.pairing import Pairing
from peerd.network.roster import Roster
from peerd.network.transport import Transport
from peerd.noticeboard import NoticeBoard
from peerd.outbox import Outbox
from peerd.pairing_news import Approve, Joined, PairingNews
from peerd.planning import preview
from peerd.planning.allowance import Allowance
from peerd.planning.nearness import is_read_by_the_model
from peerd.planning.settings import PlanSettings
from peerd.runtime import Runtime, looked_after
from peerd.track_record import LAST, track_record
from peerd.wishes import request_of
from peerd.works import Works
from peerd_protocol.certificates import ALL_ROLES
from peerd_protocol.errors import LocalError, PeerdError
from peerd_protocol.events import Asked, CacheChanged, Cancelled, RosterChanged
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.limits import readable
from peerd_protocol.membership import Status
from peerd_protocol.messages import RosterShare
from peerd_protocol.notices import AnyNotice
from peerd_protocol.plan import Request, announced
from peerd_protocol.roles import GUEST
from peerd_protocol.schedulers import calls_per_run

log = logging.getLogger("peerd.reception")

GOODBYE_S = 0.2
"""A goodbye leaves in a millisecond; the channels are cut after this."""
EMBED_S_MAX = 1.0
"""Embedding takes milliseconds on a warm engine that is free; a busy one isn't waited for, words decide then."""


@dataclass(slots=True)
class Reception:
    """See `api.desk.Desk`."""

    name: str
    runtime: Runtime
    transport: Transport
    roster: Roster
    pairing: Pairing
    registry: Registry
    engine: Engine
    works: Works
    board: NoticeBoard
    outbox: Outbox
    pictures: Path
    """Where the outbox writes what nobody named a file for; nothing else is ever removed."""
    cached: CheckpointCache
    settings: PlanSettings
    allowance: Allowance
    roster_changed: Callable[[], RosterChanged]
    _errands: set[asyncio.Task[None]] = field(default_factory=set)

    # ---- pictures ------------------------------------------------------------------------------------------

    async def submit(self, wish: Wish) -> RequestId:
        request = await self._embedded(await request_of(wish, self.runtime.node.me, self.registry))
        self.board.open_page(request.id)
        try:
            # Written before anyone hears of the request: a disk that is full refuses here, and nothing is lost.
            self.outbox.expect(request.id, wish.out)
        except PeerdError:
            self.board.close_page(request.id)
            raise
        self.runtime.post(Asked(request))
        self._warm_up(request)
        return request.id

    def follow(self, request: RequestId) -> AsyncIterator[AnyNotice]:
        return self.board.follow(request)

    async def picture(self, request: RequestId) -> bytes:
        path = Path(self.board.finished(request).path)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise LocalError(f"The picture at {path} can not be read: {error.strerror}.") from error

    async def discard(self, request: RequestId) -> None:
        path = Path(self.board.finished(request).path)
        if path.parent != self.pictures:  # a name that somebody gave: nobody else may have a file removed by it
            raise LocalError(f"The picture at {path} is not in this node's own folder; whoever named it removes it.")
        try:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            raise LocalError(f"The picture at {path} can not be removed: {error.strerror}.") from error

    async def cancel(self, request: RequestId) -> None:
        self.board.must_know(request)
        self.runtime.post(Cancelled(request))

    async def plan(self, wishes: Sequence[Wish]) -> dict[str, Any]:
        me = self.runtime.node.me
        requests = [announced(await self._embedded(await request_of(wish, me, self.registry))) for wish in wishes]
        devices = self.runtime.node.devices()
        found = await asyncio.to_thread(
            preview.preview_plan, preview.spread(requests, devices, me), devices, self.settings, self.allowance
        )
        record = track_record(await asyncio.to_thread(self.outbox.outcomes, LAST))
        return found | {"track_record": msgspec.to_builtins(record)}

    async def _embedded(self, request: Request) -> Request:
        """With the model's own reading of the prompt, if it is loaded and free: it knows more than simple words do."""
        if not is_read_by_the_model(request) or self.engine.loaded != request.call.model or self.works.queued_steps:
            return request
        try:
            async with asyncio.timeout(EMBED_S_MAX):
                (embedding,) = await self.engine.embed([request.call.prompt])
        except (PeerdError, TimeoutError) as error:
            log.info("the prompt was not embedded: %s", error)
            return request
        return msgspec.structs.replace(request, embedding=embedding)

    def _warm_up(self, request: Request) -> None:
        """Load the model while the request gathers company: it takes seconds, and will be wanted either way."""
        if self.engine.loaded == request.call.model or self._errands or not self.runtime.node.profile.engine:
            return
        if self.works.queued_steps:  # other work goes on with the model that is loaded
            return

        async def prepare() -> None:
            try:
                await self.engine.prepare(request.call.model)
            except PeerdError as error:
                log.warning("the engine did not start: %s", error)

        errand = looked_after(asyncio.create_task(prepare(), name="waking the engine"))
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    async def close(self) -> None:
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    # ---- the cluster ---------------------------------------------------------------------------------------

    def view(self) -> NodeView:
        node = self.runtime.node
        leader, term = node.leader, node.term
        return NodeView(
            id=node.me,
            name=self.name,
            cluster=self.roster.cluster,
            admin=self.roster.is_admin,
            endpoints=tuple(self.transport.endpoints),
            leader=leader,
            leader_name=self._name_of(leader) if leader is not None else "",
            term=term.counter if term is not None and leader is not None else None,
            role=node.role.value,
            engine_warm=self.engine.warm,
            denoiser_calls=self.works.denoiser_calls,
            members=tuple(self._member(member) for member in sorted(self.roster.members)),
        )

    def _member(self, member: NodeId) -> MemberView:
        node = self.runtime.node
        me = member == node.me
        peer = node.peers().get(member)
        profile = node.profile if me else peer.profile if peer is not None else None
        address = self.transport.connected.get(member)
        return MemberView(
            id=member,
            name=self._name_of(member),
            status=Status.ALIVE.value if me else peer.status.value if peer is not None else "unknown",
            path="" if address is None else f"tcp://{address[0]}:{address[1]}",
            steps_per_second=profile.steps_per_second if profile else 0.0,
            memory_free_mib=profile.memory_free_mib if profile else 0,
            power=profile.power.name.lower() if profile else "",
            battery_percent=profile.battery_percent if profile else None,
            temperature_c=profile.temperature_c if profile else None,
            hot=profile.hot if profile else False,
            load=profile.load if profile else 0.0,
            engine=profile.engine if profile else False,
            leader=member == node.leader,
            me=me,
            roles=certificate.roles if (certificate := self.roster.member(member)) is not None else (),
        )

    def _name_of(self, member: NodeId) -> str:
        certificate = self.roster.member(member)
        return readable(certificate.name) if certificate is not None else member[:8]

    # ---- kept checkpoints ----------------------------------------------------------------------------------

    def cache(self) -> CacheView:
        now_s = time.time()
        return CacheView(
            bytes_used=self.cached.used_bytes,
            bytes_max=self.cached.bytes_max,
            entries=tuple(_kept(kept, now_s) for kept in self.cached.shelf()),
        )

    async def clear_cache(self) -> int:
        count = await asyncio.to_thread(self.cached.clear)
        self.runtime.post(CacheChanged(self.cached.entries()))
        return count

    # ---- letting others in ---------------------------------------------------------------------------------

    def invite(self, minutes: float, approve: Approve, guest: bool = False) -> AsyncIterator[PairingNews]:
        return self._watch(self.pairing.invite(minutes, approve, GUEST if guest else ALL_ROLES))

    def join(self, token: str, approve: Approve) -> AsyncIterator[PairingNews]:
        return self._watch(self.pairing.join(token, approve))

    async def revoke(self, device: str) -> tuple[NodeId, str, int]:
        """Everyone that is reached hears of it now; the others with the next heartbeat of anyone who has."""
        node = self.roster.find(device)
        name = self._name_of(node)
        self.roster.revoke(node)
        share = RosterShare(certificates=self.roster.certificates, revocations=self.roster.revocations)
        told = sum(self.transport.send(peer, share) for peer in self.transport.connected)
        self.runtime.post(self.roster_changed())
        return node, name, told

    async def leave(self, abandon: bool) -> None:
        """What was kept there is forgotten with it: those prompts were shared with others."""
        if self.roster.is_admin and not self.roster.alone and not abandon:
            raise LocalError(
                "This node keeps the cluster's root key: when it leaves, nobody can let others in or shut them out any "
                "more. Say so with --abandon if that is meant."
            )
        peers = tuple(self.transport.connected)
        self.roster.leave(self.name)
        await self.clear_cache()
        for peer in peers:
            self.transport.say_goodbye(peer)
        await asyncio.sleep(GOODBYE_S)
        self.transport.forget_addresses()
        self.runtime.post(self.roster_changed())

    async def _watch(self, pairing: AsyncGenerator[PairingNews, None]) -> AsyncIterator[PairingNews]:
        """Pass the news on; whoever joined is a member for the node, the transport and discovery first.

        What this node kept in a cluster that it has left is not told to another one's leader: those prompts were shared
        with others.
        """
        cluster = self.roster.cluster
        async with contextlib.aclosing(pairing) as news:
            async for line in news:
                if isinstance(line, Joined):
                    if self.roster.cluster != cluster:
                        await self.clear_cache()
                    self.runtime.post(self.roster_changed())
                yield line


def _kept(kept: Kept, now_s: float) -> KeptView:
    call = kept.entry.call
    return KeptView(
        digest=kept.entry.digest,
        prompt=call.prompt,
        share=kept.entry.share,
        scheduler=call.scheduler,
        step=kept.entry.step,
        total=calls_per_run(call.scheduler, call.steps),
        size=kept.entry.size,
        age_s=now_s - kept.kept_s,
        hits=kept.hits,
        calls_saved=kept.calls_saved,
    )
