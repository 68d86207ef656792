"""What a solver remembers between steps: which attributes may leave or enter it, and how.

Names and shapes come from a peer, so every scheduler class has an allow-list; whatever is not on it is refused before
anything is set. Never here: when state is taken or put back (resumable.py), or a pickle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from peerd.engine.tensors import from_wire, to_wire
from peerd_protocol.checkpoint import STEP_CALLS_MAX, Leaf, Tensor, Value
from peerd_protocol.errors import CheckpointError, EngineError

HISTORY_LENGTH_MAX = 8
"""The longest list that a solver keeps of earlier outputs."""


@dataclass(frozen=True, slots=True)
class Solver:
    """The attributes of one scheduler class that a checkpoint carries.

    `stage` belongs to the step that is being made and always crosses. `history` remembers outputs of earlier steps:
    it is what makes the same prompt exact, and is dropped when the prompt changes, since it speaks of the old one.
    """

    stage: tuple[str, ...] = ()
    history: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that may cross."""
        return (*self.stage, *self.history)


_INDEX = Solver(stage=("_step_index",))
_MULTISTEP = Solver(stage=("_step_index",), history=("model_outputs", "lower_order_nums"))

SOLVERS = {
    "DDIMScheduler": Solver(),
    "DDPMScheduler": Solver(),
    "PNDMScheduler": Solver(stage=("counter", "cur_model_output", "cur_sample"), history=("ets",)),
    "LMSDiscreteScheduler": Solver(stage=("_step_index",), history=("derivatives",)),
    "EulerDiscreteScheduler": _INDEX,
    "EulerAncestralDiscreteScheduler": _INDEX,
    "EDMEulerScheduler": _INDEX,
    "HeunDiscreteScheduler": Solver(stage=("_step_index", "prev_derivative", "dt", "sample")),
    "KDPM2DiscreteScheduler": Solver(stage=("_step_index", "sample")),
    "KDPM2AncestralDiscreteScheduler": Solver(stage=("_step_index", "sample", "dt")),
    "DPMSolverMultistepScheduler": _MULTISTEP,
    "EDMDPMSolverMultistepScheduler": _MULTISTEP,
    "DPMSolverSinglestepScheduler": Solver(stage=("_step_index", "sample"), history=("model_outputs",)),
    "DEISMultistepScheduler": _MULTISTEP,
    "UniPCMultistepScheduler": Solver(
        stage=("_step_index",),
        history=("model_outputs", "timestep_list", "lower_order_nums", "last_sample", "this_order"),
    ),
    "LCMScheduler": _INDEX,
    "TCDScheduler": _INDEX,
    "FlowMatchEulerDiscreteScheduler": _INDEX,
    "FlowMatchHeunDiscreteScheduler": Solver(stage=("_step_index", "prev_derivative", "dt", "sample")),
}


def solver_of(scheduler: Any) -> Solver:
    """The allow-list of this scheduler's class; EngineError if we do not know how it remembers."""
    solver = SOLVERS.get(type(scheduler).__name__)
    if solver is None:
        raise EngineError(f"The scheduler class {type(scheduler).__name__} can not be split; run this call alone.")
    return solver


def capture(scheduler: Any) -> tuple[tuple[str, Value], ...]:
    """The solver's state as values of a checkpoint; copies, since solvers change their lists in place."""
    present = (name for name in solver_of(scheduler).names if hasattr(scheduler, name))
    return tuple((name, _value(getattr(scheduler, name))) for name in present)


def check(scheduler: Any, state: Sequence[tuple[str, Value]], latent: torch.Tensor, step: int) -> None:
    """Raise CheckpointError unless `state` is one that this scheduler, not yet stepped, may be given after `step`."""
    allowed = solver_of(scheduler).names
    missing = {name for name in allowed if hasattr(scheduler, name)} - {name for name, _ in state}
    if missing:
        raise CheckpointError(f"The checkpoint lacks {min(missing)!r}, which {type(scheduler).__name__} goes on from.")
    for name, value in state:
        if name not in allowed:
            raise CheckpointError(f"The checkpoint sets {name!r}, which {type(scheduler).__name__} does not carry.")
        if name == "_step_index" and value != (scheduler.begin_index or 0) + step:
            raise CheckpointError(f"The checkpoint is of step {step}, but its solver counts {value}.")
        fresh = getattr(scheduler, name, None)
        if isinstance(fresh, list) != isinstance(value, tuple):
            raise CheckpointError(f"The checkpoint's {name!r} is not what this scheduler keeps there.")
        if isinstance(value, tuple) and len(value) not in ((len(fresh),) if fresh else range(HISTORY_LENGTH_MAX + 1)):
            raise CheckpointError(
                f"The checkpoint's {name!r} holds {len(value)} outputs, which this scheduler does not."
            )
        for leaf in value if isinstance(value, tuple) else (value,):
            _check_leaf(name, leaf, latent)


