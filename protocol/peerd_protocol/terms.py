"""The durable part of election: the highest counter seen, and the accepted term.

Both only ever grow, across restarts too, and each change is a `Remember` that the caller must put before anything
that reveals it. A counter far above our own is a liar's or a broken disk's: it is never believed, but ours follows it
slowly, so that an honest cluster from which this node was long away takes it in after a while.

Never here: who may claim, or when.
"""

from collections.abc import Mapping, Sequence

import msgspec

from peerd_protocol.actions import Remember
from peerd_protocol.errors import UNREADABLE, LocalError
from peerd_protocol.ids import BootNonce, NodeId, Term

HIGHEST_KEY = "term/highest"
ACCEPTED_KEY = "term/accepted"

COUNTER_LEAP_MAX = 2**16
"""More than a cluster elects in months, so that no honest peer is disbelieved, and so few that a liar who raises all
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
        self._raised_s: float | None = None
        try:
            accepted = recalled.get(ACCEPTED_KEY)
            self.accepted = None if accepted is None else msgspec.json.decode(accepted, type=Term)
            highest = msgspec.json.decode(recalled.get(HIGHEST_KEY, b"0"), type=int)
        except UNREADABLE as error:
            text = f"The stored term is damaged ({error}); move the state folder away to start anew."
            raise LocalError(text) from None
        self.highest = max(highest, self.accepted.counter if self.accepted is not None else 0)

    def believes(self, counter: int) -> bool:
        """Whether a counter may be obeyed, or claimed above."""
        return counter <= self.highest + COUNTER_LEAP_MAX

    def exceeds(self, term: Term) -> bool:
        """Whether a term is above the accepted one."""
        return self.accepted is None or term > self.accepted

    def note(self, counter: int, now_s: float, interval_s: float) -> list[Remember]:
        """Learn of a counter that a peer uses."""
        if counter <= self.highest:
            return []
        if self.believes(counter):
            return self._raise(counter)
        if self._raised_s is not None and now_s - self._raised_s < interval_s:
            return []
        self._raised_s = now_s
        return self._raise(self.highest + COUNTER_LEAP_MAX)

    def accept(self, term: Term) -> list[Remember]:
        """Obey this term from now on."""
        if not self.exceeds(term) or not self.believes(term.counter):
            raise LocalError(f"{term} may not be accepted after {self.accepted}.")
        raised = self._raise(term.counter) if term.counter > self.highest else []
        self.accepted = term
        return [*raised, Remember(ACCEPTED_KEY, msgspec.json.encode(term))]

    def claim(self) -> list[Remember]:
        """Accept a term of one's own, above every counter seen."""
        return self.accept(Term(self.highest + 1, self._me, self._boot))

    def _raise(self, counter: int) -> list[Remember]:
        self.highest = counter
        return [Remember(HIGHEST_KEY, str(counter).encode())]
