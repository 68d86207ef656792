"""Checkpoints announced before the plan that they belong to: two nodes send the two, so either may come first.

Never here: what a checkpoint is worth once its plan is here (`runner`).
"""

from collections.abc import Collection

from peerd_protocol.ids import HandoffId, NodeId, RequestId
from peerd_protocol.messages import HandoffBegin

EARLY_MAX = 64
"""Announcements that wait for a plan; their givers repeat what is not kept."""


class Early:
    """What waits, the oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[HandoffId, tuple[NodeId, HandoffBegin]] = {}

    def wait(self, sender: NodeId, begin: HandoffBegin) -> None:
        self._waiting[begin.handoff] = sender, begin
        if len(self._waiting) > EARLY_MAX:
            del self._waiting[next(iter(self._waiting))]

    def planned(self, requests: Collection[RequestId]) -> list[tuple[NodeId, HandoffBegin]]:
        """The plan of these has come: what waited for it."""
        due = [each for each in self._waiting.values() if each[1].request in requests]
        for _, begin in due:
            del self._waiting[begin.handoff]
        return due
