"""The schedulers that users may name, and how often a run of T steps calls `scheduler.step`.

Checkpoints, leases and progress count those calls, so every peer must count alike. Never here: how a scheduler works,
or the class that does it.
"""

from enum import Enum
from typing import assert_never

import msgspec

from peerd_protocol.errors import LocalError


class Calls(Enum):
    """How many times `scheduler.step` is called in a run of T steps."""

    ONE_A_STEP = "T"
    TWO_STAGES = "2T - 1"
    ONE_MORE = "T + 1"


class Scheduler(msgspec.Struct, frozen=True):
    """One name and its habits. `flow`: for flow-matching models; `steps_max`: what its own table allows."""

    name: str
    calls: Calls = Calls.ONE_A_STEP
    flow: bool = False
    steps_min: int = 1
    steps_max: int = 1_000

    def step_calls(self, steps: int) -> int:
        """`scheduler.step` calls of a run of `steps` steps."""
        match self.calls:
            case Calls.ONE_A_STEP:
                return steps
            case Calls.TWO_STAGES:
                return 2 * steps - 1
            case Calls.ONE_MORE:
                return steps + 1
            case _ as never:
                assert_never(never)


_ALL = (
    Scheduler("ddim"),
    Scheduler("ddpm"),
    Scheduler("pndm", Calls.ONE_MORE, steps_min=2),
    Scheduler("lms"),
    Scheduler("lms_karras"),
    Scheduler("euler"),
    Scheduler("euler_karras"),
    Scheduler("euler_a"),
    Scheduler("heun", Calls.TWO_STAGES),
    Scheduler("kdpm2", Calls.TWO_STAGES),
    Scheduler("kdpm2_a", Calls.TWO_STAGES),
    Scheduler("dpmpp_2m"),
    Scheduler("dpmpp_2m_karras"),
    Scheduler("dpmpp_2m_sde"),
    Scheduler("dpmpp_2m_sde_karras"),
    Scheduler("dpmpp_2s"),
    Scheduler("unipc"),
    Scheduler("deis"),
    Scheduler("lcm", steps_max=50),
    Scheduler("tcd", steps_max=50),
    Scheduler("flow_euler", flow=True),
    Scheduler("flow_heun", Calls.TWO_STAGES, flow=True),
)
SCHEDULERS = {scheduler.name: scheduler for scheduler in _ALL}
DEFAULT_SCHEDULER = "ddim"


def scheduler_named(name: str) -> Scheduler:
    """The scheduler of that name; LocalError names the choices if there is none."""
    scheduler = SCHEDULERS.get(name)
    if scheduler is None:
        raise LocalError(f"There is no scheduler {name[:40]!r}; choose one of {', '.join(SCHEDULERS)}.")
    return scheduler


def calls_per_run(name: str, steps: int) -> int:
    """`scheduler.step` calls of `steps` steps with the scheduler of that name; LocalError if it can't do so many."""
    scheduler = scheduler_named(name)
    if not scheduler.steps_min <= steps <= scheduler.steps_max:
        raise LocalError(
            f"The scheduler {name} takes {scheduler.steps_min} to {scheduler.steps_max} steps, not {steps}."
        )
    return scheduler.step_calls(steps)
