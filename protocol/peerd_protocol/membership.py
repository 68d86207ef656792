"""Who is alive, as far as this node can tell.

A peer lives through its heartbeats: numbered per boot, each announcing the interval in which the next one comes. It
is *suspect* when one is missing, *dead* after 3.5 intervals of silence or at once when its connection closed and a
re-dial was refused, and *left* when it said goodbye. Each peer's newest heartbeat is kept here, for election and
planning to read.

Never here: who leads, what is decided from a profile, or a message of its own. A dead peer costs energy, never
correctness, so nobody is asked for a second opinion.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec

from peerd_protocol.ids import BootNonce, NodeId, Term
from peerd_protocol.messages import Heartbeat
from peerd_protocol.profile import Profile
from peerd_protocol.timing import Patience, announced_interval_s, silence_s, suspicion_s

MEMBERS_MAX = 32
"""Heartbeats go from everyone to everyone; beyond this many a gathering forms several clusters."""

PAST_BOOTS_MAX = 8
"""Old boots remembered per peer, so that their late heartbeats stay ignored."""

Rank = tuple[int, int, NodeId]
"""Power class, compute class, device id: the greater is the better leader, and no two are equal."""


class Status(StrEnum):
    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class PeerState:
    """What is known of one peer. `status` is as of the moment it was asked for."""

    heartbeat: Heartbeat
    heard_s: float
    interval_s: float
    """Its H, as it announced it, within bounds."""
    silence_s: float
    """How long it may be silent, by that H, before it is dead."""
    status: Status
    ended: Status | None = None
    """Set when the peer ended otherwise than by silence: DEAD by a refused re-dial, or LEFT."""
    deaf_until_s: float = 0.0
    """Heartbeats of this boot before then were sent by a process that is gone since."""
    past_boots: tuple[BootNonce, ...] = ()

    @property
    def boot(self) -> BootNonce:
        return self.heartbeat.boot

    @property
    def profile(self) -> Profile:
        return self.heartbeat.profile

    @property
    def claim(self) -> Term | None:
        """The term that this peer claims for itself, if it does and may."""
        return claimed_term(self.heartbeat)


def claimed_term(heartbeat: Heartbeat) -> Term | None:
    """The term that the sender claims to lead: none unless it is of the sender's own boot."""
    term = heartbeat.term
    return term if heartbeat.leading and term is not None and term.boot == heartbeat.boot else None


def without_term(heartbeat: Heartbeat) -> Heartbeat:
    """What is left of a heartbeat whose word on leading does not count: its sender lives."""
    return msgspec.structs.replace(heartbeat, term=None, leading=False)


def rank_of(node: NodeId, profile: Profile) -> Rank:
    """How good a leader a node makes."""
    return (int(profile.power), profile.compute_class, node)


