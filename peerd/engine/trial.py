"""How long two prompts may share a beginning on this model, by its own judgement: whose picture is it in the end?

A pair's blended run is made once. Each side then goes on alone from some of its steps, and the model says whose the
finished latent is: noised again, it is better explained by the one prompt or by the other (a diffusion classifier; Li
et al., ICCV 2023). The last step from which a side still comes out as its own is found by halving, as if what is lost
at one step were lost at all later ones. No other judge is needed, so any model can be asked.

Never here: which pairs, or what follows for a wish (planning/fitting.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import torch

from peerd.engine import conditioning, pipelines, resumable
from peerd.engine.blend import Blend
from peerd.engine.conditioning import Conditioning, arguments_of
from peerd.engine.departures import Departures
from peerd.engine.port import Look
from peerd.engine.probe import Probe
from peerd.engine.tensors import outputs_of
from peerd_protocol.checkpoint import Checkpoint, Facts
from peerd_protocol.errors import EngineError
from peerd_protocol.plan import Call, Leave
from peerd_protocol.schedulers import calls_per_run

LOOKS = 5
"""During each of the first so many steps a probe looks; later ones would come too late for those who should leave."""
OWN_MARGIN = 0.2
"""A picture is still its own while its prompt is ahead by a fifth of what it is ahead alone. By the sign alone, what
lies half way between two prompts would be lost or kept by a hair: on the embedded model, checked against a classifier
of its pictures, a fifth is on the careful side of where one in two is lost."""
NOISE_LEVELS = (0.8, 0.6)
"""Parts of the training's timesteps: there a prompt decides what is in the picture, below it only how it is drawn."""


@dataclass(frozen=True, slots=True)
class Side:
    """One prompt of a pair: after `largest` shared steps its picture was still its own (-1: not even alone).

    `differences` are what the probe saw of it during steps 1, 2, ...
    """

    largest: int
    differences: tuple[float, ...]


