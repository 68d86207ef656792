"""The hands: each action of the protocol carried out with this node's adapters.

A short action returns at once; a long one posts what came of it. Never here: the order of actions (`runtime`), or how
the adapters are put together (`daemon`).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from peerd.checkpoint_cache import CheckpointCache
from peerd.device.links import Links
from peerd.network.roster import Roster
from peerd.network.transport import Transport
from peerd.noticeboard import NoticeBoard
from peerd.outbox import Outbox
from peerd.planning.allowance import Allowance
from peerd.planning.cached import worth_keeping
from peerd.planning.drawn import Drawn
from peerd.planning.ledger import Ledger
from peerd.planning.planner import make_plan
from peerd.planning.policy import consider
from peerd.planning.settings import PlanSettings
from peerd.runtime import Write
from peerd.store import Store
from peerd.works import Works
from peerd_protocol.actions import (
    Consider,
    Deliver,
    Denoise,
    Keep,
    MakePlan,
    MergeRoster,
    Recall,
    Remember,
    Send,
    ShareRoster,
    Tell,
)
from peerd_protocol.errors import LocalError, PeerdError
from peerd_protocol.events import (
    CacheChanged,
    Considered,
    DeliveryFailed,
    Event,
    Planned,
    Recalled,
    RosterChanged,
    WorkFailed,
)
from peerd_protocol.messages import RosterShare
from peerd_protocol.notices import Failed
from peerd_protocol.profile import Profile

log = logging.getLogger("peerd.hands")

DRAWN_KEY = "drawn"


@dataclass(slots=True)
class DaemonHands:
    """See `runtime.Hands`. `profile` tells this device as it is now."""

    post: Callable[[Event], None]
    profile: Callable[[], Profile]
    transport: Transport
    roster: Roster
    store: Store
    works: Works
    board: NoticeBoard
    outbox: Outbox
    links: Links
    cache: CheckpointCache
    settings: PlanSettings
    allowance: Allowance
    roster_changed: Callable[[], RosterChanged]
    """Tells the adapters; the event is for the node."""
    _ledger: Ledger = field(default_factory=Ledger)
    _planning: asyncio.Lock = field(default_factory=asyncio.Lock)
    _drawn: Drawn = field(init=False)

    def __post_init__(self) -> None:
        self._drawn = Drawn(self.store.recall().get(DRAWN_KEY, b""))

    def write(self, batch: list[Write]) -> None:
        self.store.write(batch)

    def send(self, action: Send) -> None:
        self.links.sent(action, time.monotonic())
        self.transport.send(action.to, action.message)

    def tell(self, action: Tell) -> None:
        if isinstance(action.notice, Failed):
            try:
                self.outbox.forget(action.request)
            except LocalError as error:
                log.warning("a request that ended is not forgotten: %s", error)
        self.board.tell(action.request, action.notice)

    def share_roster(self, action: ShareRoster) -> None:
        share = RosterShare(certificates=self.roster.certificates, revocations=self.roster.revocations)
        self.transport.send(action.to, share)

    def merge_roster(self, action: MergeRoster) -> Event | None:
        if not self.roster.merge(action.certificates, action.revocations):
            return None
        return self.roster_changed()

    def consider(self, action: Consider) -> Event:
        accepted, reason = consider(action.offer, self.profile(), self.settings)
        return Considered(action.offer.group, action.offer.attempt, accepted, reason)

    async def make_plan(self, action: MakePlan) -> None:
        """One plan after another: each is made knowing what the one before gave out and drew."""
        async with self._planning:
            order = replace(action, devices=self._ledger.as_given(action.devices, time.monotonic()))
            try:
                planned = await asyncio.to_thread(make_plan, order, self.settings, self.allowance, self._drawn)
                self._ledger.give(planned.drafts, time.monotonic())
            except PeerdError as error:
                impossible = tuple((request.id, str(error)) for request in action.requests)
                planned = Planned(action.batch, (), impossible)
            drawn = self._drawn.packed
        self.post(planned)
        try:
            await asyncio.to_thread(self.store.write, [Remember(DRAWN_KEY, drawn)])
        except LocalError as error:
            log.info("which pictures were planned is forgotten at the next start: %s", error)

    async def denoise(self, action: Denoise) -> None:
        await self.works.run(action, self.post)

    async def keep(self, action: Keep) -> None:
        if worth_keeping(action.entry) and await asyncio.to_thread(self.cache.keep, action.entry, action.data):
            self.post(CacheChanged(self.cache.entries()))

    async def recall(self, action: Recall) -> None:
        data = await asyncio.to_thread(self.cache.recall, action.digest)
        if data is None:
            self.post(WorkFailed(action.work, "the kept checkpoint is gone"))
            self.post(CacheChanged(self.cache.entries()))
        else:
            self.post(Recalled(action.work, data))

    async def deliver(self, action: Deliver) -> None:
        try:
            delivered = await asyncio.to_thread(self.outbox.deliver, action)
        except PeerdError as error:
            self.post(DeliveryFailed(action.request.id, str(error)))
        else:
            self.post(delivered)
