"""A pool of finished pictures on disk for the stages that look at pixels: VAE, grow and judge.

Here live rendering in bulk and its cache. The UNet's latents are made in latents.py from fresh pictures.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
from captions import Scene
from common import WORK, say
from render import PICTURE, random_scene, render
from words import all_pairs, trained_pairs

COUNT = 12_000
RARE = ("purple", "green", "blue", "yellow")


def pool(
    name: str = "train", count: int = COUNT, seed: int = 11, everything: bool = False
) -> tuple[np.ndarray, list[Scene]]:
    """`count` pictures (uint8, N x 128 x 128 x 3) and their scenes; drawn once, then read from disk.

    `everything` draws held-out pairs too: the judge must know them, the models must not.
    """
    pixels_path, scenes_path = WORK / f"pool_{name}.npy", WORK / f"pool_{name}.json"
    if not scenes_path.exists():
        say(f"rendering {count} pictures for the {name} pool")
        rng = random.Random(seed)
        pairs = all_pairs() if everything else trained_pairs()
        pixels = np.lib.format.open_memmap(pixels_path, "w+", np.uint8, (count, PICTURE, PICTURE, 3))
        scenes = []
        for i in range(count):
            scene = random_scene(rng, pairs, 0.02)
            scenes.append(scene)
            pixels[i] = render(scene, rng)
        pixels.flush()
        note = json.dumps([[s.noun, s.colour, s.place] for s in scenes])
        Path(scenes_path).write_text(note)
    scenes = [Scene(*facts) for facts in json.loads(scenes_path.read_text())]
    return np.load(pixels_path, mmap_mode="r"), scenes


def half(pixels: np.ndarray) -> np.ndarray:
    """Box-reduced to half the side, as floats in [0, 255]."""
    n, h, w, c = pixels.shape
    return pixels.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4), dtype=np.float32)


def rare_weights(scenes: list[Scene]) -> np.ndarray:
    """Odds of being drawn in training: rare colours three times as often, or purple decodes blue."""
    weights = np.asarray([3.0 if scene.colour in RARE else 1.0 for scene in scenes])
    return weights / weights.sum()
