"""A probe of divergence: which prompts would steer further away than others from a run under way, on its very latent.

At a look each prompt's inputs go through the denoiser again with the run's latent and timestep, only the rows that the
words decide: under guidance the negative half is common to all, so the guided predictions differ by the guidance times
what these rows differ by. Random states stay as they were.

A beginning that belongs to nobody still leans towards someone. Which of its prompts that is shows in how the
differences compare with each other, far better than in how large they are: over 61 pairs of the embedded model at the
fifth of eleven steps, rank correlation with the last harmless step -.58 against -.25.

Never here: what follows from a difference (departures.py), or when to look (resumable.py).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from peerd.engine.conditioning import Conditioning, Inputs, arguments_of
from peerd.engine.tensors import outputs_of


class Probe:
    """Looks at one run."""

    def __init__(self, conditioning: Conditioning) -> None:
        self._conditioning = conditioning
        self.calls = 0.0
        """Predictions so far, in the run's own denoiser calls: half of one each, where guidance doubles the rows."""

    @torch.no_grad()
    def differences(
        self, prompts: Sequence[str], denoise: Callable[..., Any], run: Inputs, output: Any
    ) -> dict[str, float]:
        """For each prompt the norm of what its prediction differs from `output`, in units of the mean of them all."""
        rows, count = self._conditioning.rows, self._conditioning.count
        own = _first(output)[rows].float()
        found: dict[str, float] = {}
        for prompt in prompts:
            args, kwargs = arguments_of(self._conditioning.in_rows(prompt, run))
            other = _first(denoise(*args, **kwargs)).float()
            self.calls += len(rows) / count
            found[prompt] = float(torch.linalg.vector_norm(other - own))
        mean = sum(found.values()) / max(1, len(found))
        # Where nobody differs, nobody does more than others.
        return {prompt: norm / mean if mean > 0.0 else 0.0 for prompt, norm in found.items()}


def _first(output: Any) -> torch.Tensor:
    first: torch.Tensor = output if isinstance(output, torch.Tensor) else outputs_of(output)[0][0]
    return first
