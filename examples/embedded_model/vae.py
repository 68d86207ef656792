"""Trains the small autoencoder: 64 px pictures to 16x16x4 latents and back.

Here live its loss and its loop. The encoder is final after this stage (the UNet learns its latents); the decoder is
grown to 128 px and polished in grow.py.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
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
from diffusers import AutoencoderKL
from models import SMALL_VAE, new_vae
from pool import half, pool, rare_weights
from torch.nn import functional as F

CHECKPOINT = WORK / "vae.safetensors"
BATCH, RATE, CROP = 8, 1e-3, 40


def picture_loss(got: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """L1 of pixels, half as much of edges, half as much of the colours of 4x4 patches."""
    error = got - wanted
    edges = (error[..., 1:, :] - error[..., :-1, :]).abs().mean() + (error[..., 1:] - error[..., :-1]).abs().mean()
    return error.abs().mean() + 0.5 * edges + 0.5 * F.avg_pool2d(error, 4).abs().mean()


def start_quietly(vae: AutoencoderKL) -> None:
    """Log-variances start at -5 and nearly constant; with the usual start training crawls."""
    with torch.no_grad():
        vae.quant_conv.weight[4:] *= 0.1
        vae.quant_conv.bias[4:] = -5.0


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """N x H x W x 3 in [0, 255] to N x 3 x H x W in [-1, 1]."""
    return (torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(
        memory_format=torch.channels_last
    )


def decibels(vae: AutoencoderKL, pixels: torch.Tensor) -> float:
    """Mean PSNR of pictures through encoder and decoder."""
    with torch.no_grad():
        got = vae.decode(vae.encode(pixels).latent_dist.mean).sample.clamp(-1, 1)
    return float((10 * torch.log10(4 / (got - pixels).pow(2).mean(dim=(1, 2, 3)))).mean())


def main() -> None:
    """Trains for `--minutes`, resuming if cut off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    quiet(options.threads)
    torch.manual_seed(0)
    pixels, scenes = pool()
    test, _ = pool("test", 128, seed=12)
    small_test, odds, rng = to_tensor(half(test)), rare_weights(scenes), np.random.default_rng(1)
    small = half(np.asarray(pixels)).round().astype(np.uint8)
    vae = new_vae(SMALL_VAE).to(memory_format=torch.channels_last)
    start_quietly(vae)
    optimizer = torch.optim.AdamW(vae.parameters(), RATE, weight_decay=1e-4, fused=True)
    average, spent = Average(vae, 0.998), 0.0
    if CHECKPOINT.exists():
        tensors, note = load_tensors(CHECKPOINT)
        vae.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        average.weights = {k[4:]: v for k, v in tensors.items() if k.startswith("ema.")}
        average.seen, spent = note["seen"], note["spent"]
        load_optimizer(optimizer, tensors)
    budget = Budget(options.minutes, spent)

    def save() -> None:
        tensors = {f"model.{k}": v for k, v in vae.state_dict().items()} | optimizer_tensors(optimizer)
        tensors |= {f"ema.{k}": v for k, v in average.weights.items()}
        save_tensors(CHECKPOINT, tensors, {"spent": budget.spent, "seen": average.seen, "std": latent_std()})

    @torch.no_grad()
    def latent_std() -> float:
        return float(vae.encode(small_test).latent_dist.mean.std())

    recent = 0.0
    for factor in budget:
        set_rate(optimizer, RATE * factor)
        batch = to_tensor(small[rng.choice(len(small), BATCH, p=odds)])
        if budget.spent < 0.6 * budget.seconds:  # crops first, full pictures after
            y, x = rng.integers(0, 64 - CROP + 1, 2)
            batch = batch[..., y : y + CROP, x : x + CROP].contiguous(memory_format=torch.channels_last)
        posterior = vae.encode(batch).latent_dist
        loss = picture_loss(vae.decode(posterior.sample()).sample, batch) + 1e-6 * posterior.kl().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update(vae)
        recent = 0.98 * recent + 0.02 * float(loss.detach())
        if budget.steps % 400 == 399:
            say(f"step {budget.steps} {budget.spent:.0f} s loss {recent:.4f} {decibels(vae, small_test):.2f} dB")
        if budget.save_due():
            save()
    save()
    vae.load_state_dict(average.weights)
    say(f"vae done: {decibels(vae, small_test):.2f} dB, latent std {latent_std():.3f}")


if __name__ == "__main__":
    main()
