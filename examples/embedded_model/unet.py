"""Trains the denoiser on latents and captions: v-prediction, two processes that average their weights.

Here lives the loop only. Each process has one thread, its own batches and its own optimizer; every MEET_EVERY steps
both go on from the mean of their weights. (Adding up what both learnt, without waiting, overshoots.) Rank 0 keeps the
clock, the running average and the checkpoint.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
from typing import Any

import torch
import torch.multiprocessing as mp
from captions import Scene, caption
from common import (
    WORK,
    Average,
    Budget,
    load_optimizer,
    load_tensors,
    optimizer_tensors,
    quiet,
    save_tensors,
    say,
    set_rate,
)
from diffusers import UNet2DConditionModel
from latents import load_shard, shards
from models import new_scheduler, new_unet
from text import load_text_encoder, make_tokenizer, tokens_of

CHECKPOINT = WORK / "unet.safetensors"
BATCH, RATE, EMPTY_SHARE, MEET_EVERY = 16, 1e-3, 0.1, 4
HALVES = torch.cpu._is_avx512_bf16_supported()  # there 16 bits are 1.4 times as fast, elsewhere ten times slower
SHAPING = (0.25, 0.75)  # of all noise levels


class Diet:
    """Latents with fresh captions; looks for new shards now and then."""

    def __init__(self, rank: int) -> None:
        self.rng, self.known = random.Random(), 0
        self.generator = torch.Generator().manual_seed(self.rng.randrange(2**40) + rank)
        self.tokenizer, self.encoder = make_tokenizer(), load_text_encoder()
        self.latents, self.scenes = torch.empty(0, 4, 16, 16, dtype=torch.half), list[Scene]()
        self.refresh()

    def refresh(self) -> None:
        """Loads shards that came since."""
        paths = shards()
        for path in paths[self.known :]:
            latents, scenes = load_shard(path)
            self.latents = torch.cat((self.latents, latents))
            self.scenes += scenes
        self.known = len(paths)

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Clean latents and the text states of their captions."""
        chosen = [self.rng.randrange(len(self.scenes)) for _ in range(BATCH)]
        said = ["" if self.rng.random() < EMPTY_SHARE else caption(self.scenes[i], self.rng) for i in chosen]
        with torch.no_grad():
            states = self.encoder(tokens_of(self.tokenizer, said)).last_hidden_state
        return self.latents[chosen].float().contiguous(memory_format=torch.channels_last), states


def velocity_loss(unet: UNet2DConditionModel, diet: Diet, scheduler: Any) -> torch.Tensor:
    """Mean squared error of the predicted velocity at random noise levels."""
    clean, states = diet.batch()
    noise = torch.randn(clean.shape, generator=diet.generator).contiguous(memory_format=torch.channels_last)
    # Shapes are decided at middling noise, so two thirds of the batch go there; the rest is spread over all levels.
    spread = (torch.arange(BATCH) + torch.rand(BATCH, generator=diet.generator)) / BATCH
    spread = torch.where(torch.arange(BATCH) % 3 > 0, SHAPING[0] + (SHAPING[1] - SHAPING[0]) * spread, spread)
    levels = (spread * 1000).long().clamp(max=999)
    with torch.autocast("cpu", torch.bfloat16, enabled=HALVES):
        got = unet(scheduler.add_noise(clean, noise, levels), levels, states).sample
    return (got.float() - scheduler.get_velocity(clean, noise, levels)).pow(2).mean()


def work(rank: int, minutes: float, everyone: torch.Tensor, control: torch.Tensor, barrier: Any) -> None:
    """One process of the training; `control` carries the learning rate (-1 for the end)."""
    quiet()
    if rank > 0:
        os.setsid()  # where the kernel shares time among sessions, one each
    torch.manual_seed(0)
    unet, diet, scheduler = new_unet(), Diet(rank), new_scheduler()
    unet.train()
    parameters = list(unet.parameters())
    optimizer = torch.optim.AdamW(parameters, RATE, weight_decay=0.01, betas=(0.9, 0.99), fused=True)
    average, note = Average(unet, 0.997), {"spent": 0.0, "seen": 0, "steps": 0}
    if CHECKPOINT.exists():
        tensors, note = load_tensors(CHECKPOINT)
        unet.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        load_optimizer(optimizer, tensors)
        average.weights = {k[4:]: v for k, v in tensors.items() if k.startswith("ema.")}
        average.seen = note["seen"]
        del tensors
    views, at = [], 0
    for parameter in parameters:
        views.append(slice(at, at + parameter.numel()))
        at += parameter.numel()
    budget, recent = Budget(minutes, note["spent"]), 0.0
    budget.steps = note["steps"]

    def save() -> None:
        tensors = {f"model.{k}": v for k, v in unet.state_dict().items()} | optimizer_tensors(optimizer)
        tensors |= {f"ema.{k}": v for k, v in average.weights.items()}
        now = {"spent": budget.spent, "seen": average.seen, "steps": budget.steps, "loss": recent}
        save_tensors(CHECKPOINT, tensors, now)
        (WORK / "unet.json").write_text(json.dumps(now))

    def meet() -> None:
        """Every process ends up with the mean of all weights."""
        with torch.no_grad():
            for parameter, view in zip(parameters, views, strict=True):
                everyone[rank, view] = parameter.reshape(-1)
            barrier.wait()
            for parameter, view in zip(parameters, views, strict=True):
                parameter.copy_(everyone[:, view].mean(dim=0).reshape(parameter.shape))
            barrier.wait()

    clock, rate = iter(budget), RATE
    for step in itertools.count():
        if rank == 0:
            factor = next(clock, None)
            if step % MEET_EVERY == 0:
                control[0] = -1.0 if factor is None else RATE * factor
        if step % MEET_EVERY == 0:
            meet()
            if rank == 0 and budget.save_due():
                save()
            rate = float(control[0])
            if rate < 0:
                break
        loss = velocity_loss(unet, diet, scheduler)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        set_rate(optimizer, rate)
        optimizer.step()
        optimizer.zero_grad()
        if step % 200 == 199:
            diet.refresh()
        if rank == 0:
            average.update(unet)
            recent = float(loss.detach()) if step == 0 else 0.99 * recent + 0.01 * float(loss.detach())
            if budget.steps % 100 == 0:
                say(
                    f"step {budget.steps} {budget.spent:.0f} s rate {rate:.1e} "
                    f"loss {recent:.4f} ({len(diet.scenes)} latents)"
                )
    if rank == 0:
        save()
        say(f"unet done after {budget.steps} steps, loss {recent:.4f}")


def main() -> None:
    """Trains until `--minutes` of wall time are spent, over all its runs together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    size = sum(p.numel() for p in new_unet().parameters())
    everyone = torch.zeros(options.workers, size).share_memory_()
    control = torch.zeros(1, dtype=torch.float64).share_memory_()
    context = mp.get_context("spawn")
    barrier = context.Barrier(options.workers, timeout=3600)
    helpers = [
        context.Process(target=work, args=(rank, options.minutes, everyone, control, barrier), daemon=True)
        for rank in range(1, options.workers)
    ]
    for helper in helpers:
        helper.start()
    work(0, options.minutes, everyone, control, barrier)
    for helper in helpers:
        helper.join(60)


if __name__ == "__main__":
    main()
