"""How soon the others of a lost leader follow a new one, as they tell it themselves.

Never here: losing it.
"""

import math
import time
from collections.abc import Sequence

from peerd.demo.nodes import NodeProcess

LOOK_S = 0.01
GIVEN_UP_S = 30.0


def replaced_s(lost: str, others: Sequence[NodeProcess], began_s: float, within_s: float = GIVEN_UP_S) -> float | None:
    """How long after `began_s` all others follow the same leader, which isn't the lost one; None: not in time."""
    while True:
        followed = {(view.leader_name, view.term) for view in (other.client.view() for other in others)}
        took_s = time.monotonic() - began_s
        ((name, _), *more) = followed
        if name not in ("", lost) and not more:
            return took_s
        if took_s > within_s:
            return None
        time.sleep(LOOK_S)


def percentile(figures: Sequence[float], share: float) -> float:
    """The smallest figure that so large a share of them does not exceed."""
    return sorted(figures)[math.ceil(share * len(figures)) - 1]
