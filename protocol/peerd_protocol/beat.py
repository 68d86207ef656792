"""When a node's own heartbeats go out, and to whom: to everyone once per interval, and at once to a new connection.

Never here: what a heartbeat says (`election` builds it), or who is alive by the heartbeats of others (`membership`).
"""

from peerd_protocol.ids import NodeId


class Beat:
    """The rhythm of one boot. Sequence numbers rise, so that a late heartbeat is known as old."""

    def __init__(self, now_s: float) -> None:
        self._at_s = now_s
        self._greeted: frozenset[NodeId] = frozenset()
        self.sequence = 0

    def hasten(self, now_s: float) -> None:
        """Something changed that all must know now: the next heartbeat is due, and a new rhythm begins with it."""
        self._at_s = now_s

    def is_due(self, now_s: float) -> bool:
        """Whether everyone is to hear from us."""
        return now_s >= self._at_s

    def is_quiet(self, connections: frozenset[NodeId], now_s: float) -> bool:
        """Whether there is nothing to say to anyone: so it is in nearly every tick."""
        return now_s < self._at_s and connections == self._greeted

    def receivers(self, connections: frozenset[NodeId], now_s: float, interval_s: float) -> list[NodeId]:
        """Who gets a heartbeat now, in a fixed order. Asking counts as sending."""
        due = self.is_due(now_s)
        receivers = sorted(connections if due else connections - self._greeted)
        self._greeted = connections
        if due:
            # Keep the beat when the tick came a little late; after a sleep, start a new one.
            was_late = now_s - self._at_s > interval_s / 2
            self._at_s = (now_s if was_late else self._at_s) + interval_s
        if receivers:
            self.sequence += 1
        return receivers