@dataclass(slots=True)
class Trial:
    """One pair on one loaded model with its scheduler set: `call` holds the first prompt, `other` is the second."""

    loaded: pipelines.Pipeline
    call: Call
    other: str
    generator: Callable[[int], torch.Generator]
    cancelled: Callable[[], bool]
    at_work: Callable[[], None]
    """Called after each step: one trial takes thousands of calls with many steps, and who waits may doubt."""
    denoiser_calls: float = 0.0
    _saved: dict[int, Checkpoint] = field(default_factory=dict)

    def sides(self) -> tuple[Side, Side]:
        """What became of both."""
        if not hasattr(self.loaded.pipe.scheduler, "alphas_cumprod"):
            raise EngineError("Flow-matching models can not be calibrated yet; a careful table stands in.")
        prompts = (self.call.prompt, self.other)
        words = conditioning.read(self.loaded.pipe, self.loaded.denoisers, self._arguments, prompts)
        seen = self._begin(words)
        first, second = (
            Side(self._largest(words, mine, theirs), tuple(look[mine] for look in seen))
            for mine, theirs in (prompts, prompts[::-1])
        )
        return first, second

    def _begin(self, words: Conditioning) -> list[Mapping[str, float]]:
        """The blended run, with every checkpoint and what each look saw."""
        prompts = (self.call.prompt, self.other)
        last = self._total - 1
        looks = [Look(step, ((float("inf"), last),)) for step in range(1, min(LOOKS, last - 1) + 1)]
        leaves = [Leave(name=prompt, step=last, prompt=prompt) for prompt in prompts]
        departures = Departures("", leaves, looks, 0, self._total)
        run = self._run(departures=departures, probe=Probe(words), blend=Blend(words, self.call.prompt, prompts))
        run.checkpoint_every = 1
        run.on_save = lambda checkpoint: self._saved.update({checkpoint.facts.step: checkpoint})
        self._carry_out(run, self.call.prompt)
        return [departures.seen[look.step] for look in looks]

    def _largest(self, words: Conditioning, mine: str, theirs: str) -> int:
        alone = self._margin(words, self._latent(mine), mine, theirs)
        if alone <= 0.0:
            return -1
        kept, lost = 0, self._total
        while lost - kept > 1:
            ask = (kept + lost) // 2
            if self._margin(words, self._latent(mine, self._saved[ask]), mine, theirs) >= OWN_MARGIN * alone:
                kept = ask
            else:
                lost = ask
        return kept

    def _latent(self, prompt: str, start: Checkpoint | None = None) -> torch.Tensor:
        """The finished latent of a prompt from there on, or alone; nothing is decoded."""
        run = self._run(start=start, same_prompt=start is None, stop=self._total)
        steps: list[torch.Tensor] = []
        run.on_step = lambda step: steps.append(step.latent)
        self._carry_out(run, prompt)
        return steps[-1]

    @torch.no_grad()
    def _margin(self, words: Conditioning, latent: torch.Tensor, mine: str, theirs: str) -> float:
        """By how much the model explains the picture better by its own prompt, over all noise levels."""
        scheduler, margin = self.loaded.pipe.scheduler, 0.0
        noises = torch.Generator().manual_seed(self.call.seed)
        for level in NOISE_LEVELS:
            timestep = round(level * (len(scheduler.alphas_cumprod) - 1))
            signal = float(scheduler.alphas_cumprod[timestep]) ** 0.5
            noise = float(1 - scheduler.alphas_cumprod[timestep]) ** 0.5
            drawn = torch.randn(latent.shape, generator=noises).to(latent)
            noised = signal * latent + noise * drawn
            target = {
                "epsilon": drawn,
                "v_prediction": signal * drawn - noise * latent,
                "sample": latent,
            }[scheduler.config.prediction_type]
            mistakes = [self._mistake(words, prompt, noised, timestep, target) for prompt in (theirs, mine)]
            margin += mistakes[0] - mistakes[1]
        return margin

    def _mistake(
        self, words: Conditioning, prompt: str, noised: torch.Tensor, timestep: int, target: torch.Tensor
    ) -> float:
        rows = torch.cat([noised] * (words.count // len(noised)))
        inputs = {**words.inputs(prompt), **words.latent_and_timestep(rows, timestep)}
        args, kwargs = arguments_of(words.in_rows(prompt, inputs))
        if self.cancelled():
            raise resumable.Cancelled
        output = self.loaded.denoisers[0](*args, **kwargs)
        predicted = (output if isinstance(output, torch.Tensor) else outputs_of(output)[0][0])[:, : target.shape[1]]
        self.denoiser_calls += len(words.rows) / words.count
        return float(((predicted - target) ** 2).mean())

    @property
    def _total(self) -> int:
        return calls_per_run(self.call.scheduler, self.call.steps)

    def _arguments(self, prompt: str) -> dict[str, Any]:
        return self.loaded.arguments(msgspec.structs.replace(self.call, prompt=prompt))

    def _run(self, **wishes: Any) -> resumable.Run:
        return resumable.Run(
            generator=self.generator(self.call.seed), facts=self._facts, cancelled=self.cancelled,
            **wishes,
        )  # fmt: skip

    def _carry_out(self, run: resumable.Run, prompt: str) -> None:
        heard = run.on_step

        def on_step(step: resumable.Step) -> None:
            heard(step)
            self.at_work()

        run.on_step = on_step
        self.loaded.set_scheduler(self.call.scheduler)
        run.carry_out(self.loaded.pipe, self.loaded.denoisers, self._arguments(prompt))
        self.denoiser_calls += run.denoiser_calls + (0.0 if run.probe is None else run.probe.calls)

    def _facts(self, step: int, total: int, dtype: str) -> Facts:
        """These checkpoints never leave this process: only where they are matters."""
        call = self.call
        return Facts(
            step=step, total=total, model=call.model, call="", prompt="", scheduler="", guidance=call.guidance,
            width=call.width, height=call.height, seed=call.seed, dtype=dtype, threads=1, device="", software="",
            noise="",
        )  # fmt: skip
