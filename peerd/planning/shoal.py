"""The live requests of one call, divided into lots in which every pair is compared.

Up to `LOT_MAX` requests are one lot. More are divided by scene, and a scene that alone is more than a lot by the things
in it: kinds that may be near stay together as long as there is room (`pools`). Only the lots whose members changed are
made anew. Never here: what a group is worth, or requests of different calls.
"""

from collections.abc import Callable, Iterator

from peerd.planning.frames import Frame
from peerd.planning.lots import LOT_MAX, Lot
from peerd.planning.nearness import Asked, Nearness
from peerd.planning.objective import Price
from peerd.planning.pools import Kind, Pool, bare_scene, bare_things, scene_of, things_of
from peerd.planning.trees import Branch
from peerd_protocol.ids import RequestId

Names = tuple[RequestId, ...]
"""Requests of one lot, sorted."""


class Shoal:
    """The live requests of one call: the same model, size, steps, scheduler, guidance and negative prompt."""

    def __init__(self, near: Nearness, price: Price) -> None:
        self._near = near
        self._price = price
        self._live: dict[RequestId, Asked] = {}
        self._kinds: dict[RequestId, Kind] = {}
        self._scenes: dict[Kind, Scene] = {}
        self._sizes: dict[Kind, int] = {}
        self._pool = Pool(bare_scene, near.similar_min)
        self._packs: dict[tuple[Kind, ...], list[Names]] = {}
        self._touched: set[Kind] = set()
        self._lots: dict[Names, Lot] = {}
        self._lot_of: dict[RequestId, Lot] = {}
        self._settled = True

    def insert(self, one: Asked) -> None:
        kind = self._kinds[one.request.id] = scene_of(one.reading.frame)
        if kind not in self._scenes:
            self._scenes[kind] = Scene(self._near.similar_min)
        self._scenes[kind].insert(one)
        self._sizes[kind] = len(self._scenes[kind])
        self._live[one.request.id] = one
        self._touched.add(kind)
        self._settled = False

    def remove(self, request: RequestId) -> bool:
        """Whether nothing is left."""
        one = self._live.pop(request)
        # Its lot goes with it: another request may come under the same id before anybody asks for the groups.
        if lot := self._lot_of.pop(request, None):
            self._lots.pop(lot.names, None)
        kind = self._kinds.pop(request)
        self._sizes[kind] -= 1
        if self._scenes[kind].remove(one):
            del self._scenes[kind], self._sizes[kind]
            if kind in self._pool:
                self._pool.drop(kind)
        self._touched.add(kind)
        self._settled = False
        return not self._live

    def groups(self) -> Iterator[Branch]:
        self._settle()
        for lot in self._lots.values():
            yield from lot.groups

    def group_of(self, request: RequestId) -> Branch:
        self._settle()
        return next(tree for tree in self._lot_of[request].groups if request in tree.members)

    def _settle(self) -> None:
        """Make the lots anew whose members changed; keep the others."""
        if self._settled:
            return
        self._settled = True
        lots = set(self._divide())
        self._touched.clear()
        fresh = lots - self._lots.keys()
        made = [
            Lot([self._live[name] for name in lot], self._near, self._price, self._lot_of, self._may) for lot in fresh
        ]
        for names in self._lots.keys() - lots:
            del self._lots[names]
        for names, lot in zip(fresh, made, strict=True):
            self._lots[names] = lot
            self._lot_of |= dict.fromkeys(names, lot)

    def _may(self, one: RequestId) -> Callable[[RequestId], bool]:
        """Which others may be near to one, as far as their scenes tell; of one not in the pool nothing is known."""
        kinds, pool = self._kinds, self._pool
        if kinds[one] not in pool:
            return lambda _: True
        linked = pool.linked(kinds[one])
        return lambda other: kinds[other] in linked or kinds[other] not in pool

    def _divide(self) -> Iterator[Names]:
        """The lots; what no request came to or went from since is divided as before."""
        if len(self._live) <= LOT_MAX:
            self._packs.clear()
            yield tuple(sorted(self._live))
            return
        before, self._packs = self._packs, {}
        for kind in self._pool.missing(self._scenes):
            self._pool.add(kind, self._scenes[kind].sample)
        for packed in self._pool.pack(self._sizes, LOT_MAX):
            kinds = tuple(packed)
            lots = before.get(kinds) if self._touched.isdisjoint(kinds) else None
            self._packs[kinds] = lots = lots or self._lots_of(kinds)
            yield from lots

    def _lots_of(self, kinds: tuple[Kind, ...]) -> list[Names]:
        """Scenes that are packed together make one lot; one that alone is more than a lot makes several."""
        inside = [self._scenes[kind] for kind in kinds]
        lots = (
            inside[0].divide() if len(inside[0]) > LOT_MAX else [[name for scene in inside for name in scene.names()]]
        )
        return [tuple(sorted(lot)) for lot in lots]


class Scene:
    """The live requests of one scene, by the things that they show."""

    def __init__(self, similar_min: float) -> None:
        self._by_things: dict[Kind, dict[RequestId, Frame]] = {}
        self._pool = Pool(bare_things, similar_min)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def sample(self) -> Frame:
        """The frame of any of them."""
        return next(iter(next(iter(self._by_things.values())).values()))

    def names(self) -> list[RequestId]:
        return [name for names in self._by_things.values() for name in names]

    def insert(self, one: Asked) -> None:
        frame = one.reading.frame
        self._by_things.setdefault(things_of(frame), {})[one.request.id] = frame
        self._count += 1

    def remove(self, one: Asked) -> bool:
        """Whether nothing is left."""
        kind = things_of(one.reading.frame)
        del self._by_things[kind][one.request.id]
        self._count -= 1
        if not self._by_things[kind]:
            del self._by_things[kind]
            if kind in self._pool:
                self._pool.drop(kind)
        return not self._count

    def divide(self) -> list[list[RequestId]]:
        """Lots of this scene alone; more requests for the very same things than a lot holds are cut by their ids."""
        for kind in self._pool.missing(self._by_things):
            self._pool.add(kind, next(iter(self._by_things[kind].values())))
        lots: list[list[RequestId]] = []
        for packed in self._pool.pack({kind: len(names) for kind, names in self._by_things.items()}, LOT_MAX):
            inside = sorted(name for kind in packed for name in self._by_things[kind])
            lots += [inside[at : at + LOT_MAX] for at in range(0, len(inside), LOT_MAX)]
        return lots
