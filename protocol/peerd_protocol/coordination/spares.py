"""Spare checkpoints on their way to whoever keeps them for whoever is lost.

One at a time, since on a slow link a spare may take longer than the steps until the next; of those that come meanwhile
the newest goes next, at once. Never here: when one is due (`leases`), or what becomes of it (`standby`, `origin`).
"""

import hashlib
from dataclasses import dataclass

from peerd_protocol.coordination.orders import Give, Order
from peerd_protocol.ids import Attempt, GroupId, HandoffId, NodeId, RequestId
from peerd_protocol.messages import HandoffBegin

NOBODYS = RequestId("")
"""Shared steps are no single request's."""


@dataclass(slots=True)
class Spares:
    """The spares of one run."""

    under_way: HandoffId | None = None
    next: Give | None = None

    def give(self, spare: Give) -> list[Order]:
        if self.under_way is not None:
            self.next = spare
            return []
        self.under_way = spare.begin.handoff
        return [spare]

    def through(self, handoff: HandoffId) -> list[Order]:
        """That one has arrived, or never will."""
        if handoff != self.under_way:
            return []
        spare, self.under_way, self.next = self.next, None, None
        return [] if spare is None else self.give(spare)


def spare_of(
    keeper: NodeId, group: GroupId, attempt: Attempt, step: int, data: bytes, request: RequestId = NOBODYS
) -> Give:
    """A spare of a group's shared steps, or of the own steps of `request`."""
    begin = HandoffBegin(
        handoff=HandoffId("/".join(filter(None, ("spare", group, str(attempt.number), request, str(step))))),
        what="spare",
        request=request,
        group=group,
        attempt=attempt,
        step=step,
        size=len(data),
        digest=hashlib.sha256(data).digest(),
    )
    return Give(keeper, begin, data)
