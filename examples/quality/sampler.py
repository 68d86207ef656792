"""Makes many pictures at once with the product's own rooms: its pipeline, schedulers and rules of a handoff.

`peerd.engine.resumable` runs one picture through the pipeline's own call; for thousands that is too slow, so here the
denoiser takes a batch, while each picture keeps a solver and a random state of its own, handed on by
`peerd.engine.solver_state` as between devices. Never here: which pictures, what they show, or the proof that
batches are what the engine makes (`engine_road.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from diffusers.models.attention_processor import AttnProcessor

from examples.quality.pictures import Look, Picture
from peerd.engine import pipelines, solver_state
from peerd.engine.model_folder import EMBEDDED_FOLDER

GUIDANCE = 3.0
SIDE = 128
BATCH = 16
"""Pictures a denoiser call, twice as many rows with guidance; more are no faster on one core."""


@dataclass(slots=True)
class Point:
    """A run between two steps. `since` counts the steps since another prompt's history was dropped (-1: never)."""

    latent: torch.Tensor
    scheduler: Any
    generator: torch.Generator
    since: int = -1


class Sampler:
    """The embedded model and its batches."""

    def __init__(self) -> None:
        diffusers.utils.logging.set_verbosity_error()
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        self.loaded = pipelines.load(EMBEDDED_FOLDER)
        self.pipe = self.loaded.pipe
        self.pipe.unet.to(memory_format=torch.channels_last)
        self.pipe.unet.set_attn_processor(AttnProcessor())  # on a CPU at this size faster than the fused one
        self.pipe.vae.to(memory_format=torch.channels_last)
        self.calls = 0
        self._words: dict[str, torch.Tensor] = {}

    @torch.inference_mode()
    def latents(self, pictures: Sequence[Picture]) -> list[torch.Tensor]:
        """The finished latents (4 x 16 x 16) of pictures with one scheduler and one number of steps."""
        (scheduler_name, total), *others = {(picture.scheduler, picture.total) for picture in pictures}
        if others:
            raise ValueError("The pictures of one batch have one scheduler and one number of steps.")
        fresh = self._fresh(scheduler_name, total)
        every = [picture.prompts for picture in pictures]
        points = {(picture.seed, ()): self._start(fresh, picture.seed) for picture in pictures}
        for step, time in enumerate(fresh.timesteps):
            runs = zip(pictures, every, strict=True)
            wanted = list(dict.fromkeys((picture.seed, prompts[: step + 1]) for picture, prompts in runs))
            begun = [self._go_on(points[seed, said[:-1]], fresh, said) for seed, said in wanted]
            for i in range(0, len(wanted), BATCH):
                self._step(begun[i : i + BATCH], [said[-1] for _, said in wanted[i : i + BATCH]], time)
            points = dict(zip(wanted, begun, strict=True))
        return [points[p.seed, prompts].latent[0] for p, prompts in zip(pictures, every, strict=True)]

    @torch.inference_mode()
    def differences(self, looks: Sequence[Look]) -> list[float]:
        """What the product's probe would see of each member (`peerd.engine.probe`): the norm of what its prediction
        differs from the blend's on their latent, in units of the mean over all that are blended.
        """
        return [self._difference(look) for look in looks]

    def _difference(self, look: Look) -> float:
        (words, _), (prompt, total) = look.picture.legs
        *_, (latent, time) = self.inputs(words, look.picture.seed, look.picture.scheduler, total, look.step)
        prompts = words.split("\n")
        own, *others = self.predicted(torch.cat([latent] * (len(prompts) + 1)), [words, *prompts], time)
        norms = [float(torch.linalg.vector_norm(other - own)) for other in others]
        return norms[prompts.index(prompt)] / (sum(norms) / len(norms))

    def inputs(
        self, words: str, seed: int, scheduler: str, total: int, steps: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The latent and the time that the denoiser is given in each of the first `steps` of a run with these words."""
        fresh = self._fresh(scheduler, total)
        point = self._start(fresh, seed)
        for step, time in enumerate(fresh.timesteps[:steps]):
            if step:
                self._step([point], [words], fresh.timesteps[step - 1])
            yield point.scheduler.scale_model_input(point.latent, time), time

    def predicted(self, rows: torch.Tensor, prompts: Sequence[str], time: torch.Tensor) -> torch.Tensor:
        """What the denoiser says of each row with its prompt, without guidance."""
        found = []
        for i in range(0, len(rows), 2 * BATCH):
            some = rows[i : i + 2 * BATCH].contiguous(memory_format=torch.channels_last)
            states = torch.cat([self.words(prompt) for prompt in prompts[i : i + 2 * BATCH]])
            found.append(self.pipe.unet(some, time, encoder_hidden_states=states, return_dict=False)[0])
        return torch.cat(found)

    @torch.inference_mode()
    def pixels(self, latents: Sequence[torch.Tensor]) -> np.ndarray:
        """Finished latents as pictures (uint8, N x 128 x 128 x 3)."""
        drawn = []
        for i in range(0, len(latents), BATCH):
            batch = torch.stack(list(latents[i : i + BATCH])) / self.pipe.vae.config.scaling_factor
            image = self.pipe.vae.decode(batch.contiguous(memory_format=torch.channels_last), return_dict=False)[0]
            drawn.append(((image / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
        return np.concatenate(drawn)

    def words(self, prompt: str) -> torch.Tensor:
        """The text encoder's states of a prompt; of a blend, their mean."""
        if prompt not in self._words:
            every = [self.pipe.encode_prompt(one, "cpu", 1, False)[0] for one in prompt.split("\n")]
            self._words[prompt] = torch.stack(every).mean(0)
        return self._words[prompt]

    def _fresh(self, scheduler: str, total: int) -> Any:
        self.loaded.set_scheduler(scheduler)
        self.pipe.scheduler.set_timesteps(total)
        return self.pipe.scheduler

    def _start(self, fresh: Any, seed: int) -> Point:
        generator = torch.Generator("cpu").manual_seed(seed)
        size = SIDE // self.pipe.vae_scale_factor
        noise = torch.randn((1, self.pipe.unet.config.in_channels, size, size), generator=generator)
        return Point(noise * fresh.init_noise_sigma, copy.deepcopy(fresh), generator)

    def _go_on(self, point: Point, fresh: Any, said: tuple[str, ...]) -> Point:
        """A copy for one of those that go on from here, as a checkpoint would hand it over."""
        changed = len(said) > 1 and said[-1] != said[-2]
        scheduler = copy.copy(fresh)
        solver_state.restore(scheduler, solver_state.capture(point.scheduler), point.latent, keep_history=not changed)
        generator = torch.Generator("cpu")
        generator.set_state(point.generator.get_state())
        return Point(point.latent, scheduler, generator, 0 if changed else point.since)

    def _step(self, points: list[Point], prompts: list[str], time: torch.Tensor) -> None:
        self.calls += len(points)
        ready = torch.cat([point.scheduler.scale_model_input(point.latent, time) for point in points])
        said = torch.cat([self.words("")] * len(points) + [self.words(prompt) for prompt in prompts])
        rows = torch.cat([ready, ready]).contiguous(memory_format=torch.channels_last)
        plain, steered = self.pipe.unet(rows, time, encoder_hidden_states=said, return_dict=False)[0].chunk(2)
        outputs = plain + GUIDANCE * (steered - plain)
        for point, output in zip(points, outputs.split(1), strict=True):
            extra = self.pipe.prepare_extra_step_kwargs(point.generator, 0.0)
            arguments = (output.contiguous(), time, point.latent)
            step, named = type(point.scheduler).step, {**extra, "return_dict": False}
            if point.since < 0:
                point.latent = step(point.scheduler, *arguments, **named)[0]
            else:
                point.latent = solver_state.step_after_drop(step, point.scheduler, point.since, arguments, named)[0]
                point.since += 1
