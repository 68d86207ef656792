"""How many steps two requests may share: what the calibration of their model says to the stricter of their wishes.

Never here: how a calibration is read or measured (`calibration`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

from peerd.planning import calibration
from peerd.planning.calibration import Calibration
from peerd_protocol.plan import Quality, Request

STRICT_FIRST: tuple[Quality, ...] = get_args(Quality)


@dataclass(frozen=True, slots=True)
class Allowance:
    """By the calibrations that this node has, asked for by a model's digest; a table stands in where there is none."""

    calibration_of: Callable[[str], Calibration | None]

    def allowed(self, first: Request, second: Request, similar: float) -> int:
        """The largest number of steps; 0 where they must not share."""
        call = first.call
        quality = stricter(first.quality, second.quality)
        return calibration.allowed(self.calibration_of(call.model), call.scheduler, call.steps, quality, similar)

    def ceiling(self, requests: Sequence[Request]) -> int:
        """Where a probe lets members of such a group leave at the latest; 0 where it would not be asked."""
        call = requests[0].call
        quality = min((request.quality for request in requests), key=STRICT_FIRST.index)
        looks = calibration.looks(self.calibration_of(call.model), call.scheduler, call.steps, quality)
        return max((step for look in looks for _, step in look.stays), default=0)


def stricter(first: Quality, second: Quality) -> Quality:
    return min(first, second, key=STRICT_FIRST.index)
