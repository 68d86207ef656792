"""How many steps a group shares: what was asked for, else what the calibration allows. Never all of them.

Numbers here are `scheduler.step` calls, the unit in which progress and checkpoints count.
"""

from collections.abc import Sequence

from peerd.planning.calibration import Calibration, allowed
from peerd_protocol.errors import LocalError
from peerd_protocol.plan import Call, Request
from peerd_protocol.schedulers import calls_per_run


def total_of(call: Call) -> int:
    """`scheduler.step` calls of a whole run. A scheduler that only its origin knows is taken for an ordinary one."""
    try:
        return calls_per_run(call.scheduler, call.steps)
    except LocalError:
        return call.steps


def shared_steps(
    requests: Sequence[Request], similar: float, *, one_prompt: bool, calibration: Calibration | None = None
) -> int:
    """For requests whose two least similar prompts are `similar`: what was asked for, else what may be shared.

    Several askers: the least, by what each asked or wishes. `one_prompt`: all want one picture, which differs nowhere,
    so all but one step.
    """
    call = requests[0].call
    most = total_of(call) - 1
    asked = [request.shared for request in requests if request.shared is not None]
    if asked:
        return max(0, min(*asked, most))
    if one_prompt:
        return most
    return min(allowed(calibration, call.scheduler, call.steps, request.quality, similar) for request in requests)
