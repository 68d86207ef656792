"""The leader's side: requests gather, a plan is made, the shared steps are offered, everyone is told.

    gathering -> planning -> offers

It keeps nothing that origins and holders would not tell again: a new leader starts empty. Never here: what is worth
sharing (`MakePlan` asks), how an offer becomes a plan (`offers`), or being elected.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from peerd_protocol.actions import Action, MakePlan, Send
from peerd_protocol.coordination.offers import Offers
from peerd_protocol.coordination.rescues import Rescues
from peerd_protocol.events import Draft, Planned
from peerd_protocol.ids import NodeId, RequestId, Term
from peerd_protocol.messages import Answer, Bereft, BranchBereft, GroupEnded, RequestFailed, StandsBy
from peerd_protocol.plan import CacheEntry, Request
from peerd_protocol.profile import Profile

GATHER_S = 0.15
"""Requests without a group name wait this long for company: a person does not notice it."""
WAIT_S_MAX = 600.0
OPEN_MAX = 256
"""Requests in hand; what comes beyond is announced again by its origin."""


@dataclass(slots=True)
class _Gathering:
    closes_s: float
    size: int
    requests: dict[RequestId, Request] = field(default_factory=dict)


class Leader:
    """What this node does while it leads; `resign` forgets everything."""

    def __init__(self) -> None:
        self.resign()

    def resign(self) -> None:
        self._gathering: dict[str, _Gathering] = {}
        self._planning: dict[int, dict[RequestId, Request]] = {}
        self._cached: dict[NodeId, tuple[CacheEntry, ...]] = {}
        self._offers = Offers()
        self._rescues = Rescues()
        self._batch = 0

    # ---- gathering -----------------------------------------------------------------------------------------

    def submitted(self, sender: NodeId, request: Request, living: frozenset[NodeId], now_s: float) -> list[Action]:
        """An origin announces a request, perhaps again. One that is planned already is told its plan again."""
        if request.origin != sender:
            return []
        runner = self._offers.runner_of(request.id)
        if runner in living and runner not in request.avoid:
            return self._offers.repeat(request.id)
        # Its runner is gone, or out of earshot there: have it planned again.
        stopped = self._offers.remove(request.id) if runner is not None else []
        if self._is_waiting(request.id) or self._is_full_for(sender):
            return stopped
        waits = bool(request.group_name and request.wait_ms)  # one planned before has waited for its group already
        key = f"named/{request.group_name}" if waits else "window"
        wait_s = min(request.wait_ms / 1000, WAIT_S_MAX) if waits else GATHER_S
        gathering = self._gathering.setdefault(key, _Gathering(now_s + wait_s, request.group_size))
        gathering.requests[request.id] = request
        return stopped

    def withdrawn(self, sender: NodeId, request: RequestId) -> list[Action]:
        for waiting in self._waiting():
            if request in waiting and waiting[request].origin == sender:
                del waiting[request]
        return self._offers.remove(request, sender)

    def keeps(self, sender: NodeId, entries: tuple[CacheEntry, ...]) -> list[Action]:
        """A node tells which checkpoints it keeps; the next plan may begin with them."""
        self._cached[sender] = entries
        return []

    def ticked(self, devices: Callable[[], Mapping[NodeId, Profile]], term: Term, now_s: float) -> list[Action]:
        actions: list[Action] = []
        for key, gathering in list(self._gathering.items()):
            full = key != "window" and len(gathering.requests) >= gathering.size
            if not full and now_s < gathering.closes_s:
                continue
            del self._gathering[key]
            if gathering.requests:
                self._batch += 1
                self._planning[self._batch] = gathering.requests
                actions.append(self._make_plan(gathering, devices()))
        revived = self._rescues.due(lambda: self._offers.next_attempt(term), devices, now_s)
        return [*actions, *self._offers.ticked(now_s), *self._offers.revive(revived, now_s)]

    def _make_plan(self, gathering: _Gathering, devices: Mapping[NodeId, Profile]) -> MakePlan:
        cached = tuple((node, entry) for node in sorted(devices) for entry in self._cached.get(node, ()))
        return MakePlan(self._batch, tuple(gathering.requests.values()), tuple(sorted(devices.items())), cached)

    # ---- planning and offering -----------------------------------------------------------------------------

    def planned(self, event: Planned, living: frozenset[NodeId], term: Term, now_s: float) -> list[Action]:
        waiting = self._planning.pop(event.batch, {})
        drafts = tuple(_without_lost(draft, living) for draft in event.drafts)
        actions = self._offers.open(drafts, waiting, event.batch, term, now_s)
        for request, reason in event.impossible:
            if request in waiting:
                actions.append(Send(waiting[request].origin, RequestFailed(request=request, reason=reason)))
        return actions

    def answered(self, sender: NodeId, message: Answer, now_s: float) -> list[Action]:
        return self._offers.answered(sender, message, now_s)

    def ended(self, sender: NodeId, message: GroupEnded, now_s: float) -> list[Action]:
        return self._offers.ended(sender, message, now_s)

    def stands_by(self, sender: NodeId, message: StandsBy) -> list[Action]:
        """For a group of this leadership, or of an earlier one."""
        (self._offers if self._offers.knows(message.offer.group) else self._rescues).stands_by(sender, message)
        return []

    def bereft(self, sender: NodeId, message: Bereft | BranchBereft, now_s: float) -> list[Action]:
        """A runner, or a branch's executor, waits in vain for an executor."""
        match message:
            case Bereft(plan=plan) if self._offers.knows(plan.group):
                return self._offers.bereft(sender, plan, message.reason, now_s)
            case Bereft(plan=plan):
                self._rescues.bereft(sender, plan, now_s)
            case BranchBereft():
                self._rescues.branch_bereft(sender, message, now_s)
            case _:
                assert_never(message)
        return []

    def peer_lost(self, peer: NodeId, now_s: float) -> list[Action]:
        """What it asked for is not waited with: should it come back, it announces what is open again."""
        self._cached.pop(peer, None)
        self._rescues.peer_lost(peer)
        for gathering in self._gathering.values():
            gathering.requests = {name: each for name, each in gathering.requests.items() if each.origin != peer}
        return self._offers.peer_lost(peer, now_s)

    # ---- the books -----------------------------------------------------------------------------------------

    def _waiting(self) -> list[dict[RequestId, Request]]:
        return [*(entry.requests for entry in self._gathering.values()), *self._planning.values()]

    def _is_waiting(self, request: RequestId) -> bool:
        return any(request in waiting for waiting in self._waiting())

    def _is_full_for(self, origin: NodeId) -> bool:
        """Whether no more requests are taken in of this origin: each may have as many as there are places left.

        One alone gets half of all, and however many ask without end, somebody new still finds a place (the dynamic
        thresholds of Choudhury and Hahne, IEEE/ACM ToN 1998).
        """
        waiting = [request.origin for each in self._waiting() for request in each.values()]
        return waiting.count(origin) >= OPEN_MAX - len(waiting)


def _without_lost(draft: Draft, living: frozenset[NodeId]) -> Draft:
    """Devices come and go while a plan is made: whose runner is gone is announced again."""
    kept = {request for request, runner in draft.runners if runner in living}
    return replace(
        draft,
        leaves=tuple((request, step) for request, step in draft.leaves if request in kept),
        candidates=tuple(node for node in draft.candidates if node in living),
    )
