"""How many steps two requests may share: what the calibration of their model says to the stricter of their wishes.

Never here: how a calibration is read or measured (`calibration`).
"""

from collections.abc import Callable
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


def stricter(first: Quality, second: Quality) -> Quality:
    return min(first, second, key=STRICT_FIRST.index)
