"""One node's wish to lead, and its leave for others to.

A candidate waits its turn, asks the living whether they, too, have lost their leader, counts answers for a moment, and
either may claim or backs off and waits again. On the other side of the question, a node gives its leave to one
candidate per interval, which the same or a better-ranked one may take over.

Asking only saves needless elections; it protects nothing. Two candidates that both claim make two terms, of which one
is the greater. Never here: roles, terms, or a message.
"""

from dataclasses import dataclass, field

from peerd_protocol.ids import NodeId
from peerd_protocol.membership import Rank
from peerd_protocol.timing import ASK_AGAIN_S, COUNT_S


@dataclass(slots=True)
class Candidacy:
    """A candidate's own state. `silent_leader` is asked too: its no weighs more than any majority."""

    asks_at_s: float
    silent_leader: NodeId | None = None
    counter: int = 0
    counts_until_s: float | None = None
    asks_again_s: float = 0.0
    granted: set[NodeId] = field(default_factory=set)

    @property
    def is_asking(self) -> bool:
        return self.counts_until_s is not None

    def ask(self, counter: int, now_s: float) -> None:
        """Open a round: answers count from now on."""
        self.counter, self.granted = counter, set()
        self.counts_until_s, self.asks_again_s = now_s + COUNT_S, now_s + ASK_AGAIN_S

    def back_off(self, until_s: float) -> None:
        """The round failed, or a better candidate is about: wait for another turn."""
        self.asks_at_s, self.counts_until_s = until_s, None

    def due_to_ask_again(self, now_s: float) -> bool:
        """Whether to repeat the question; saying yes counts as repeating it."""
        due = now_s >= self.asks_again_s
        if due:
            self.asks_again_s = now_s + ASK_AGAIN_S
        return due

    def unanswered(self, living: frozenset[NodeId]) -> list[NodeId]:
        """Who has not granted yet, in a fixed order."""
        silent = set() if self.silent_leader is None else {self.silent_leader}
        return sorted((living | silent) - self.granted)

    def may_claim(self, living: frozenset[NodeId], now_s: float) -> bool:
        """More than half of the alive view, itself included. With nobody alive that is oneself, so a leader that may
        only be out of earshot gets the whole count to say no."""
        if self.counts_until_s is None:
            return False
        if not living and self.silent_leader is not None and self.silent_leader not in self.granted:
            return now_s >= self.counts_until_s
        return 2 * (len(self.granted & living) + 1) > len(living) + 1

    def has_failed(self, now_s: float) -> bool:
        """Whether the count is over; ask `may_claim` first."""
        return self.counts_until_s is not None and now_s >= self.counts_until_s


@dataclass(slots=True)
class Leave:
    """The one grant per interval that a node gives to candidates."""

    candidate: Rank | None = None
    given_s: float = 0.0

    def is_free_for(self, candidate: Rank, now_s: float, interval_s: float) -> bool:
        """The rank holds the node's id, and a node's rank may change: compare nodes before ranks."""
        if self.candidate is None or now_s - self.given_s >= interval_s:
            return True
        return self.candidate[-1] == candidate[-1] or candidate > self.candidate

    def give(self, candidate: Rank, now_s: float) -> None:
        self.candidate, self.given_s = candidate, now_s
