"""The origin's side of a request: it alone owns it, from the asking to the one visible result.

    asked -> announced (again and again) -> planned -> delivering -> done
                    |                          |
                    +---- alone <--------------+      no plan came, or whoever ran it is gone

A request is on disk before anyone hears of it. Of one that shares its concepts alone others hear those; it runs here,
with its own words. Whoever runs it leaves a spare here now and then; if that one is gone, or this node died meanwhile,
the request goes on from there. Never here: running steps (`runner`), or who is leader (`election`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from peerd_protocol.actions import Action, Deliver, Forget, Remember, Send, Tell
from peerd_protocol.coordination import halves
from peerd_protocol.coordination.halves import Half
from peerd_protocol.coordination.orders import ALONE, GoAlone, Order
from peerd_protocol.errors import UNREADABLE
from peerd_protocol.events import Delivered, DeliveryFailed
from peerd_protocol.ids import Attempt, NodeId, RequestId, Term
from peerd_protocol.messages import HandoffBegin, LocalProgress, RequestFailed, Submit, Withdraw
from peerd_protocol.notices import Failed, Finished, LocalStep, PlanMade, Queued, WentAlone
from peerd_protocol.plan import AVOIDED_MAX, Assignment, GroupPlan, Request, announced

REPEAT_S = 1.0
"""How often an unplanned request is announced again: its first announcement may have vanished."""
PLAN_WAIT_S = 12.0
"""Longest wait for a plan beyond the asker's own: a dead leader is replaced within 6 s, offers take 2 s each."""
NOBODY_WAIT_S = 60.0
"""A device without an engine waits this long for a member that can run its request."""
SLEPT_S = 5.0
"""A longer gap between two ticks is sleep: nobody was waited for meanwhile."""
RUNNER_SILENCE_S = 10.0
"""A runner tells its origin once per interval that it has the request in hand; after ten lost words it has not."""
PREFIX = "request/"


@dataclass(slots=True)
class _Open:
    request: Request
    asked_s: float
    open_s: float
    """Since when it is without a plan: since it was asked, or since whoever ran it was gone."""
    repeat_s: float
    announced: tuple[NodeId, Term] | None = None
    plan: GroupPlan | None = None
    runner: NodeId | None = None
    delivering: bool = False
    heard_s: float = 0.0
    heard: bool = False
    """Whether its runner has said anything of it."""
    planned_s: float = 0.0
    step: int = 0
    half: Half | None = None
    avoid: tuple[NodeId, ...] = ()
    """Who was to run it and was not heard of once: the leader may reach who is out of earshot here."""
    seeds: dict[Attempt, int] = field(default_factory=dict)
    """What it is run with, in each attempt that came to be known here."""


