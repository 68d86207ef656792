"""How near two requests are for sharing: how many steps they may share, and how similar they are.

    similarity of the readings -> steps that quality allows -> what the askers wished -> one number

Never here: what forbids sharing whatever the prompts say (`grouping.cannot_link`), or how prompts are compared
(`similarity`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from peerd.planning.grouping import cannot_link
from peerd.planning.similarity import Reading, frame_of, read, similarity
from peerd.planning.split import total_of
from peerd_protocol.plan import Request

Allowed = Callable[[Request, Request, float], int]
"""The largest number of steps that two requests so similar may share; never less for more similarity."""

HIDDEN_SIMILAR_MAX = 0.6
"""A concept phrase stands for many prompts ("edible fruit on table"): two that hide under one phrase count as two
different things in one place, however alike the phrases are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, its prompt read once, and the `scheduler.step` calls of its run."""

    request: Request
    reading: Reading
    total: int


def asked(request: Request) -> Asked:
    return Asked(request, read(request.call.prompt, request.embedding), total_of(request.call))


def is_read_by_the_model(request: Request) -> bool:
    """Whether the embedding of its prompt would say more than its words do.

    It orders pairs by how much they may share: who named that number has an answer, unless nobody knows the words.
    """
    return request.share == "prompt" and (request.shared is None or not frame_of(request.call.prompt).known)


def one_picture(first: Asked, second: Asked) -> bool:
    """Whether both want what one text says; a phrase that hides the own words says nothing of the kind."""
    return first.request.share == second.request.share == "prompt" and first.reading.text == second.reading.text


@dataclass(frozen=True, slots=True)
class Nearness:
    """Judges pairs. 0.0: they must not share. Else the steps they may share plus half their similarity (`Rows`)."""

    similar_min: float
    allowed: Allowed

    def __call__(self, first: Asked, second: Asked) -> float:
        similar = self.similar(first, second)
        if similar < self.similar_min or cannot_link(first.request, second.request):
            return 0.0
        steps = self._steps(first, second, similar)
        return steps + similar / 2 if steps else 0.0

    def similar(self, first: Asked, second: Asked) -> float:
        """Their similarity; of a pair that is sure to stay under the bound, something under it."""
        near = similarity(first.reading, second.reading, self.similar_min)
        hidden = "concepts" in (first.request.share, second.request.share)
        return min(near, HIDDEN_SIMILAR_MAX) if hidden else near

    def _steps(self, first: Asked, second: Asked, similar: float) -> int:
        """What both asked for: the least; else what is allowed, and no more than one of them asked. Never all steps."""
        most = first.total - 1
        wishes = [request.shared for request in (first.request, second.request) if request.shared is not None]
        if len(wishes) == 2:
            return max(0, min([most, *wishes]))
        if one_picture(first, second):
            # One prompt under one named seed differs nowhere.
            return max(0, min([most, *wishes]))
        return max(0, min(self.allowed(first.request, second.request, similar), most, *wishes))
