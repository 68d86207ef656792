"""A lot: a bounded number of requests, every pair compared, cut into the groups that are worth most.

Never here: which requests come into one lot (`shoal`).
"""

from collections.abc import Callable, Mapping, Sequence

from peerd.planning.dendrogram import complete_linkage
from peerd.planning.nearness import Asked, Nearness
from peerd.planning.objective import Appraiser, Price
from peerd.planning.trees import grow
from peerd_protocol.ids import RequestId

LOT_MAX = 48
"""Requests of which every pair is compared, and all are joined anew when one comes or goes: a few milliseconds. One and
a half times the largest group, so that there is a choice of who belongs to it."""


May = Callable[[RequestId], Callable[[RequestId], bool]]
"""For one request, which others may be near to it at all."""


class Lot:
    """The groups of some requests; `before` are the lots that they were in, whose comparisons are kept."""

    def __init__(
        self, members: Sequence[Asked], near: Nearness, price: Price, before: Mapping[RequestId, "Lot"], may: May
    ) -> None:
        self.names = tuple(one.request.id for one in members)
        self._rows: dict[RequestId, dict[RequestId, float]] = {}
        homes = {name: before.get(name) for name in self.names}
        for at, one in enumerate(members):
            name = one.request.id
            known, may_be_near = homes[name], may(name)
            kept = known._rows[name].items() if known is not None else ()
            row = self._rows[name] = {other: value for other, value in kept if homes.get(other) is known}
            for other in members[:at]:
                its_name = other.request.id
                if known is not None and homes[its_name] is known:
                    continue
                if may_be_near(its_name) and (value := near(one, other)):
                    row[its_name] = self._rows[its_name][name] = value
        appraiser = Appraiser(price, frozenset(one.request.id for one in members if one.request.share == "concepts"))
        knots = appraiser.cut(complete_linkage(self._rows, self._rows))
        self.groups = [grow(knot, self._rows, appraiser) for knot in knots]