def restore(scheduler: Any, state: Sequence[tuple[str, Value]], like: torch.Tensor, *, keep_history: bool) -> None:
    """Set the checked `state`; floating tensors of the latent's shape take its type and device."""
    history = () if keep_history else dropped(scheduler, dict(state))
    for name, value in state:
        if name in history:
            continue
        if isinstance(value, tuple):
            setattr(scheduler, name, [_thing(leaf, like) for leaf in value])
        else:
            setattr(scheduler, name, _thing(value, like))


def dropped(scheduler: Any, state: dict[str, Value]) -> tuple[str, ...]:
    """Which attributes stay fresh when the prompt changes."""
    if type(scheduler).__name__ == "PNDMScheduler":
        # Its second call still finishes the first step, and its Runge-Kutta start cannot do without history at all.
        counter = state.get("counter")
        if not scheduler.config.skip_prk_steps or not isinstance(counter, int) or counter < 2:
            return ()
    return solver_of(scheduler).history


def step_after_drop(
    original: Callable[..., Any], scheduler: Any, since: int, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The `since`-th step after the history was dropped, for solvers that take their order from the step's number.

    DPM-Solver, DEIS and UniPC start again at first order of themselves. LMS and PNDM would read a history that is not
    there: LMS is told its order, and PNDM is given one copy of the new output, with which its second order is Euler's.
    """
    match type(scheduler).__name__:
        case "LMSDiscreteScheduler" if len(args) < 4:
            return original(scheduler, *args, **{**kwargs, "order": min(kwargs.get("order", 4), since + 1)})
        case "PNDMScheduler" if since == 0 and not scheduler.ets:
            scheduler.ets = [args[0] if args else kwargs["model_output"]]
            result = original(scheduler, *args, **kwargs)
            scheduler.ets = scheduler.ets[1:]
            return result
        case _:
            return original(scheduler, *args, **kwargs)


def _value(thing: Any) -> Value:
    if isinstance(thing, list):
        return tuple(_leaf(item) for item in thing)
    return _leaf(thing)


def _leaf(thing: Any) -> Leaf:
    match thing:
        case torch.Tensor():
            return to_wire(thing)
        case None | bool() | int() | float():
            return thing
        case _ if hasattr(thing, "item"):
            # A numpy scalar: the same number in Python's own type.
            return _leaf(thing.item())
        case _:
            raise EngineError(f"The scheduler keeps a {type(thing).__name__}, which a checkpoint can not carry.")


def _thing(leaf: Leaf, like: torch.Tensor) -> Any:
    if not isinstance(leaf, Tensor):
        return leaf
    tensor = from_wire(leaf)
    if tensor.shape == like.shape:
        return tensor.to(device=like.device, dtype=like.dtype if tensor.is_floating_point() else tensor.dtype)
    return tensor


def _check_leaf(name: str, leaf: Leaf, latent: torch.Tensor) -> None:
    match leaf:
        case Tensor():
            if leaf.shape.sizes not in ((), tuple(latent.shape)):
                raise CheckpointError(f"The checkpoint's {name!r} has the shape {leaf.shape.sizes}, unlike its latent.")
            if not bool(torch.isfinite(from_wire(leaf)).all()):
                raise CheckpointError(f"The checkpoint's {name!r} holds numbers that are not finite.")
        case int() if not isinstance(leaf, bool) and not 0 <= leaf <= STEP_CALLS_MAX:
            raise CheckpointError(f"The checkpoint's {name!r} is {leaf}, which no run reaches.")
        case _:
            return
