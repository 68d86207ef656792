"""The node: `step(event) -> actions`, the one place where the machines meet.

The host's whole loop is

    node = Node(me, boot, recalled, profile, interval_s, now_s)
    while True:
        event = next_event()                    # a message, a result, or the clock
        for action in node.step(Ticked(clock())) + node.step(event):
            perform(action)                     # in order; a Remember is on disk before what follows it

Here lives who hears what: each event goes to the machines it concerns, what one machine wants of another is carried
over, and what a node says to itself never leaves it. Never here: a rule of any machine, a clock, a socket.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from peerd_protocol.actions import Action, MergeRoster, Send, ShareRoster
from peerd_protocol.coordination.early import Early
from peerd_protocol.coordination.executor import Executor
from peerd_protocol.coordination.holder import Holder
from peerd_protocol.coordination.leader import Leader
from peerd_protocol.coordination.orders import Give, GoAlone, Order, Resume
from peerd_protocol.coordination.origin import Origin
from peerd_protocol.coordination.runner import Runner
from peerd_protocol.coordination.standby import StandbyDuty
from peerd_protocol.election import Election, Role
from peerd_protocol.events import (
    Asked,
    CacheChanged,
    Cancelled,
    CheckpointSaved,
    Considered,
    Delivered,
    DeliveryFailed,
    Event,
    Leaving,
    PeerClosed,
    PeerConnected,
    PicturePainted,
    Planned,
    Profiled,
    Recalled,
    Received,
    RosterChanged,
    StepDone,
    Ticked,
    WorkFailed,
    WorkHalted,
)
from peerd_protocol.handoff import Arrived, Given, Handoffs, NotGiven, Outcome
from peerd_protocol.handshake import Handshakes
from peerd_protocol.ids import BootNonce, NodeId, Term
from peerd_protocol.membership import Membership, PeerState
from peerd_protocol.messages import (
    Answer,
    AnyMessage,
    BeginningFailed,
    Bereft,
    BranchBereft,
    CacheTold,
    Chunk,
    Fenced,
    Goodbye,
    GroupEnded,
    HandoffBegin,
    HandoffDone,
    HandoffGot,
    Heartbeat,
    Hello,
    LocalProgress,
    Offer,
    PlanTold,
    Preclaim,
    PreclaimAnswer,
    Progress,
    RequestFailed,
    Resign,
    RosterShare,
    RosterWant,
    Standby,
    StandDown,
    StandsBy,
    Submit,
    Withdraw,
)
from peerd_protocol.plan import GroupPlan
from peerd_protocol.profile import Profile
from peerd_protocol.roles import Guard, Roles

Moves = Iterable[Action | Order | Outcome]


class Node:
    """One node of the protocol, pure. `recalled` is what earlier boots remembered."""

    def __init__(
        self,
        me: NodeId,
        boot: BootNonce,
        recalled: Mapping[str, bytes],
        profile: Profile,
        interval_s: float,
        now_s: float,
    ) -> None:
        self.me, self.profile, self._now_s = me, profile, now_s
        self._roster_digest, self._guard = b"", Guard()
        self._living = frozenset((me,))
        self._led: Term | None = None
        self._handshakes = Handshakes(me, boot)
        self._membership = Membership(me)
        self._election = Election(me, boot, recalled, interval_s, now_s)
        self._origin = Origin(me, recalled, now_s)
        self._leader = Leader()
        self._executor = Executor(me, interval_s)
        self._runner = Runner(me, recalled, interval_s)
        self._holder = Holder()
        self._standby = StandbyDuty(me)
        self._handoffs = Handoffs(me)
        self._early = Early()

    # ---- what the host may ask -----------------------------------------------------------------------------

    @property
    def leader(self) -> NodeId | None:
        return self._election.leader

    @property
    def term(self) -> Term | None:
        return self._election.term

    @property
    def role(self) -> Role:
        return self._election.role

    def peers(self) -> Mapping[NodeId, PeerState]:
        """Everyone ever heard from, with today's status."""
        return self._membership.peers(self._now_s)

    def devices(self) -> dict[NodeId, Profile]:
        """This device and every living peer's: what a plan is made of."""
        peers = self._membership.peers(self._now_s)
        known = {peer: peers[peer].profile for peer in self._membership.living(self._now_s)}
        return {node: self._guard.profile(node, profile) for node, profile in {self.me: self.profile, **known}.items()}

    # ---- the step ------------------------------------------------------------------------------------------

    def step(self, event: Event) -> list[Action]:
        """All that follows from one event, in the order in which it must be done."""
        actions: list[Action] = []
        events = [event]
        for each in events:  # what it says to itself is heard after what it heard before
            moves = self._react(each)
            for move in self._settle(moves) if moves else ():
                if isinstance(move, Send) and move.to == self.me:
                    events.append(Received(self.me, move.message))
                else:
                    actions.append(move)
        return actions

    def _settle(self, moves: Moves) -> Iterable[Action]:
        """Carry what one machine wants of another until only actions are left."""
        for move in moves:
            match move:
                case GoAlone():
                    yield from self._settle(self._runner.go_alone(move))
                case Give(to, begin, data):
                    yield from self._handoffs.give(to, begin, data, self._now_s)
                case Arrived(sender, begin, data) if begin.what == "checkpoint":
                    yield from self._settle(self._runner.arrived(sender, begin, data))
                case Arrived(sender, begin, data) if begin.what == "branch":
                    yield from self._settle(self._executor.arrived(sender, begin, data, self._now_s))
                    self._standby.arrived(sender, begin, data, self._now_s)
                    yield from self._settle(self._executor.resuming(begin.group))
                case Arrived(sender, begin, data) if begin.what == "spare" and not begin.request:
                    self._standby.arrived(sender, begin, data, self._now_s)
                case Arrived(sender, begin, data) if begin.what == "spare":
                    yield from self._settle(self._origin.spared(sender, begin, data))
                case Arrived(_, begin, data):
                    yield from self._settle(self._origin.painted(begin, data, self._now_s))
                case Given(_, begin) | NotGiven(_, begin):
                    yield from self._settle([*self._executor.handed(begin), *self._runner.handed(begin)])
                case Resume(work, group):
                    yield from self._settle(self._executor.resumed(work, self._standby.spare(group), self._now_s))
                case _:
                    yield move

    def _react(self, event: Event) -> Moves:
        match event:
            case Ticked(now_s):
                return self._tick(now_s)
            case Received(sender, message):
                return self._receive(sender, message)
            case PeerConnected(peer):
                self._handshakes.connected(peer)
                self._membership.connected(peer, self._now_s)
                return []
            case PeerClosed(peer, refused):
                self._membership.closed(peer, refused, self._now_s)
                return [*self._elect(), *self._mourn()]
            case Leaving():
                return [Send(peer, Goodbye()) for peer in sorted(self._membership.connections())]
            case Profiled(profile):
                self.profile = profile
                return []
            case RosterChanged(digest, roles):
                return self._take_roster(digest, roles)
            case Asked(request):
                asked = self._origin.asked(request, self.leader, self.profile.engine, self._now_s)
                return asked + self._origin.ticked(self.leader, self.term, self.profile.engine, self._now_s)
            case Cancelled(request):
                return self._origin.cancelled(request, self.leader)
            case Planned():
                return self._leader.planned(event, self._living, self._led, self._now_s) if self._led else []
            case Considered():
                return self._executor.considered(event, self._now_s)
            case StepDone():
                return [*self._executor.stepped(event), *self._runner.stepped(event)]
            case CheckpointSaved():
                return [*self._executor.saved(event), *self._runner.saved(event)]
            case Recalled():
                return self._executor.recalled(event, self._now_s)
            case CacheChanged(entries):
                self._holder.changed(entries)
                return []
            case WorkHalted():
                return self._executor.halted(event)
            case PicturePainted():
                return self._runner.painted(event)
            case WorkFailed():
                return [*self._executor.work_failed(event), *self._runner.work_failed(event)]
            case Delivered():
                return self._origin.delivered(event, self._now_s)
            case DeliveryFailed():
                return self._origin.delivery_failed(event)
            case _:
                assert_never(event)

    # ---- time ----------------------------------------------------------------------------------------------

    def _tick(self, now_s: float) -> Moves:
        self._now_s = now_s
        self._membership.ticked(now_s, self._election.interval_s)
        # What an earlier boot was bound to is forgotten before this one binds anything.
        before = self._runner.ticked(self.leader, now_s)
        moves: list[Action | Order | Outcome] = [*before, *self._elect(), *self._mourn()]
        leader, term = self.leader, self.term
        moves += self._origin.ticked(leader, term, self.profile.engine, now_s)
        if self._led is not None:
            moves += self._leader.ticked(self.devices, self._led, now_s)
        moves += self._holder.ticked(leader, term, now_s)
        moves += self._standby.ticked(leader, now_s)
        moves += self._executor.ticked(leader, now_s)
        resent, given_up = self._handoffs.ticked(now_s)
        return [*moves, *resent, *given_up]

    def _take_roster(self, digest: bytes, roles: Roles) -> Moves:
        self._roster_digest, members = digest, frozenset(roles)
        self._guard.roster_changed(roles)
        self._handshakes.removed_from_roster(members)
        self._membership.roster_changed(members, frozenset(each for each in members if self._guard.may(each, "lead")))
        self._election.roster_changed(self._now_s, may_lead=self._guard.may(self.me, "lead"))
        self._take_or_leave_office()
        return self._mourn()

    def _elect(self) -> list[Action]:
        actions = self._election.ticked(self._now_s, self._membership, self.profile, self._roster_digest)
        self._take_or_leave_office()
        return actions

    def _take_or_leave_office(self) -> None:
        """A leadership ends with its term: whoever claims another starts with empty hands."""
        led = self.term if self.role is Role.LEAD else None
        if led != self._led:
            self._leader.resign()
            self._led = led

    def _mourn(self) -> list[Action | Order | Outcome]:
        """Tell every machine of the peers that were alive a moment ago."""
        living = self._membership.living(self._now_s) | {self.me}
        lost, self._living = self._living - living, living
        moves: list[Action | Order | Outcome] = []
        for peer in sorted(lost):
            self._origin.peer_lost(peer, self._now_s)
            moves += self._runner.peer_lost(peer, self._now_s)
            self._executor.peer_lost(peer, self._now_s)
            moves += self._leader.peer_lost(peer, self._now_s)
            moves += self._handoffs.peer_lost(peer)
        return moves

    # ---- messages ------------------------------------------------------------------------------------------

    def _receive(self, sender: NodeId, message: AnyMessage) -> Moves:
        now_s = self._now_s
        if sender != self.me and not isinstance(message, Hello) and not self._handshakes.hears(sender):
            return []
        if sender != self.me and (instead := self._guard.forbids(sender, message)) is not None:
            return instead
        match message:
            case Hello():
                return self._handshakes.received(sender, message)
            case Heartbeat():
                return self._hear(sender, message)
            case Goodbye():
                self._membership.left(sender)
                return [*self._elect(), *self._mourn()]
            case Preclaim() | PreclaimAnswer() | Resign() | Fenced():
                actions = self._election.received(sender, message, now_s, self._membership)
                self._take_or_leave_office()
                return actions
            case RosterWant(digest=digest):
                return [ShareRoster(sender)] if digest != self._roster_digest else []
            case RosterShare(certificates=certificates, revocations=revocations):
                return [MergeRoster(certificates, revocations)]
            case Submit(request=request):
                if self._led is None:
                    return [Send(sender, self._election.fenced())]
                told = self._leader.submitted(sender, request, self._living, now_s)
                # A group that is full now waits no longer.
                return [*told, *self._leader.ticked(self.devices, self._led, now_s)]
            case Withdraw(request=request):
                stopped = self._leader.withdrawn(sender, request)
                return [*stopped, *self._executor.withdrawn(sender, request), *self._runner.withdrawn(sender, request)]
            case Offer():
                return self._election.fence(sender, message.attempt.term) or self._executor.offered(sender, message)
            case Answer():
                return self._leader.answered(sender, message, now_s)
            case PlanTold(plan=plan):
                return self._election.fence(sender, plan.attempt.term) or self._hear_plan(plan)
            case Progress():
                hears = self._executor if message.branch else self._runner
                return hears.progressed(sender, message, now_s)
            case LocalProgress():
                return self._origin.progressed(sender, message, now_s)
            case GroupEnded():
                return self._leader.ended(sender, message, now_s)
            case Standby():
                return self._election.fence(sender, message.offer.attempt.term) or self._standby.asked(message, now_s)
            case StandsBy():
                return self._leader.stands_by(sender, message) if self._led is not None else []
            case StandDown():
                return self._standby.let_go(sender, message, self.leader) + self._executor.stood_down(sender, message)
            case Bereft() | BranchBereft():
                return self._leader.bereft(sender, message, now_s) if self._led is not None else []
            case BeginningFailed():
                return self._executor.orphaned(sender, message)
            case CacheTold(entries=entries):
                return self._leader.keeps(sender, entries) if self._led is not None else []
            case RequestFailed():
                return self._origin.failed(sender, message, self.leader, self.profile.engine)
            case HandoffBegin():
                return self._hear_of_handoff(sender, message)
            case Chunk():
                actions, outcomes = self._handoffs.chunk(sender, message, now_s)
                return [*actions, *outcomes]
            case HandoffGot():
                return self._handoffs.got(sender, message, now_s)
            case HandoffDone():
                return self._handoffs.done(sender, message)
            case _:
                assert_never(message)

    def _hear(self, sender: NodeId, message: Heartbeat) -> list[Action]:
        message = self._guard.heard(sender, message)
        if not self._membership.heard(sender, message, self._now_s):
            return []
        self._living |= {sender}
        actions = self._election.received(sender, message, self._now_s, self._membership)
        self._take_or_leave_office()
        if message.roster_digest != self._roster_digest:
            actions.append(Send(sender, RosterWant(digest=self._roster_digest)))
        return actions

    def _hear_plan(self, plan: GroupPlan) -> Moves:
        heard, plan = plan, self._origin.in_own_words(plan)
        moves = list(self._origin.told(plan, self._runner.bound, self._now_s))
        moves += self._runner.told(plan, heard, self._now_s)
        for sender, begin in self._early.planned({assignment.request for assignment in plan.assignments}):
            moves += self._hear_of_handoff(sender, begin)
        return moves

    def _hear_of_handoff(self, sender: NodeId, begin: HandoffBegin) -> list[Action]:
        """Whether what is announced is wanted. Of what came before its plan that shows later: it is announced again."""
        match begin.what:
            case "checkpoint" if self._runner.is_early(begin):
                self._early.wait(sender, begin)
                return []
            case "branch" | "spare" if self._standby.is_early(begin) and not self._executor.knows(begin.group):
                return []
            case "checkpoint":
                unwanted = self._runner.unwanted(sender, begin)
            case "spare" if not begin.request:
                unwanted = self._standby.unwanted(sender, begin)
            case "branch":
                unwanted = self._executor.unwanted(sender, begin) and self._standby.unwanted(sender, begin)
            case "spare" | "picture":
                unwanted = self._origin.unwanted(sender, begin)
            case _:
                assert_never(begin.what)
        return self._handoffs.begun(sender, begin, unwanted, self._now_s)
