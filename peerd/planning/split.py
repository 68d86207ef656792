"""How many steps a group shares. A table until a model is calibrated; monotone in similarity, never all steps.

Numbers here are `scheduler.step` calls, the unit in which progress and checkpoints count.
"""

from collections.abc import Sequence

from peerd_protocol.errors import LocalError
from peerd_protocol.plan import Call, Request
from peerd_protocol.schedulers import calls_per_run

SHARED_BY_SIMILARITY = ((0.95, 0.64), (0.85, 0.55), (0.55, 0.45), (0.45, 0.27))
"""From this similarity on, this part of the run may be shared.

Conservative: at 5 of 11 steps a lemon that began as an apple is a lemon; at 7 it keeps the apple's leaf.
"""

SENSITIVE_PART_MAX = 0.27
SENSITIVE = frozenset({"pndm", "lms", "lms_karras"})
"""Their long history belongs to the old prompt and is dropped at the handoff; they need the steps to build another."""


def total_of(call: Call) -> int:
    """`scheduler.step` calls of a whole run. A scheduler that only its origin knows is taken for an ordinary one."""
    try:
        return calls_per_run(call.scheduler, call.steps)
    except LocalError:
        return call.steps


def shared_steps(requests: Sequence[Request], similar: float, *, one_prompt: bool) -> int:
    """For a group whose two least similar prompts are `similar`: what was asked for, else what the table allows.

    Several askers: the least. `one_prompt`: all want one picture, which differs nowhere, so all but one step.
    """
    call = requests[0].call
    most = total_of(call) - 1
    asked = [request.shared for request in requests if request.shared is not None]
    if asked:
        return max(0, min(*asked, most))
    if one_prompt:
        return most
    part = part_shared(similar)
    if call.scheduler in SENSITIVE:
        part = min(part, SENSITIVE_PART_MAX)
    return min(round(part * total_of(call)), most)


def part_shared(similar: float) -> float:
    """The part of a run that prompts so similar may share."""
    return next((part for bound, part in SHARED_BY_SIMILARITY if similar >= bound), 0.0)
