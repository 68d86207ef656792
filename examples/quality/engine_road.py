"""The same picture by the engine's own road: what the batches are held against, so that nothing here is only ours.

One pipeline call a leg, a checkpoint between two, the engine's own blend and probe. Never here: batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from examples.quality.pictures import Look, Picture
from examples.quality.sampler import GUIDANCE, SIDE, Sampler
from peerd.engine import conditioning, port, resumable
from peerd.engine.blend import Blend
from peerd.engine.departures import Departures
from peerd.engine.probe import Probe
from peerd.engine.worker import seeded
from peerd_protocol.checkpoint import Facts
from peerd_protocol.plan import Call, Leave


def differs(sampler: Sampler, pictures: Sequence[Picture], looks: Sequence[Look]) -> float:
    """The largest difference of a number in a finished latent, or of what a probe sees, from the engine's."""
    together, seen = sampler.latents(pictures), sampler.differences(looks)
    latents = [through_the_engine(sampler, picture) for picture in pictures]
    return max(
        *(float((mine - its).abs().max()) for mine, its in zip(together, latents, strict=True)),
        *(abs(mine - probed(sampler, look)) for mine, look in zip(seen, looks, strict=True)),
    )


def through_the_engine(sampler: Sampler, picture: Picture) -> torch.Tensor:
    """The finished latent."""
    start, latent, before = None, torch.zeros(0), ""
    for words, stop in picture.legs:
        steps: list[resumable.Step] = []
        saved: list[Any] = []
        run = resumable.Run(
            generator=seeded(picture.seed), facts=_facts, start=start, same_prompt=words == before,
            stop=stop if stop < picture.total else None, on_step=steps.append, on_save=saved.append,
            blend=_blend(sampler, picture, words),
        )  # fmt: skip
        _carry_out(sampler, run, picture, words)
        start, latent, before = (saved[-1] if saved else None), steps[-1].latent[0], words
    return latent


def probed(sampler: Sampler, look: Look) -> float:
    """What the engine's probe sees of the picture's last prompt at this look."""
    (words, _), (prompt, total) = look.picture.legs
    prompts = words.split("\n")
    both = conditioning.read(*_pipeline(sampler, look.picture), prompts)
    wanted = port.Look(look.step, ((float("inf"), total - 1),))
    leaving = Departures("", [Leave(name=one, step=total - 1, prompt=one) for one in prompts], [wanted], 0, total)
    run = resumable.Run(
        generator=seeded(look.seed), facts=_facts, departures=leaving, probe=Probe(both),
        blend=_blend(sampler, look.picture, words),
    )  # fmt: skip
    _carry_out(sampler, run, look.picture, words)
    return leaving.seen[look.step][prompt]


def _blend(sampler: Sampler, picture: Picture, words: str) -> Blend | None:
    prompts = words.split("\n")
    if len(prompts) == 1:
        return None
    return Blend(conditioning.read(*_pipeline(sampler, picture), prompts), prompts[0], prompts)


def _pipeline(sampler: Sampler, picture: Picture) -> tuple[Any, Any, Any]:
    sampler.loaded.set_scheduler(picture.scheduler)

    def arguments(prompt: str) -> dict[str, Any]:
        return sampler.loaded.arguments(_call(picture, prompt))

    return sampler.pipe, sampler.loaded.denoisers, arguments


def _carry_out(sampler: Sampler, run: resumable.Run, picture: Picture, words: str) -> None:
    pipe, denoisers, arguments = _pipeline(sampler, picture)
    run.carry_out(pipe, denoisers, arguments(words.split("\n")[0]))


def _call(picture: Picture, prompt: str) -> Call:
    return Call(
        model="", prompt=prompt, steps=picture.total, seed=picture.seed, guidance=GUIDANCE,
        scheduler=picture.scheduler, width=SIDE, height=SIDE,
    )  # fmt: skip


def _facts(step: int, total: int, dtype: str) -> Facts:
    return Facts(
        step=step, total=total, model="", call="", prompt="", scheduler="", guidance=GUIDANCE, width=SIDE, height=SIDE,
        seed=0, dtype=dtype, threads=1, device="cpu", software="", noise="torch-cpu",
    )  # fmt: skip