class Origin:
    """All open requests of this node."""

    def __init__(self, me: NodeId, recalled: Mapping[str, bytes], now_s: float) -> None:
        self._me = me
        self._open: dict[RequestId, _Open] = {}
        self._ticked_s = now_s
        self._lost: list[RequestId] = []
        """Requests of an earlier life that nobody can read any more."""
        known = halves.halves_in(recalled)
        for key in requests_in(recalled):
            try:
                request = msgspec.json.decode(recalled[PREFIX + key], type=Request)
            except UNREADABLE:
                self._lost.append(key)
                continue
            self._open[key] = _Open(request, now_s, now_s, now_s, half=known.get(key))
        self._stale = [request for request in halves.kept_in(recalled) if not self._has_half(request)]
        """Of these an earlier life kept what is of no use."""

    def asked(self, request: Request, leader: NodeId | None, can_run: bool, now_s: float) -> list[Action | Order]:
        """Take a request in. It is announced at the next `ticked`, after it is on disk."""
        self._open[request.id] = _Open(request, now_s, now_s, now_s)
        actions: list[Action | Order] = [
            Remember(PREFIX + request.id, msgspec.json.encode(request)),
            Tell(request.id, Queued(leader=leader)),
        ]
        if _stays(request, can_run):
            actions += self._keep_to_itself(self._open[request.id], can_run)
        elif can_run and request.shared == 0:
            actions += self._go_alone(self._open[request.id], "as asked")
        return actions

    def ticked(self, leader: NodeId | None, term: Term | None, can_run: bool, now_s: float) -> list[Action | Order]:
        actions = self._cleared()
        self._slept(now_s)
        for entry in list(self._open.values()):
            if entry.runner not in (None, self._me) and now_s - entry.heard_s > RUNNER_SILENCE_S:
                self._silent(entry, now_s)
            if entry.plan is not None or entry.runner is not None:
                continue
            if can_run and entry.half is not None:
                actions += self._go_alone(entry, f"its first {entry.half.step} steps are kept")
                continue
            waited_s = now_s - entry.open_s - entry.request.wait_ms / 1000
            if _stays(entry.request, can_run):  # of an earlier boot; its engine may have no room for a moment
                actions += self._keep_to_itself(entry, can_run) if can_run or waited_s > NOBODY_WAIT_S else []
                continue
            if can_run and waited_s > PLAN_WAIT_S:
                actions += self._go_alone(entry, f"no plan came within {PLAN_WAIT_S:.0f} s")
            elif waited_s > NOBODY_WAIT_S:
                actions += self._fail(entry, "no device that can run it answered; start peerd on one with an engine")
            elif leader is None or term is None:
                continue
            elif entry.announced != (leader, term) or now_s >= entry.repeat_s:
                entry.announced, entry.repeat_s = (leader, term), now_s + REPEAT_S
                actions.append(Send(leader, Submit(request=announced(_from_half(entry)))))
        return actions

    def _cleared(self) -> list[Action | Order]:
        """What an earlier life kept and this one can not use is forgotten, and told where somebody may wait for it."""
        actions: list[Action | Order] = [halves.forgotten(request) for request in self._stale]
        for request in self._lost:
            reason = "what was kept of this request can not be read; ask again"
            actions += [Forget(PREFIX + request), Tell(request, Failed(reason=reason))]
        self._stale.clear()
        self._lost.clear()
        return actions

    def _slept(self, now_s: float) -> None:
        """Sleep is no waiting: whoever was to answer gets the time that is left."""
        gap_s, self._ticked_s = now_s - self._ticked_s, now_s
        if gap_s > SLEPT_S:
            for entry in self._open.values():
                entry.open_s += gap_s
                entry.heard_s += gap_s

    def in_own_words(self, plan: GroupPlan) -> GroupPlan:
        """The plan without what is not (or no longer) asked here, or not allowed, and with the own words put back."""
        return msgspec.structs.replace(plan, assignments=tuple(filter(None, map(self._in_own_words, plan.assignments))))

    def _in_own_words(self, assignment: Assignment) -> Assignment | None:
        entry = self._open.get(assignment.request)
        if assignment.origin != self._me:
            return assignment
        if entry is None or entry.delivering or (entry.request.share == "concepts" and assignment.runner != self._me):
            return None
        call = msgspec.structs.replace(entry.request.call, seed=assignment.call.seed)
        return msgspec.structs.replace(assignment, call=call)

    def told(self, plan: GroupPlan, bound: frozenset[RequestId], now_s: float) -> list[Action | Order]:
        """A plan came from the leader. `bound` are requests that this node already runs; they stay as they are."""
        actions: list[Action | Order] = []
        for assignment in plan.assignments:
            entry = self._open.get(assignment.request)
            if entry is None or assignment.origin != self._me or assignment.request in bound:
                continue
            if entry.delivering or (entry.plan is not None and plan.attempt <= entry.plan.attempt):
                continue
            entry.heard = entry.heard and entry.runner == assignment.runner
            entry.plan, entry.runner, entry.heard_s = plan, assignment.runner, now_s
            entry.planned_s = now_s - entry.asked_s
            entry.seeds[plan.attempt] = assignment.call.seed
            actions += self._waited(entry, now_s)
            notice = PlanMade(
                executor=plan.executor,
                runner=assignment.runner,
                leads=plan.lead == assignment.request,
                shared_steps=plan.shared_steps,
                shared_with=tuple(other for other in plan.requests if other != assignment.request),
                seed=assignment.call.seed,
                forecast=plan.forecast,
                reason=plan.reason,
            )
            actions.append(Tell(assignment.request, notice))
            if plan.begun and entry.half is not None:
                runner, request = assignment.runner, assignment.request
                actions.append(halves.handed_on(runner, request, plan.group, plan.attempt, entry.half))
        return actions

    @staticmethod
    def _waited(entry: _Open, now_s: float) -> list[Action]:
        """Its group is over for it: should it have to be planned again, also in the next life, it waits for nobody."""
        if not entry.request.wait_ms:
            return []
        entry.open_s = min(now_s, entry.open_s + entry.request.wait_ms / 1000)  # so long it waited for company
        entry.request = msgspec.structs.replace(entry.request, wait_ms=0)
        return [Remember(PREFIX + entry.request.id, msgspec.json.encode(entry.request))]

    def progressed(self, sender: NodeId, message: LocalProgress, now_s: float) -> list[Action]:
        entry = self._open.get(message.request)
        if entry is None or entry.runner != sender:
            return []
        entry.heard_s, entry.heard = now_s, True
        if message.step == entry.step:
            return []  # only a word that it is in hand
        entry.step = message.step
        notice = LocalStep(
            runner=sender,
            step=message.step,
            total=message.total,
            preview=message.preview,
            preview_side=message.preview_side,
        )
        return [Tell(message.request, notice)]

    def unwanted(self, sender: NodeId, begin: HandoffBegin) -> str:
        """Why a picture or a spare is not wanted from this sender ('' when it is)."""
        entry = self._open.get(begin.request)
        if entry is None:
            return "this request is not open here"
        if entry.runner != sender:
            return "another device runs this request"
        return "this attempt was never planned" if begin.what == "spare" and begin.attempt not in entry.seeds else ""

    def spared(self, sender: NodeId, begin: HandoffBegin, data: bytes) -> list[Action]:
        """So far it is safe: whatever becomes of its runner, or of this node, it goes on from here."""
        entry = self._open.get(begin.request)
        if entry is None or entry.delivering or self.unwanted(sender, begin):
            return []
        entry.half = Half(begin.step, entry.seeds[begin.attempt], data)
        return [halves.kept(begin.request, entry.half)]

    def painted(self, begin: HandoffBegin, picture: bytes, now_s: float) -> list[Action]:
        """The picture is here whole: commit it, once."""
        entry = self._open.get(begin.request)
        if entry is None or entry.delivering:
            return []
        entry.delivering = True
        return [Deliver(entry.request, picture, entry.plan, now_s - entry.asked_s, entry.planned_s)]

    def delivered(self, event: Delivered, now_s: float) -> list[Action]:
        entry = self._open.pop(event.request, None)
        if entry is None:
            return []
        notice = Finished(
            path=event.path,
            pixels_sha256=event.pixels_sha256,
            denoiser_calls=event.denoiser_calls,
            exact=event.exact,
            seconds=now_s - entry.asked_s,
        )
        return [*_forget(entry), Tell(event.request, notice)]

    def delivery_failed(self, event: DeliveryFailed) -> list[Action]:
        entry = self._open.get(event.request)
        return [] if entry is None else self._fail(entry, event.reason)

    def failed(
        self, sender: NodeId, message: RequestFailed, leader: NodeId | None, can_run: bool
    ) -> list[Action | Order]:
        """The runner gave up, or the leader found none. Whoever can run it alone does so; else the person hears why."""
        entry = self._open.get(message.request)
        if entry is None or entry.delivering or sender != (entry.runner or leader):
            return []
        if can_run and entry.runner != self._me:
            return self._go_alone(entry, message.reason)
        if entry.runner is None and (entry.half is not None or entry.seeds):
            return []  # somebody could run it a moment ago, and may be back within the time that is left
        return list(self._fail(entry, message.reason))

    def peer_lost(self, peer: NodeId, now_s: float) -> None:
        """Whoever ran requests for this node is gone: have them planned again."""
        for entry in self._open.values():
            if entry.runner == peer:
                self._plan_anew(entry, now_s)

    def _silent(self, entry: _Open, now_s: float) -> None:
        """Its runner says nothing. One that never did is out of earshot: another is asked for, and patience goes on."""
        runner, open_s, heard = entry.runner, entry.open_s, entry.heard
        self._plan_anew(entry, now_s)
        if runner is not None and not heard and not entry.delivering:
            entry.open_s = open_s
            entry.avoid = (*(node for node in entry.avoid if node != runner), runner)[-AVOIDED_MAX:]

    @staticmethod
    def _plan_anew(entry: _Open, now_s: float) -> None:
        if not entry.delivering:
            entry.runner = entry.plan = entry.announced = None
            entry.open_s = now_s

    def cancelled(self, request: RequestId, leader: NodeId | None) -> list[Action]:
        entry = self._open.pop(request, None)
        if entry is None:
            return []
        hearers = (leader if entry.announced else None, entry.runner, entry.plan.executor if entry.plan else None)
        told = {node for node in hearers if node is not None}
        return [
            *_forget(entry),
            *(Send(node, Withdraw(request=request)) for node in sorted(told | {self._me})),
            Tell(request, Failed(reason="cancelled")),
        ]

    def _keep_to_itself(self, entry: _Open, can_run: bool) -> list[Action | Order]:
        """Nobody else may hear of it, so it is run here or not at all."""
        if can_run:
            shares = entry.request.share == "concepts"
            return self._go_alone(entry, "its words name no concept to share" if shares else "as asked")
        kept = "nothing may be shared" if entry.request.share == "nothing" else "its words may not leave it"
        return list(self._fail(entry, f"this device has no engine, and {kept}; ask with --share prompt"))

    def _go_alone(self, entry: _Open, reason: str) -> list[Action | Order]:
        """Without a plan, from what is kept of it."""
        entry.plan, entry.runner = None, self._me
        request, half = _from_half(entry), entry.half
        entry.seeds[ALONE] = request.call.seed
        own = Assignment(request=request.id, origin=self._me, runner=self._me, call=request.call)
        alone = GoAlone(own) if half is None else GoAlone(own, half.step, half.data)
        return [Tell(request.id, WentAlone(reason=reason)), alone]

    def _fail(self, entry: _Open, reason: str) -> list[Action]:
        del self._open[entry.request.id]
        return [*_forget(entry), Tell(entry.request.id, Failed(reason=reason))]

    def _has_half(self, request: RequestId) -> bool:
        return request in self._open and self._open[request].half is not None


def _from_half(entry: _Open) -> Request:
    """The request as it goes on from its half: with the seed that this was run with, and never in a group again."""
    request, half = msgspec.structs.replace(entry.request, avoid=entry.avoid), entry.half
    if half is None:
        return request
    call = msgspec.structs.replace(request.call, seed=half.seed)
    return msgspec.structs.replace(request, call=call, seed_free=False, shared=0, begun=half.step)


def _forget(entry: _Open) -> list[Action]:
    request = entry.request.id
    return [Forget(PREFIX + request), *([halves.forgotten(request)] if entry.half is not None else [])]


def requests_in(recalled: Mapping[str, bytes]) -> list[RequestId]:
    """The open requests of an earlier life."""
    return [RequestId(key.removeprefix(PREFIX)) for key in recalled if key.startswith(PREFIX)]


def _stays(request: Request, can_run: bool) -> bool:
    """Whether nobody else may hear of it: it shares nothing, or concepts that it hasn't or that help nobody here."""
    return request.share == "nothing" or (request.share == "concepts" and not (can_run and request.concepts))
