"""Turns fresh renderings into shards of latents, the UNet's whole diet.

Here live rendering at the encoder's size and encoding, shard by shard; a running UNet stage picks new shards up.
The encoder is whitened: every latent channel has mean 0 and deviation 1.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import vae as vae_stage
from captions import Scene
from common import WORK, load_tensors, quiet, say
from diffusers import AutoencoderKL
from models import GROWN_VAE, SMALL_VAE, new_vae
from pool import half, pool
from render import random_scene, render
from words import trained_pairs

FOLDER = WORK / "latents"
GROWN = WORK / "grow.safetensors"
SHARD = 4096


def finish_vae() -> AutoencoderKL:
    """The trained small VAE with each latent channel moved to mean 0 and deviation 1, folded into its 1x1 layers."""
    tensors, _ = load_tensors(vae_stage.CHECKPOINT)
    vae = new_vae(SMALL_VAE).to(memory_format=torch.channels_last)
    vae.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("ema.")})
    vae.eval().requires_grad_(False)
    pixels, _ = pool()
    means = vae.encode(vae_stage.to_tensor(half(np.asarray(pixels[:1024])))).latent_dist.mean
    centre, spread = means.mean(dim=(0, 2, 3)), means.std(dim=(0, 2, 3))
    encode, decode = vae.quant_conv, vae.post_quant_conv
    encode.bias[:4] = (encode.bias[:4] - centre) / spread
    encode.weight[:4] /= spread[:, None, None, None]
    encode.bias[4:] -= 2 * spread.log()
    decode.bias += decode.weight[:, :, 0, 0] @ centre
    decode.weight *= spread[None, :, None, None]
    vae.register_to_config(scaling_factor=1.0)
    return vae


def grown_vae() -> AutoencoderKL | None:
    """The grown VAE, if there is one: its encoder learnt to say what the small one says."""
    if not GROWN.exists():
        return None
    tensors, _ = load_tensors(GROWN)
    vae = new_vae(GROWN_VAE).to(memory_format=torch.channels_last)
    vae.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("ema.")})
    vae.register_to_config(scaling_factor=1.0)
    return vae.eval().requires_grad_(False)


def encode(vae: AutoencoderKL, pixels: np.ndarray) -> torch.Tensor:
    """Latents of 128 px pictures, by the grown encoder or by the small one, which looks at half the side."""
    small = len(vae.config.block_out_channels) == len(SMALL_VAE)
    with torch.no_grad():
        return vae.encode(vae_stage.to_tensor(half(pixels) if small else pixels)).latent_dist.mean


def shards() -> list[Path]:
    """Finished shards, oldest first."""
    return sorted(FOLDER.glob("shard_*.json"))


def load_shard(path: Path) -> tuple[torch.Tensor, list[Scene]]:
    """Latents (N x 4 x 16 x 16) and their scenes."""
    latents = torch.from_numpy(np.load(path.with_suffix(".npy")))
    return latents, [Scene(*facts) for facts in json.loads(path.read_text())]


def make_shard(number: int, vae: AutoencoderKL) -> None:
    """Renders and encodes SHARD scenes; the JSON comes last and says that all is there."""
    rng, pairs = random.Random(1000 + number), trained_pairs()
    scenes = [random_scene(rng, pairs) for _ in range(SHARD)]
    found = []
    for i in range(0, SHARD, 64):
        pixels = np.stack([render(scene, rng) for scene in scenes[i : i + 64]])
        found.append(encode(vae, pixels).contiguous().half())
    path = FOLDER / f"shard_{number:03d}.json"
    np.save(path.with_suffix(".npy"), torch.cat(found).numpy())
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps([[s.noun, s.colour, s.place] for s in scenes]))
    partial.replace(path)


def main() -> None:
    """Makes `--shards` shards, skipping those that are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=11)
    options = parser.parse_args()
    quiet()
    FOLDER.mkdir(parents=True, exist_ok=True)
    vae = grown_vae() or finish_vae()
    for number in range(options.shards):
        if not (FOLDER / f"shard_{number:03d}.json").exists():
            started = time.monotonic()
            make_shard(number, vae)
            say(f"shard {number} of {options.shards} in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