class Membership:
    """The table of peers. Call `ticked` before asking, so that this node's own lateness is not held against others."""

    def __init__(self, me: NodeId) -> None:
        self._me = me
        self._peers: dict[NodeId, PeerState] = {}
        self._connections: frozenset[NodeId] = frozenset()
        self._patience = Patience()
        self._electors: frozenset[NodeId] | None = None
        """Those who may lead; None: everyone."""

    # ---- what happened ----

    def ticked(self, now_s: float, interval_s: float) -> None:
        """Time passed; `interval_s` is this node's own H."""
        self._patience.ticked(now_s, interval_s)

    def heard(self, peer: NodeId, heartbeat: Heartbeat, now_s: float) -> bool:
        """Take in a heartbeat; False if it tells nothing new and must be dropped, by the election too."""
        known = self._peers.get(peer)
        if peer == self._me or (known is None and len(self._peers) >= MEMBERS_MAX - 1):
            return False
        if known is not None and not self._is_news(known, heartbeat, now_s):
            return False
        past_boots = () if known is None else known.past_boots
        if known is not None and known.boot != heartbeat.boot:
            past_boots = (known.boot, *past_boots)[:PAST_BOOTS_MAX]
        interval_s = announced_interval_s(heartbeat.interval_ms)
        silent_s = silence_s(interval_s)
        self._peers[peer] = PeerState(heartbeat, now_s, interval_s, silent_s, Status.ALIVE, past_boots=past_boots)
        return True

    def connected(self, peer: NodeId, now_s: float) -> None:
        """A channel to the peer is open. It counts as alive from its first heartbeat on."""
        self._connections |= {peer}
        if (known := self._peers.get(peer)) is not None:
            self._peers[peer] = replace(known, deaf_until_s=now_s)

    def closed(self, peer: NodeId, refused: bool, now_s: float) -> None:
        """The channel closed. Only a refused re-dial proves that the process is gone; else its silence will tell."""
        self._connections -= {peer}
        known = self._peers.get(peer)
        if refused and known is not None and known.ended is None:
            self._peers[peer] = replace(known, ended=Status.DEAD, deaf_until_s=now_s + known.interval_s)

    def left(self, peer: NodeId) -> None:
        """The peer said goodbye: it is gone until it boots again."""
        if (known := self._peers.get(peer)) is not None:
            self._peers[peer] = replace(known, ended=Status.LEFT)

    def roster_changed(self, members: frozenset[NodeId], electors: frozenset[NodeId]) -> None:
        """The roster now has these members, nobody else exists; `electors` of them may lead."""
        self._electors = electors
        self._peers = {peer: state for peer, state in self._peers.items() if peer in members}
        self._connections &= members

    # ---- what is known ----

    def connections(self) -> frozenset[NodeId]:
        """Peers with an open channel, heard from or not."""
        return self._connections

    def living(self, now_s: float) -> frozenset[NodeId]:
        """Peers that are alive or suspect, without this node. Asked of everyone in every tick, so it calls nobody."""
        patience = self._patience.factor(now_s)
        return frozenset(
            [
                peer
                for peer, state in self._peers.items()
                if state.ended is None and now_s - state.heard_s <= state.silence_s * patience
            ]
        )

    def peers(self, now_s: float) -> Mapping[NodeId, PeerState]:
        """Everyone ever heard from, with today's status."""
        return {peer: self._today(state, now_s) for peer, state in self._peers.items()}

    def known(self, peer: NodeId) -> PeerState | None:
        """One peer as it was last heard of; `peers` has today's status."""
        return self._peers.get(peer)

    def better_ranked(self, rank: Rank, now_s: float) -> int:
        """How many living peers would make a better leader than a node of this rank."""
        return sum(rank_of(peer, self._peers[peer].profile) > rank for peer in self.electors(now_s))

    def electors(self, now_s: float) -> frozenset[NodeId]:
        """Living peers that may lead: whose word counts in an election."""
        living = self.living(now_s)
        return living if self._electors is None else living & self._electors

    def followers(self, leader: NodeId, boot: BootNonce, now_s: float) -> int:
        """How many living peers have accepted a term of this leader's present boot.

        An older term of it counts too: else every new claim would make its claimant the weakest for one interval.
        """
        terms = (self._peers[peer].heartbeat.term for peer in self.electors(now_s))
        return sum(term is not None and (term.leader, term.boot) == (leader, boot) for term in terms)

    def patience(self, now_s: float) -> float:
        """The factor on every timeout about peers."""
        return self._patience.factor(now_s)

    # ---- rules ----

    @staticmethod
    def _is_same_boot_news(known: PeerState, heartbeat: Heartbeat, now_s: float) -> bool:
        """Sequences rise; a goodbye is for the boot's whole life; a refused process is silent from then on."""
        if heartbeat.sequence <= known.heartbeat.sequence or known.ended is Status.LEFT:
            return False
        return known.ended is None or now_s >= known.deaf_until_s

    def _is_news(self, known: PeerState, heartbeat: Heartbeat, now_s: float) -> bool:
        if heartbeat.boot == known.boot:
            return self._is_same_boot_news(known, heartbeat, now_s)
        # A heartbeat of an older boot came late. But if we only met the boots in the wrong order, the one that we
        # took for newer falls silent, and the one that goes on speaking is the living one.
        return heartbeat.boot not in known.past_boots or (
            known.ended is None and self._status(known, now_s) is Status.DEAD
        )

    def _today(self, state: PeerState, now_s: float) -> PeerState:
        status = self._status(state, now_s)
        return state if status is state.status else replace(state, status=status)

    def _status(self, state: PeerState, now_s: float) -> Status:
        if state.ended is not None:
            return state.ended
        patience, silent_s = self._patience.factor(now_s), now_s - state.heard_s
        if silent_s > state.silence_s * patience:
            return Status.DEAD
        return Status.SUSPECT if silent_s > suspicion_s(state.interval_s, patience) else Status.ALIVE
