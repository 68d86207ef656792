"""The durable part of election: the highest counter seen, and the accepted term.

Both only ever grow, across restarts too, and each change is a `Remember` that the caller must put before anything
that reveals it. A counter far above our own is a liar's or a broken disk's: it is never believed, but ours follows it
slowly, so that an honest cluster from which this node was long away takes it in after a while. What ours may rise by
others' words is counted for each heartbeat interval as a whole: else many small leaps were a large one, and whoever was
raised by them would claim terms that nobody believes for days. What is beyond that the next heartbeats say again.

Never here: who may claim, or when.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

from peerd_protocol.actions import Remember
from peerd_protocol.errors import UNREADABLE, LocalError
from peerd_protocol.ids import BootNonce, NodeId, Term

HIGHEST_KEY = "term/highest"
ACCEPTED_KEY = "term/accepted"

COUNTER_LEAP_MAX = 2**16
"""How far a counter rises within one heartbeat interval, whoever says what, and how often.

More than a cluster elects in months, so that no honest peer is disbelieved, and so few that a liar who raises all
counters by this much every second needs millions of years to reach the end of what fits in a message."""


def adopted_counter(reported: Sequence[int]) -> int:
    """What a joiner takes from the counters that its peers report.

    The second highest: a single liar cannot raise it, and whoever has the highest says so again in its term.
    """
    return sorted(reported)[-2:][0] if reported else 0


class Terms:
    """The ledger of one node, started from what its store recalled."""

    def __init__(self, me: NodeId, boot: BootNonce, recalled: Mapping[str, bytes]) -> None:
        self._me, self._boot = me, boot
        try:
            accepted = recalled.get(ACCEPTED_KEY)
            self.accepted = None if accepted is None else msgspec.json.decode(accepted, type=Term)
            highest = msgspec.json.decode(recalled.get(HIGHEST_KEY, b"0"), type=int)
        except UNREADABLE as error:
            text = f"The stored term is damaged ({error}); move the state folder away to start anew."
            raise LocalError(text) from None
        self.highest = max(highest, self.accepted.counter if self.accepted is not None else 0)
        self._since_s = -math.inf
        """When the interval began, with the first word of a higher counter, for which `_believed_max` stands."""
        self._believed_max = self.highest + COUNTER_LEAP_MAX

    def believes(self, counter: int, now_s: float, interval_s: float) -> bool:
        """Whether a counter may be obeyed, or claimed above: it is one leap above where this interval began at most."""
        if counter <= self.highest:
            return True
        if now_s - self._since_s >= interval_s:
            self._since_s, self._believed_max = now_s, self.highest + COUNTER_LEAP_MAX
        return counter <= self._believed_max

    def exceeds(self, term: Term) -> bool:
        """Whether a term is above the accepted one."""
        return self.accepted is None or term > self.accepted

    def note(self, counter: int, now_s: float, interval_s: float) -> list[Remember]:
        """Learn of a counter that a peer uses."""
        if counter <= self.highest:
            return []
        if self.believes(counter, now_s, interval_s):
            return self._raise(counter)
        return self._raise(self._believed_max) if self.highest < self._believed_max else []

    def accept(self, term: Term) -> list[Remember]:
        """Obey this term from now on; it is one that was believed."""
        if not self.exceeds(term) or term.counter > max(self.highest, self._believed_max):
            raise LocalError(f"{term} may not be accepted after {self.accepted}.")
        return self._hold(term)

    def let_go(self) -> None:
        """Forget the accepted term; the next one that is accepted takes its place on disk too."""
        self.accepted = None

    def claim(self) -> list[Remember]:
        """Accept a term of one's own, above every counter seen. That is one more, and no leap of another's making."""
        return self._hold(Term(self.highest + 1, self._me, self._boot))

    def _hold(self, term: Term) -> list[Remember]:
        raised = self._raise(term.counter) if term.counter > self.highest else []
        self.accepted = term
        return [*raised, Remember(ACCEPTED_KEY, msgspec.json.encode(term))]

    def _raise(self, counter: int) -> list[Remember]:
        self.highest = counter
        return [Remember(HIGHEST_KEY, str(counter).encode())]
