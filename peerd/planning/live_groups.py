"""The groups of all live requests, kept as requests come and go.

    requests of one call -> lots of at most LOT_MAX that may be near -> complete linkage -> cut by worth -> trees

Groups are a function of what is live, in any order of arrival: nothing is remembered but comparisons. A request that
comes or goes makes its own lot anew and leaves the others as they are. Requests of one call up to `LOT_MAX`, and
connected parts of more up to the same size, are grouped exactly, every pair compared; what is larger is packed into
lots by scene and things first (`pools`), and pairs across lots are not seen. Never here: when to plan.

A plan groups its own window's requests afresh, since what a plan gave out stays as it is and joins no later group.
Keeping all in one `LiveGroups` would cost more than it saves: beside 1,000 others a plan of 32 took 48 ms of the
processor instead of 7. What is kept from plan to plan are the frames (`similarity`) and the nearness of concepts
(`kinship`).
"""

from collections.abc import Iterable

from peerd.planning.grouping import call_key, never_shares
from peerd.planning.nearness import Allowed, Nearness, asked
from peerd.planning.objective import Price
from peerd.planning.shoal import Shoal
from peerd.planning.trees import Branch, alone, worth
from peerd_protocol.ids import RequestId
from peerd_protocol.plan import Request


def group_requests(requests: Iterable[Request], similar_min: float, allowed: Allowed, price: Price) -> list[Branch]:
    """The groups of these requests, each as its tree, sorted by their lowest ids; every request is in exactly one."""
    live = LiveGroups(similar_min, allowed, price)
    for request in requests:
        live.insert(request)
    return live.groups()


class LiveGroups:
    """See the module. Inserting and removing only note what changed; `groups` and `worth` settle it."""

    def __init__(self, similar_min: float, allowed: Allowed, price: Price) -> None:
        self._near = Nearness(similar_min, allowed)
        self._price = price
        self._shoals: dict[tuple[object, ...], Shoal] = {}
        self._keys: dict[RequestId, tuple[object, ...]] = {}
        self._loners: dict[RequestId, Branch] = {}

    def insert(self, request: Request) -> None:
        """A request comes; one with an id that is live takes the other's place."""
        self.remove(request.id)
        if never_shares(request):
            self._loners[request.id] = alone(request.id)
            return
        key = self._keys[request.id] = call_key(request.call)
        if key not in self._shoals:
            self._shoals[key] = Shoal(self._near, self._price)
        self._shoals[key].insert(asked(request))

    def remove(self, request: RequestId) -> None:
        """A request goes; nothing happens if it is not live."""
        self._loners.pop(request, None)
        key = self._keys.pop(request, None)
        if key is not None and self._shoals[key].remove(request):
            del self._shoals[key]

    def groups(self) -> list[Branch]:
        """The groups of all that is live, each as its tree, sorted by their lowest ids."""
        found = [*self._loners.values(), *(tree for shoal in self._shoals.values() for tree in shoal.groups())]
        return sorted(found, key=lambda tree: tree.members)

    def group_of(self, request: RequestId) -> Branch:
        """The group of one live request."""
        key = self._keys.get(request)
        return self._loners[request] if key is None else self._shoals[key].group_of(request)

    def worth(self) -> float:
        """Denoiser calls that all groups save, their costs taken off."""
        return sum(worth(tree, self._price) for shoal in self._shoals.values() for tree in shoal.groups())
