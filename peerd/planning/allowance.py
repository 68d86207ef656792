"""How many steps two requests may share: the least that the calibration of their model says to their wishes.

Never here: how a calibration is read or measured (`calibration`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from peerd.planning import calibration
from peerd.planning.calibration import Calibration
from peerd_protocol.plan import STRICTEST_FIRST, Request


@dataclass(frozen=True, slots=True)
class Allowance:
    """By the calibrations that this node has, asked for by a model's digest; a table stands in where there is none."""

    calibration_of: Callable[[str], Calibration | None]

    def allowed(self, first: Request, second: Request, similar: float) -> int:
        """The largest number of steps; 0 where they must not share.

        Each wish is asked: what was measured for the one may be less than what is guessed for the stricter other.
        """
        call, measured = first.call, self.calibration_of(first.call.model)
        wishes = {first.quality, second.quality}
        return min(calibration.allowed(measured, call.scheduler, call.steps, wish, similar) for wish in wishes)

    def ceiling(self, requests: Sequence[Request]) -> int:
        """Where a probe lets members of such a group leave at the latest; 0 where it would not be asked."""
        call = requests[0].call
        quality = min((request.quality for request in requests), key=STRICTEST_FIRST.index)
        looks = calibration.looks(self.calibration_of(call.model), call.scheduler, call.steps, quality)
        return max((step for look in looks for _, step in look.stays), default=0)
