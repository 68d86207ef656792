"""Plans as odd as the weather: leaves at any steps, probes, trees, blends, late starts from what somebody keeps.

A real planner is kinder; whatever it proposes is among these. Never here: which plan is worth it.
"""

from random import Random

from peerd_protocol.actions import MakePlan
from peerd_protocol.events import Draft, Planned
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import Forecast

SIZES = (1, 2, 3, 5)


class OddPlan:
    """The drafts of one order, as they grow."""

    def __init__(self, order: MakePlan, chance: Random) -> None:
        self._order, self._chance = order, chance
        self._requests = {request.id: request for request in order.requests}
        self._able = [node for node, profile in order.devices if profile.engine]
        self._speed = {node: profile.steps_per_second for node, profile in order.devices}
        self._drafts: list[Draft] = []

    def made(self) -> Planned:
        if not self._able:
            return Planned(self._order.batch, (), tuple((name, "nobody has an engine") for name in self._requests))
        names = list(self._requests)
        for name in [name for name in names if self._requests[name].begun and self._goes_on()]:
            names.remove(name)
            self._draft({name: 0}, self._able)
        while names:
            count = min(len(names), self._chance.choice(SIZES))
            self._group([names.pop(self._chance.randrange(len(names))) for _ in range(count)])
        return Planned(self._order.batch, tuple(self._drafts))

    def _group(self, members: list[RequestId]) -> None:
        chance, cached = self._chance, self._order.cached
        if cached and self._begins_late():
            holder, entry = chance.choice(cached)
            leaves = {name: chance.randint(entry.step, entry.call.steps - 1) for name in members}
            self._draft(leaves, [holder], seed=entry.call.seed, cached=entry.digest, start=entry.step)
        elif len(members) == 1 and chance.random() < 0.7:
            self._draft({members[0]: 0}, self._able)
        else:
            self._grow(members, None, 0, blended=chance.random() < 0.2)

    def _grow(self, members: list[RequestId], parent: int | None, start: int, blended: bool) -> None:
        """Some of the members leave here, the others share on in branches."""
        chance, last = self._chance, self._requests[members[0]].call.steps - 1
        own, rest = members[: (cut := chance.randint(1, len(members)))], members[cut:]
        candidates = chance.sample(self._able, self._asked())
        leaves = {name: chance.randint(start + 1, last) for name in own}
        self._draft(leaves, candidates, parent=parent, start=start, blended=blended)
        number = len(self._drafts) - 1
        while rest:
            branch, rest = rest[: (cut := chance.randint(1, len(rest)))], rest[cut:]
            if start + 1 < last:
                self._grow(branch, number, chance.randint(start + 1, last - 1), blended)
            else:
                for name in branch:
                    self._draft({name: 0}, self._able)

    def _draft(
        self,
        leaves: dict[RequestId, int],
        candidates: list[NodeId],
        seed: int | None = None,
        blended: bool = False,
        parent: int | None = None,
        start: int = 0,
        cached: str = "",
    ) -> None:
        lead = next(iter(leaves))
        draft = Draft(
            leaves=tuple(leaves.items()),
            lead=lead,
            seed=self._requests[lead].call.seed if seed is None else seed,
            candidates=tuple(candidates),
            runners=tuple((name, self._runner(name)) for name in leaves),
            forecast=self._forecast(candidates[0], lead),
            probed=frozenset(name for name in leaves if self._probes()),
            blended=blended,
            parent=parent,
            start=start,
            cached=cached,
        )
        self._drafts.append(draft)

    def _goes_on(self) -> bool:
        """Whether steps that were run already are gone on from."""
        return self._chance.random() < 0.8

    def _begins_late(self) -> bool:
        return self._chance.random() < 0.3

    def _asked(self) -> int:
        """How many candidates there are."""
        return self._chance.randint(1, len(self._able))

    def _probes(self) -> bool:
        return self._chance.random() < 0.3

    def _runner(self, name: RequestId) -> NodeId:
        """Its origin, unless that has no engine; now and then somebody else all the same."""
        request = self._requests[name]
        if request.origin in self._able and (request.share == "concepts" or self._chance.random() < 0.9):
            return request.origin
        return self._chance.choice(self._able)

    def _forecast(self, executor: NodeId, lead: RequestId) -> Forecast:
        steps, step_s = self._requests[lead].call.steps, 1 / self._speed[executor]
        return Forecast(
            seconds=steps * step_s,
            seconds_alone=1.5 * steps * step_s,
            denoiser_calls=steps,
            denoiser_calls_alone=2 * steps,
            joules=1.0,
            joules_alone=2.0,
            handoff_bytes=100,
            step_seconds=step_s,
        )


class KindPlan(OddPlan):
    """One that loses nothing of itself: somebody can always stand by, all is gone on from, and no probe decides."""

    def _goes_on(self) -> bool:
        return True

    def _begins_late(self) -> bool:
        return False

    def _asked(self) -> int:
        return len(self._able)

    def _probes(self) -> bool:
        return False
