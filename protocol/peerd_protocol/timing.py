"""The arithmetic of waiting: every interval, timeout and stagger of membership and election, as plain functions.

All lengths are seconds of the boot-time clock, and H is a heartbeat interval. Here lives how long to wait; never what
to wait for, and never a clock.
"""

from peerd_protocol.profile import PowerClass

INTERVAL_S = 1.0
"""H of a device on mains: a leader's death is noticed in 3.5 s, and an idle device still sleeps nearly all the time."""

BATTERY_INTERVAL_FACTOR = 2.0
"""A device on battery wakes its radio half as often."""

INTERVAL_S_MIN, INTERVAL_S_MAX = 0.05, 10.0
"""What a peer may announce. Without the upper bound a peer could announce itself immortal."""

TICK_S_MAX = 0.1
"""How often the host must tick at the least; the stagger of 0.25 s is lost on a coarser clock."""

JOIN_INTERVALS = 2.2
"""Two heartbeats of every peer fit in, and one of them may be lost."""

SUSPECT_INTERVALS = 2.0
"""One heartbeat is missing. Only people care: a suspect still counts as living."""

SILENCE_INTERVALS = 3.5
"""Three heartbeats are missing: at 5 % loss that happens by chance once in eight thousand intervals."""

GAP_INTERVALS = 2.5
"""A node that slept longer goes back to JOIN: counted from its last heartbeat, its peers have given it up by then."""

STAGGER_S = 0.25
"""A better-ranked candidate gets this head start; it covers a round trip on a slow home network and two ticks."""

COUNT_S = 0.6
"""How long a candidate counts answers: two round trips on a slow network, and a tick at either end."""

ASK_AGAIN_S = 0.15
"""Within one count a question is repeated: it may have been lost, and a peer may notice the death a little later."""

BACKOFF_INTERVALS = 0.5
"""A candidate that failed lets others try, and lets its peers notice the death too."""

LATE_INTERVALS = 0.5
"""A tick gap above this makes the node doubt itself rather than its peers: their heartbeats lie unread."""

LATE_FACTOR_MAX = 2.0
"""However starved this node is, a dead peer is noticed in at most twice the time."""

LATE_LASTS_INTERVALS = 2.0
"""By then the unread heartbeats have been read, or were never sent."""


def own_interval_s(interval_s: float, power: PowerClass) -> float:
    """The H that a device announces, from its H on mains."""
    return interval_s if power is PowerClass.MAINS else interval_s * BATTERY_INTERVAL_FACTOR


def announced_interval_s(interval_ms: int) -> float:
    """The H of a peer as its heartbeat announces it, within bounds."""
    return min(max(interval_ms / 1000, INTERVAL_S_MIN), INTERVAL_S_MAX)


def late_factor(gap_s: float, interval_s: float) -> float:
    """By how much a tick that came `gap_s` after the one before stretches the patience with peers."""
    return min(max(gap_s / (LATE_INTERVALS * interval_s), 1.0), LATE_FACTOR_MAX)


def slept(gap_s: float, interval_s: float) -> bool:
    """Whether the gap between two ticks is so long that the world may have moved on."""
    return gap_s > GAP_INTERVALS * interval_s


def join_s(interval_s: float) -> float:
    """How long a joiner listens, by its own H."""
    return JOIN_INTERVALS * interval_s


def silence_s(sender_interval_s: float, patience: float = 1.0) -> float:
    """How long a peer may be silent before it is dead, by the H that it announced."""
    return SILENCE_INTERVALS * sender_interval_s * patience


def suspicion_s(sender_interval_s: float, patience: float = 1.0) -> float:
    """How long a peer may be silent before it is suspect."""
    return SUSPECT_INTERVALS * sender_interval_s * patience


def stagger_s(better_ranked: int) -> float:
    """How long a candidate waits before it asks, given how many living peers rank better."""
    return STAGGER_S * better_ranked


def backoff_s(interval_s: float, better_ranked: int) -> float:
    """How long a candidate waits after a round that failed."""
    return BACKOFF_INTERVALS * interval_s + stagger_s(better_ranked)


class Patience:
    """How far this node doubts itself: a factor on every timeout about peers, raised by late ticks, gone after 2 H."""

    def __init__(self) -> None:
        self._ticked_s: float | None = None
        self._factor = 1.0
        self._until_s = 0.0

    def ticked(self, now_s: float, interval_s: float) -> None:
        """Note a tick; `interval_s` is this node's own H."""
        gap_s = 0.0 if self._ticked_s is None else now_s - self._ticked_s
        self._ticked_s = now_s
        if gap_s > LATE_INTERVALS * interval_s:
            self._factor = max(late_factor(gap_s, interval_s), self.factor(now_s))
            self._until_s = now_s + LATE_LASTS_INTERVALS * interval_s

    def factor(self, now_s: float) -> float:
        """1 in good health, at most 2 shortly after a late tick."""
        return self._factor if now_s < self._until_s else 1.0
