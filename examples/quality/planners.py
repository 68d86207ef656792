"""The product's own judgement, asked about test prompts: similarity, shared steps, trees.

Never here: any judgement of quality's own. The planner sees prompts and the text encoder's embeddings; the judge that
marks the pictures has seen neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from examples.quality.pairs import Pair, Scene
from examples.quality.pictures import Picture
from examples.quality.sets import Gathering, pictures_of_tree, requests_of
from examples.quality.sets_report import Shared
from peerd.engine.departures import stay
from peerd.engine.port import Look
from peerd.planning import calibration
from peerd.planning.live_groups import group_requests
from peerd.planning.objective import Price
from peerd.planning.settings import PlanSettings
from peerd.planning.similarity import Reading, read, similarity
from peerd.planning.trees import Branch
from peerd_protocol.ids import RequestId
from peerd_protocol.plan import Quality, Request


@dataclass(slots=True)
class Planner:
    """The planner with one calibration (None: the table for a model that nobody measured)."""

    embeddings: Mapping[str, bytes]
    model: str
    measured: calibration.Calibration | None
    _readings: dict[str, Reading] = field(default_factory=dict)

    def similarity(self, first: Scene, second: Scene) -> float:
        """As the planner sees it, with its graph of words and the text encoder's cosine."""
        return similarity(self._read(first.prompt), self._read(second.prompt))

    def steps(self, first: Scene, second: Scene, scheduler: str, steps: int, quality: Quality) -> int:
        """After how many steps two that ask for these go their own ways; 0: the planner keeps them apart."""
        return self._allowed(scheduler, steps, quality, self.similarity(first, second))

    def looks(self, scheduler: str, steps: int) -> list[int]:
        """During which steps a probe looks, whatever the wish."""
        found = (calibration.looks(self.measured, scheduler, steps, wish) for wish in ("strict", "balanced", "fast"))
        return sorted({glance.step for glances in found for glance in glances})

    def probed_wishes(self, scheduler: str, steps: int) -> list[Quality]:
        """Those under which a probe looks at all."""
        wishes: tuple[Quality, ...] = ("strict", "balanced", "fast")
        return [wish for wish in wishes if calibration.looks(self.measured, scheduler, steps, wish)]

    def probed(self, pair: Pair, scheduler: str, steps: int, wish: Quality, seen: Callable[[int], float | None]) -> int:
        """After which step a pair parts when a probe may look: at the ceiling, or sooner by what it sees.

        The two differences are told in units of their mean, so that of the lead is known; whoever differs more leaves
        first, and who is left alone leaves too.
        """
        near = self.similarity(pair.lead, pair.member)
        if near < PlanSettings().similar_min:
            return 0
        most = calibration.ceiling(self.measured, scheduler, steps, wish, near)
        for glance in calibration.looks(self.measured, scheduler, steps, wish):
            difference = seen(glance.step)
            if difference is not None and most > glance.step:
                most = min(most, stay(Look(glance.step, glance.stays), max(difference, 2.0 - difference)))
        return most

    def share(self, gathering: Gathering, scheduler: str, steps: int, quality: Quality) -> Shared:
        """The gathering as the planner's trees share it."""

        def allowed(first: Request, second: Request, near: float) -> int:
            return self._allowed(scheduler, steps, quality, near)

        requests = requests_of(gathering, self.embeddings, scheduler, steps, self.model)
        trees = group_requests(requests, PlanSettings().similar_min, allowed, Price())
        return _carried_out(gathering, requests, trees, blended=True)

    def one_group(self, gathering: Gathering, scheduler: str, steps: int, after: int, *, blended: bool) -> Shared:
        """The gathering as one group that everyone leaves after so many steps, whatever the planner thinks of it."""
        requests = requests_of(gathering, self.embeddings, scheduler, steps, self.model)
        group = Branch(requests[0].id, 0, tuple((request.id, after) for request in requests))
        return _carried_out(gathering, requests, [group], blended=blended)

    def _allowed(self, scheduler: str, steps: int, quality: Quality, near: float) -> int:
        if near < PlanSettings().similar_min:
            return 0
        return calibration.allowed(self.measured, scheduler, steps, quality, near)

    def _read(self, prompt: str) -> Reading:
        if prompt not in self._readings:
            self._readings[prompt] = read(prompt, self.embeddings[prompt])
        return self._readings[prompt]


def _carried_out(
    gathering: Gathering, requests: Sequence[Request], trees: Sequence[Branch], *, blended: bool
) -> Shared:
    prompts = {request.id: request.call.prompt for request in requests}
    call, made = requests[0].call, dict[RequestId, Picture]()
    for tree in trees:
        made |= pictures_of_tree(tree, prompts, gathering.seed, call.scheduler, call.steps, blended=blended)
    return Shared(gathering, tuple(made[request.id] for request in requests))
