"""The mean of several prompts in place of the call's own, inside the unmodified pipeline.

Wherever the denoiser is given what the call's own prompt gives it, it is given the mean of all instead. A beginning
that belongs to nobody serves everybody: with one member's prompt for five of eleven steps the others lose a sixth of
their content, with the mean a thirtieth. Never here: how the inputs of a prompt are found (conditioning.py).
"""

from collections.abc import Sequence
from typing import Any

import torch

from peerd.engine.conditioning import Conditioning, Inputs, words_in
from peerd_protocol.errors import EngineError


class Blend:
    """Puts the mean of `prompts` where the inputs of `own` are."""

    def __init__(self, conditioning: Conditioning, own: str, prompts: Sequence[str]) -> None:
        self._own = dict(words_in(conditioning.inputs(own)))
        others = [dict(words_in(conditioning.inputs(prompt))) for prompt in prompts]
        self._mean: dict[tuple[str, ...], torch.Tensor] = {}
        for path, mine in self._own.items():
            if all(torch.equal(mine, other[path]) for other in others):
                continue
            if not mine.is_floating_point():
                raise EngineError("This model's prompts differ in more than numbers that have a mean.")
            mean = mine.clone()
            # The rows that are common to all keep their very bits.
            mean[conditioning.rows] = torch.stack([other[path][conditioning.rows] for other in others]).mean(0)
            self._mean[path] = mean

    def put(self, inputs: Inputs) -> Inputs:
        """The call's inputs with the mean in them, where they are the own prompt's."""
        return {name: self._put((name,), value) for name, value in inputs.items()}

    def _put(self, path: tuple[str, ...], value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            mean = self._mean.get(path)
            # A family that asks for the negative half in a call of its own is not given the mean there.
            return value if mean is None or not _same(value, self._own[path]) else mean
        if isinstance(value, dict):
            return {name: self._put((*path, str(name)), part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._put((*path, str(place)), part) for place, part in enumerate(value))
        return value


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)
