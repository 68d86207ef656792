"""Grows the 64 px autoencoder to 128 px on the same latents, then distils its encoder.

Here live the copying of blocks and the two trainings: the decoder learns the pictures' fine edges, and the grown
encoder learns to say what the small encoder says of the picture at half the size. The UNet never notices. Where there
is no small one, since the shipped weights were adopted, the encoder stays as it is and the decoder goes on learning.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from common import (
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
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from latents import GROWN as CHECKPOINT
from latents import finish_vae
from models import GROWN_VAE, LATENT_SIDE, new_vae
from pool import pool, rare_weights
from torch.nn import functional as F
from vae import CHECKPOINT as SMALL
from vae import picture_loss, to_tensor

BATCH, RATE, POLISH_RATE, PATCH = 8, 1e-3, 4e-4, 10
DECODER_SHARE, WHOLE_SHARE = 0.9, 0.65  # of all time; of the decoder's time before it sees whole pictures


def grown(small: AutoencoderKL) -> AutoencoderKL:
    """A 128 px autoencoder that decodes what `small` decodes, enlarged, and encodes nearly the same."""
    big, source = new_vae(GROWN_VAE), small.state_dict()
    weights = big.state_dict()
    for name, tensor in weights.items():
        moved = name
        for level in range(1, 4):  # the encoder's blocks move one down, to leave room at the top
            if name.startswith(f"encoder.down_blocks.{level}."):
                moved = name.replace(f"down_blocks.{level}.", f"down_blocks.{level - 1}.")
        new_block = name.startswith(
            ("encoder.down_blocks.0.", "decoder.up_blocks.3.", "decoder.up_blocks.2.upsamplers")
        )
        # A block that `small` has not gets its second convolution at zero, and so changes nothing at first.
        if not new_block and moved in source:
            tensor.copy_(source[moved])
        elif "conv2" in name or name.endswith("upsamplers.0.conv.bias") or name.endswith("downsamplers.0.conv.bias"):
            tensor.zero_()
        elif name.endswith("upsamplers.0.conv.weight"):
            tensor.zero_()
            tensor[range(16), range(16), 1, 1] = 1.0
        elif name.endswith("downsamplers.0.conv.weight"):
            tensor.zero_()
            tensor[range(16), range(16), :2, :2] = 0.25
    big.load_state_dict(weights)
    big.register_to_config(scaling_factor=1.0)
    return big.to(memory_format=torch.channels_last)


@torch.no_grad()
def halved(pixels: torch.Tensor) -> torch.Tensor:
    """Box-reduced pictures, as the small encoder likes them."""
    return F.avg_pool2d(pixels, 2).contiguous(memory_format=torch.channels_last)


def decibels(got: torch.Tensor, wanted: torch.Tensor) -> float:
    """Mean PSNR over pictures."""
    return float((10 * torch.log10(4 / (got.clamp(-1, 1) - wanted).pow(2).mean(dim=(1, 2, 3)))).mean())


def main() -> None:
    """Trains for `--minutes`, resuming if cut off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=22)
    options = parser.parse_args()
    quiet()
    torch.manual_seed(0)
    pixels, scenes = pool()
    test = to_tensor(np.asarray(pool("test", 128, seed=12)[0]))
    odds, rng = rare_weights(scenes), np.random.default_rng()
    small = finish_vae() if SMALL.exists() else None
    vae = new_vae(GROWN_VAE).to(memory_format=torch.channels_last) if small is None else grown(small)
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(small is not None)
    optimizer = torch.optim.AdamW(list(vae.parameters()), RATE, weight_decay=1e-4, fused=True)
    average, spent = Average(vae, 0.998), 0.0
    if CHECKPOINT.exists():
        tensors, note = load_tensors(CHECKPOINT)
        vae.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        average.weights = {k[4:]: v for k, v in tensors.items() if k.startswith("ema.")}
        average.seen, spent = note["seen"], note["spent"]
        load_optimizer(optimizer, tensors)
    budget = Budget(options.minutes, spent, floor=0.03)
    rate = POLISH_RATE if small is None else RATE
    decoder_seconds = budget.seconds * (1.0 if small is None else DECODER_SHARE)

    def save() -> None:
        tensors = {f"model.{k}": v for k, v in vae.state_dict().items()} | optimizer_tensors(optimizer)
        tensors |= {f"ema.{k}": v for k, v in average.weights.items()}
        save_tensors(CHECKPOINT, tensors, {"spent": budget.spent, "seen": average.seen})

    @torch.no_grad()
    def told(batch: torch.Tensor) -> DiagonalGaussianDistribution:
        return (vae.encode(batch) if small is None else small.encode(halved(batch))).latent_dist

    @torch.no_grad()
    def report(recent: float) -> None:
        latents = told(test).mean
        own = vae.encode(test).latent_dist.mean
        say(
            f"step {budget.steps} {budget.spent:.0f} s loss {recent:.4f} "
            f"decode {decibels(vae.decode(latents).sample, test):.2f} dB, "
            f"round trip {decibels(vae.decode(own).sample, test):.2f} dB, "
            f"encoder error {float((own - latents).std()):.3f}"
        )

    recent = 0.0
    for factor in budget:
        batch = to_tensor(np.asarray(pixels)[rng.choice(len(pixels), BATCH, p=odds)])
        posterior = told(batch)
        if budget.spent < decoder_seconds:
            share = budget.spent / decoder_seconds
            set_rate(
                optimizer, rate * (0.03 + 0.97 * 0.5 * (1 + float(np.cos(np.pi * share)))) * min(1.0, factor * 1e9)
            )
            latents = posterior.sample()
            if share < WHOLE_SHARE:
                y, x = rng.integers(0, LATENT_SIDE - PATCH + 1, 2)
                latents = latents[..., y : y + PATCH, x : x + PATCH]
                batch = batch[..., 8 * y : 8 * (y + PATCH), 8 * x : 8 * (x + PATCH)]
            loss = picture_loss(vae.decode(latents).sample, batch)
        else:
            share = (budget.spent - decoder_seconds) / (budget.seconds - decoder_seconds)
            vae.encoder.requires_grad_(True)
            vae.quant_conv.requires_grad_(True)
            vae.decoder.requires_grad_(False)
            vae.post_quant_conv.requires_grad_(False)
            set_rate(optimizer, RATE * (0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * share)))))
            got = vae.encode(batch).latent_dist
            loss = F.mse_loss(got.mean, posterior.mean) + 0.01 * F.mse_loss(got.logvar, posterior.logvar)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update(vae)
        recent = 0.98 * recent + 0.02 * float(loss.detach())
        if budget.steps % 300 == 299:
            report(recent)
        if budget.save_due():
            save()
    save()
    vae.load_state_dict(average.weights)
    report(recent)


if __name__ == "__main__":
    main()
