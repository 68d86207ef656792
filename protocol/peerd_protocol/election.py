"""Who leads: ranked self-claim with fenced terms.

A node is born into JOIN. It listens for a little over two heartbeats and follows a leader as soon as it hears one; if
none speaks it becomes a CANDIDATE. A candidate lets better-ranked ones go first, then asks the living whether they,
too, miss a leader; with more than half of them behind it, it claims the next term and is in LEAD. Everyone who hears a
greater term from its claimant accepts it, and is in FOLLOW until that leader falls silent, dies, leaves, or says
anything else than that it leads this term. A node that slept goes back to JOIN before it may command.

        JOIN ----> CANDIDATE <----> FOLLOW          a leader heard:  JOIN, CANDIDATE, LEAD -> FOLLOW
                       |              ^             a long sleep:    any -> JOIN
                       +---> LEAD ----+             a leader resigned to this node:  FOLLOW -> LEAD

Nothing here needs consensus. Any part of a network may elect its own leader; the terms fence them from each other,
and when they meet the one with more followers claims above the other. A wrong leader costs energy, never correctness.

What is durable lives in `terms`, how long to wait in `timing`, the candidate's round in `candidacy`, the rhythm of
heartbeats in `beat`, who is alive in `membership`. Never here: a clock, or what a leader does with its office.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import assert_never

from peerd_protocol.actions import Action, Send
from peerd_protocol.beat import Beat
from peerd_protocol.candidacy import Candidacy, Leave
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import BootNonce, NodeId, Term
from peerd_protocol.membership import Membership, Rank, claimed_term, rank_of, without_term
from peerd_protocol.messages import Fenced, Heartbeat, Preclaim, PreclaimAnswer, Resign
from peerd_protocol.profile import PowerClass, Profile
from peerd_protocol.terms import Terms, adopted_counter
from peerd_protocol.timing import backoff_s, join_s, own_interval_s, silence_s, slept, stagger_s

ElectionMessage = Heartbeat | Preclaim | PreclaimAnswer | Resign | Fenced


class Role(StrEnum):
    JOIN = "join"
    FOLLOW = "follow"
    CANDIDATE = "candidate"
    LEAD = "lead"


PASSAGES = {
    Role.JOIN: {Role.FOLLOW, Role.CANDIDATE, Role.JOIN},
    Role.FOLLOW: {Role.FOLLOW, Role.CANDIDATE, Role.LEAD, Role.JOIN},
    Role.CANDIDATE: {Role.FOLLOW, Role.LEAD, Role.JOIN},
    Role.LEAD: {Role.LEAD, Role.FOLLOW, Role.JOIN},
}
"""From where to where a node may pass; anything else is a mistake of ours and raises at the door."""


class Election:
    """One node's part in the election.

    `recalled` is what the store kept of earlier boots; `interval_s` is H on mains. The host calls `Membership.ticked`
    and then `ticked` at least every `TICK_S_MAX`, and `received` for a heartbeat only if `Membership.heard` took it.
    """

    def __init__(
        self, me: NodeId, boot: BootNonce, recalled: Mapping[str, bytes], interval_s: float, now_s: float
    ) -> None:
        self.me, self.boot = me, boot
        self.role = Role.JOIN
        self._terms = Terms(me, boot, recalled)
        self._mains_interval_s = interval_s
        self._profile = Profile(model="")
        self.interval_s = own_interval_s(interval_s, self._profile.power)
        """This node's own H."""
        self._roster_digest = b""
        self._joined_s = self._ticked_s = now_s
        self._beat = Beat(now_s)
        self._heard_leader_s = now_s
        self._candidacy: Candidacy | None = None
        self._leave = Leave()
        self._successor: NodeId | None = None
        self._may_lead = True

    # ---- what others may ask ----

    @property
    def term(self) -> Term | None:
        """The accepted term: the only one whose commands are accepted."""
        return self._terms.accepted

    @property
    def highest(self) -> int:
        """The highest counter seen."""
        return self._terms.highest

    @property
    def leader(self) -> NodeId | None:
        """Who leads this node now: itself, a living leader, or nobody."""
        term, role = self._terms.accepted, self.role
        return term.leader if term is not None and (role is Role.FOLLOW or role is Role.LEAD) else None

    @property
    def rank(self) -> Rank:
        return rank_of(self.me, self._profile)

    def obeys(self, sender: NodeId, term: Term) -> bool:
        """Fencing: whether a command of this term from this authenticated sender may be accepted now."""
        if term != self.term or sender != term.leader:
            return False
        return sender != self.me or self.role is Role.LEAD

    def fenced(self) -> Fenced:
        """The answer to a command that `obeys` forbids."""
        return Fenced(term=self.term, highest=self.highest)

    def fence(self, sender: NodeId, term: Term) -> list[Action]:
        """A command of another term than the accepted one is answered, never carried out."""
        return [] if self.obeys(sender, term) else [Send(sender, self.fenced())]

    # ---- events ----

    def roster_changed(self, now_s: float, *, may_lead: bool) -> None:
        """What the roster allows this node; a leader that may not any more begins anew."""
        self._may_lead = may_lead
        if self.role is Role.LEAD and not may_lead:
            self._become_joiner(now_s)

    def ticked(
        self, now_s: float, membership: Membership, profile: Profile, roster_digest: bytes = b""
    ) -> list[Action]:
        """Time passed: act on what is due, and send heartbeats."""
        gap_s, self._ticked_s = now_s - self._ticked_s, now_s
        self._profile, self._roster_digest = profile, roster_digest
        self.interval_s = own_interval_s(self._mains_interval_s, profile.power)
        if slept(gap_s, self.interval_s):
            self._become_joiner(now_s)
        actions: list[Action] = []
        match self.role:
            case Role.JOIN:
                actions += self._step_joiner(now_s, membership)
            case Role.FOLLOW:
                actions += self._step_follower(now_s, membership)
            case Role.CANDIDATE:
                actions += self._step_candidate(now_s, membership)
            case Role.LEAD:
                pass
            case _:
                assert_never(self.role)
        return actions + self._send_heartbeats(now_s, membership)

    def received(self, sender: NodeId, message: ElectionMessage, now_s: float, membership: Membership) -> list[Action]:
        """A peer said something about leading."""
        match message:
            case Heartbeat():
                return self._hear(sender, message, now_s, membership)
            case Preclaim():
                return self._answer(sender, message, now_s, membership)
            case PreclaimAnswer():
                return self._count(sender, message, now_s, membership)
            case Resign():
                return self._succeed(sender, message, now_s, membership)
            case Fenced():
                # Its heartbeats say the same, and whether a leader stands behind it; here only the counter is news. Of
                # whoever may not lead it is none, as their heartbeats tell of no term either.
                counts = sender in membership.electors(now_s)
                return [*self._terms.note(message.highest, now_s, self.interval_s)] if counts else []
            case _:
                assert_never(message)

    # ---- passages ----

    def _pass_to(self, role: Role) -> None:
        if role not in PASSAGES[self.role]:
            raise LocalError(f"A node in {self.role} cannot pass to {role}.")
        self.role, self._candidacy, self._successor = role, None, None

    def _become_joiner(self, now_s: float) -> None:
        self._pass_to(Role.JOIN)
        self._joined_s = now_s

    def _become_follower(self, now_s: float) -> None:
        """Of the leader of the accepted term, which has just been heard."""
        self._pass_to(Role.FOLLOW)
        self._heard_leader_s = now_s

    def _become_candidate(
        self, now_s: float, membership: Membership, silent_leader: NodeId | None = None
    ) -> list[Action]:
        self._pass_to(Role.CANDIDATE)
        asks_at_s = now_s + stagger_s(membership.better_ranked(self.rank, now_s)) if self._may_lead else math.inf
        self._candidacy = Candidacy(asks_at_s, silent_leader)
        return self._step_candidate(now_s, membership)

    def _become_leader(self, now_s: float, membership: Membership) -> list[Action]:
        """Claim a new term, and say so at once."""
        self._pass_to(Role.LEAD)
        self._beat.hasten(now_s)
        return [*self._terms.claim(), *self._send_heartbeats(now_s, membership)]

    # ---- time passes in a role ----

    def _step_joiner(self, now_s: float, membership: Membership) -> list[Action]:
        """Nobody led while we listened: adopt a counter that cannot be one liar's, and stand."""
        if now_s < self._joined_s + join_s(self.interval_s):
            return []
        peers = membership.peers(now_s)
        counter = adopted_counter([peers[peer].heartbeat.highest for peer in membership.electors(now_s)])
        noted = self._terms.note(counter, now_s, self.interval_s)
        return [*noted, *self._become_candidate(now_s, membership)]

    def _step_follower(self, now_s: float, membership: Membership) -> list[Action]:
        """The leader is dead by silence, or its process is known to be gone."""
        assert self.term is not None, "a follower has accepted a term"
        leader = self.term.leader
        state = membership.known(leader)
        if state is None or state.ended is not None:
            return self._become_candidate(now_s, membership)
        if now_s - self._heard_leader_s > silence_s(state.interval_s, membership.patience(now_s)):
            return self._become_candidate(now_s, membership, silent_leader=leader)
        return []

    def _step_candidate(self, now_s: float, membership: Membership) -> list[Action]:
        """Ask when it is one's turn; claim as soon as the answers allow it; else back off."""
        candidacy, living = self._candidacy, membership.electors(now_s)
        assert candidacy is not None, "a candidate has a candidacy"
        if not candidacy.is_asking and now_s < candidacy.asks_at_s:
            return []
        asks = not candidacy.is_asking
        if asks:
            candidacy.ask(self.highest + 1, now_s)
        if candidacy.may_claim(living, now_s):
            return self._become_leader(now_s, membership)
        if candidacy.has_failed(now_s):
            self._back_off(now_s, membership)
            return []
        if asks or candidacy.due_to_ask_again(now_s):
            return [Send(peer, Preclaim(counter=candidacy.counter)) for peer in candidacy.unanswered(living)]
        return []

    def _back_off(self, now_s: float, membership: Membership) -> None:
        if self._candidacy is not None and self._may_lead:
            better_ranked = membership.better_ranked(self.rank, now_s)
            self._candidacy.back_off(now_s + backoff_s(self.interval_s, better_ranked))

    # ---- a heartbeat comes ----

    def _hear(self, sender: NodeId, heartbeat: Heartbeat, now_s: float, membership: Membership) -> list[Action]:
        """Learn its counter; then what it means depends on the role. A counter beyond belief means nothing."""
        term = heartbeat.term
        believed = term is None or self._terms.believes(term.counter, now_s, self.interval_s)
        noted = [] if term is None else self._terms.note(term.counter, now_s, self.interval_s)
        if not believed:
            heartbeat = without_term(heartbeat)
        match self.role:
            case Role.JOIN | Role.CANDIDATE:
                heard = self._hear_leaderless(sender, heartbeat, now_s)
            case Role.FOLLOW:
                heard = self._hear_as_follower(sender, heartbeat, now_s, membership)
            case Role.LEAD:
                heard = self._hear_as_leader(sender, heartbeat, now_s, membership)
            case _:
                assert_never(self.role)
        return [*noted, *heard]

    def _hear_leaderless(self, sender: NodeId, heartbeat: Heartbeat, now_s: float) -> list[Action]:
        """Follow a leader at once: of the accepted term, or of a greater one.

        A guest commands nobody and may claim no greater one: what it accepted while it led itself, or elsewhere, would
        leave it without a leader for ever.
        """
        claim = _claim_of(sender, heartbeat)
        if claim is None:
            return []
        if claim != self.term and not self._terms.exceeds(claim):
            if self._may_lead:
                return []
            self._terms.let_go()
        return self._follow(claim, now_s)

    def _hear_as_follower(
        self, sender: NodeId, heartbeat: Heartbeat, now_s: float, membership: Membership
    ) -> list[Action]:
        """A leader lives only by claiming the accepted term; whatever else it says ends following."""
        claim = _claim_of(sender, heartbeat)
        if claim is not None and (claim == self.term or self._terms.exceeds(claim)):
            return self._follow(claim, now_s)
        return self._become_candidate(now_s, membership) if sender == self.leader else []

    def _hear_as_leader(
        self, sender: NodeId, heartbeat: Heartbeat, now_s: float, membership: Membership
    ) -> list[Action]:
        """Someone has accepted a term above ours: meet its leader, or take in a peer whose leader is gone."""
        if heartbeat.term is None or not self._terms.exceeds(heartbeat.term):
            return []
        claim = _claim_of(sender, heartbeat)
        if claim is not None:
            yields = self._successor == sender or not self._outdoes(sender, heartbeat, now_s, membership)
            return self._follow(claim, now_s) if yields else self._become_leader(now_s, membership)
        return [] if heartbeat.following else self._become_leader(now_s, membership)

    def _outdoes(self, rival: NodeId, heartbeat: Heartbeat, now_s: float, membership: Membership) -> bool:
        """Two leaders meet: more followers, then the better rank, which ends in the id, so that there is no tie."""
        followers = membership.followers(self.me, self.boot, now_s)
        return (followers, self.rank) > (heartbeat.followers, rank_of(rival, heartbeat.profile))

    def _follow(self, claim: Term, now_s: float) -> list[Action]:
        accepted = self._terms.accept(claim) if self._terms.exceeds(claim) else []
        self._become_follower(now_s)
        return [*accepted]

    # ---- candidates ask and are answered ----

    def _answer(self, sender: NodeId, preclaim: Preclaim, now_s: float, membership: Membership) -> list[Action]:
        state = membership.known(sender)
        granted = state is not None and self._grants(rank_of(sender, state.profile), now_s, membership)
        if granted and state is not None:
            self._leave.give(rank_of(sender, state.profile), now_s)
            self._back_off(now_s, membership)
        return [Send(sender, PreclaimAnswer(counter=preclaim.counter, granted=granted))]

    def _grants(self, candidate: Rank, now_s: float, membership: Membership) -> bool:
        """Only without a living leader of our own, one candidate at a time, and to no worse one while we ask."""
        if self.role in (Role.LEAD, Role.FOLLOW):
            return False
        if self._candidacy is not None and self._candidacy.is_asking and candidate < self.rank:
            return False
        return self._leave.is_free_for(candidate, now_s, self.interval_s)

    def _count(self, sender: NodeId, answer: PreclaimAnswer, now_s: float, membership: Membership) -> list[Action]:
        """A grant may be the one that was missing; a no from the silent leader means that it lives."""
        candidacy = self._candidacy
        if candidacy is None or not candidacy.is_asking or answer.counter != candidacy.counter:
            return []
        if answer.granted:
            candidacy.granted.add(sender)
            return self._step_candidate(now_s, membership)
        if sender == candidacy.silent_leader:
            self._back_off(now_s, membership)
        return []

    # ---- a leader low on battery hands over ----

    def _resign(self, now_s: float, membership: Membership) -> list[Action]:
        """Name the best living follower of a better power class, with every heartbeat until it has claimed.

        Until then this node goes on leading, so that nobody is without a leader for a moment.
        """
        if self.role is not Role.LEAD or self.term is None or self._profile.power is not PowerClass.LOW:
            return []
        peers = membership.peers(now_s)
        able = [
            rank_of(peer, peers[peer].profile)
            for peer in membership.electors(now_s)
            if peers[peer].profile.power > self._profile.power and peers[peer].heartbeat.term == self.term
        ]
        if not able:
            return []
        self._successor = max(able)[-1]
        return [Send(self._successor, Resign(term=self.term, successor=self._successor))]

    def _succeed(self, sender: NodeId, resign: Resign, now_s: float, membership: Membership) -> list[Action]:
        """The leader resigned to us: claim at once, unless the world has moved on since."""
        named = self._may_lead and resign.successor == self.me and self.obeys(sender, resign.term)
        return self._become_leader(now_s, membership) if named and self.role is Role.FOLLOW else []

    # ---- heartbeats ----

    def _send_heartbeats(self, now_s: float, membership: Membership) -> list[Action]:
        connections = membership.connections()
        if self._beat.is_quiet(connections, now_s):
            return []
        resigned = self._resign(now_s, membership) if self._beat.is_due(now_s) else []
        receivers = self._beat.receivers(connections, now_s, self.interval_s)
        if not receivers:
            return resigned
        heartbeat = self._heartbeat(now_s, membership)
        return [*resigned, *(Send(peer, heartbeat) for peer in receivers)]

    def _heartbeat(self, now_s: float, membership: Membership) -> Heartbeat:
        leading = self.role is Role.LEAD
        return Heartbeat(
            boot=self.boot,
            sequence=self._beat.sequence,
            interval_ms=round(self.interval_s * 1000),
            term=self.term,
            leading=leading,
            following=self.role is Role.FOLLOW,
            highest=self.highest,
            followers=membership.followers(self.me, self.boot, now_s) if leading else 0,
            profile=self._profile,
            roster_digest=self._roster_digest,
        )


def _claim_of(sender: NodeId, heartbeat: Heartbeat) -> Term | None:
    """The term that the sender claims for itself; nobody can claim for another."""
    claim = claimed_term(heartbeat)
    return claim if claim is not None and claim.leader == sender else None
