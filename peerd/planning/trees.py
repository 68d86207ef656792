"""What a group shares as a tree: steps that one prompt runs for several requests, and where each goes its own way.

Never here: who runs a branch (`planner`), or what it takes (`forecast`).
"""

from dataclasses import dataclass

from peerd_protocol.ids import RequestId


@dataclass(frozen=True, slots=True)
class Branch:
    """Steps [start, stop) that the prompt of `lead` runs once for all below.

    `leaves` are requests with the step after which each runs alone, the lead's own among them; `branches` start where
    they leave this one, and no two branches of a tree have the same lead.
    """

    lead: RequestId
    start: int
    leaves: tuple[tuple[RequestId, int], ...]
    branches: tuple["Branch", ...] = ()

    @property
    def stop(self) -> int:
        """Its last shared step."""
        return max([step for _, step in self.leaves] + [branch.start for branch in self.branches])

    @property
    def members(self) -> tuple[RequestId, ...]:
        """All requests below, sorted."""
        below = [member for branch in self.branches for member in branch.members]
        return tuple(sorted([request for request, _ in self.leaves] + below))
