"""What a denoiser is given for each of several prompts, found without knowing the family, and put in another's place.

The pipeline's own call is made with each prompt up to its first denoiser call, whose inputs are kept. Where those of
two prompts differ is what the words decide: the rest of a call (latent, timestep, the negative half) is the run's own.
Random states stay as they were. Never here: what is done with another prompt's inputs (probe.py, blend.py).
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from peerd_protocol.errors import EngineError

_OF_THE_RUN = frozenset({"0", "1", "sample", "hidden_states", "timestep"})
"""Latent and timestep by the names that diffusers' denoisers have for them; "0" and "1" are the first two places."""

Inputs = dict[str, Any]
"""A denoiser's arguments by name; positional ones by their place, as "0", "1"."""


class _Seen(BaseException):
    """The first denoiser call's inputs are known. Not an Exception, so that no pipeline's handler swallows it."""


class Conditioning:
    """The inputs of several prompts. `rows` of a call are those in which any two of them differ."""

    def __init__(self, of: dict[str, Inputs]) -> None:
        first, *others = of.values()
        self._of = of
        self.count = rows_of(first)
        changed = [_changed(first, other, self.count) for other in others]
        # Prompts may read alike to a model; then all rows say the same, and the last is as good as any.
        self.rows = [row for row in range(self.count) if any(one[row] for one in changed)] or [self.count - 1]

    def inputs(self, prompt: str) -> Inputs:
        """All that the denoiser is given in the first call with this prompt."""
        return self._of[prompt]

    def latent_and_timestep(self, latent: torch.Tensor, timestep: int) -> Inputs:
        """Another latent and timestep under the names that this denoiser has for them."""
        of_the_run = [name for name in next(iter(self._of.values())) if name in _OF_THE_RUN]
        return {name: torch.tensor(timestep) if name in ("1", "timestep") else latent for name in of_the_run}

    def in_rows(self, prompt: str, run: Inputs) -> Inputs:
        """The call `run` as it would be for this prompt, only those rows that the words decide."""
        of_the_run = {name: value for name, value in run.items() if name in _OF_THE_RUN}
        inputs = {**self._of[prompt], **of_the_run}
        return {name: _some_rows(value, self.rows, self.count) for name, value in inputs.items()}


def read(
    pipe: Any, denoisers: Sequence[Any], arguments: Callable[[str], dict[str, Any]], prompts: Sequence[str]
) -> Conditioning:
    """What these prompts are to this pipeline; EngineError where a family gives them in a way that is not known."""
    world, scheduler = torch.default_generator.get_state(), pipe.scheduler
    try:
        of = {}
        for prompt in prompts:
            pipe.scheduler = copy.deepcopy(scheduler)
            of[prompt] = _first_inputs(pipe, denoisers, arguments(prompt))
    finally:
        pipe.scheduler = scheduler
        torch.default_generator.set_state(world)
    return Conditioning(of)


def inputs_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Inputs:
    """A call's arguments, by name."""
    return {**{str(place): value for place, value in enumerate(args)}, **kwargs}


def arguments_of(inputs: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The opposite: positional arguments and named ones."""
    places = sorted((name for name in inputs if name.isdecimal()), key=int)
    return tuple(inputs[place] for place in places), {
        name: value for name, value in inputs.items() if name not in places
    }


def rows_of(inputs: Inputs) -> int:
    """How many rows a call has: one a picture, two with guidance."""
    for name in ("0", "sample", "hidden_states"):
        latent = inputs.get(name)
        if isinstance(latent, torch.Tensor):
            return int(latent.shape[0])
    raise EngineError("This model's denoiser takes its latent in a way that is not known.")


def words_in(inputs: Inputs) -> Iterator[tuple[tuple[str, ...], torch.Tensor]]:
    """All tensors but the latent and the timestep, each with its path, since some lie in dictionaries."""
    for name, value in inputs.items():
        if name not in _OF_THE_RUN:
            yield from _tensors((name,), value)


def _first_inputs(pipe: Any, denoisers: Sequence[Any], arguments: dict[str, Any]) -> Inputs:
    kept: list[Inputs] = []

    def keep(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        kept.append(inputs_of(args, kwargs))
        raise _Seen

    hooks = [denoiser.register_forward_pre_hook(keep, with_kwargs=True) for denoiser in denoisers]
    try:
        pipe(**arguments, generator=torch.Generator("cpu").manual_seed(0))
    except _Seen:
        return kept[0]
    finally:
        for hook in hooks:
            hook.remove()
    raise EngineError("This model's pipeline never calls its denoiser.")


def _changed(own: Inputs, other: Inputs, count: int) -> list[bool]:
    """Which rows of a call another prompt changes."""
    changed = [False] * count
    theirs = dict(words_in(other))
    for path, mine in words_in(own):
        if path in theirs and mine.shape == theirs[path].shape and torch.equal(mine, theirs[path]):
            continue  # such as a grid of places, common to all rows
        if path not in theirs or mine.shape != theirs[path].shape or mine.shape[:1] != (count,):
            raise EngineError("This model's prompts differ in more than the rows of a call.")
        for row in range(count):
            changed[row] |= not torch.equal(mine[row], theirs[path][row])
    return changed


def _tensors(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield path, value
        return
    nested = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, part in nested:
        yield from _tensors((*path, str(name)), part)


def _some_rows(value: Any, rows: list[int], count: int) -> Any:
    if isinstance(value, torch.Tensor) and value.shape[:1] == (count,):
        return value[rows]
    if isinstance(value, dict):
        return {name: _some_rows(part, rows, count) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_some_rows(part, rows, count) for part in value)
    return value
