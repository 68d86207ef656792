"""Pictures of scenes: a place from places.py, a thing from artwork/, its colour, size, turn, shadow and position.

Here lives the only road from a `Scene` to pixels; training, judge and evaluation all draw through it. No files
are written, except by `python render.py`, which makes a sheet to look at.
"""

from __future__ import annotations

import random
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
from captions import Scene
from PIL import Image, ImageDraw, ImageFilter
from places import PAINTERS, SIZE
from words import BY_NAME, NOUN_NAMES, PLACE_NAMES, trained_pairs

ARTWORK = Path(__file__).with_name("artwork")
PICTURE = 128  # pixels a side of a finished picture
CELL = 16  # canvas pixels a latent cell
SIDES = (0.52, 0.64)  # a thing's longer side, as a share of the canvas
HUES = {"red": 0, "yellow": 34, "green": 85, "blue": 150, "purple": 186}  # of 255, as Pillow counts
DYES = {"red": (240, 66, 60), "yellow": (255, 214, 60), "green": (96, 196, 90), "blue": (80, 140, 240),
        "purple": (168, 90, 210), "white": (255, 255, 255)}  # fmt: skip


@lru_cache(maxsize=512)
def sprite(noun: str, colour: str) -> Image.Image:
    """The thing's artwork, cropped to its box, in `colour` ("" keeps the artist's own)."""
    facts = BY_NAME[noun]
    image = Image.open(ARTWORK / f"{facts.icon}.png").convert("RGBA")
    image = image.crop(image.getchannel("A").point(lambda a: 255 if a > 8 else 0).getbbox())
    if not colour or not facts.hue or colour == facts.own:
        return image
    alpha = image.getchannel("A")
    if facts.hue == "dye":
        pixels = np.asarray(image.convert("RGB"), np.float32)
        white = pixels.min(axis=2, keepdims=True) > 90  # the drink keeps its brown
        dyed = np.where(white, pixels * np.asarray(DYES[colour], np.float32) / 255, pixels)
        tinted = Image.fromarray(dyed.round().astype(np.uint8))
    else:
        hsv = np.asarray(image.convert("RGB").convert("HSV")).astype(np.int32)
        coloured = (hsv[..., 1] > 70) & (np.asarray(alpha) > 128)
        own = HUES[facts.own]
        body = coloured & (np.abs((hsv[..., 0] - own + 128) % 256 - 128) < 28)
        hue = np.where(body, (hsv[..., 0] - own + HUES[colour]) % 256, hsv[..., 0])
        value = hsv[..., 2]
        if colour == "yellow":
            value = np.where(body, 128 + value // 2, value)
        turned = np.stack((hue, hsv[..., 1], value), axis=2).clip(0, 255).astype(np.uint8)
        tinted = Image.fromarray(turned, "HSV").convert("RGB")
    tinted = tinted.convert("RGBA")
    tinted.putalpha(alpha)
    return tinted


def thing(noun: str, colour: str, rng: random.Random) -> Image.Image:
    """The sprite as it will stand in the picture: near or far, perhaps mirrored."""
    image = sprite(noun, colour)
    longer = max(image.size)
    slender = 1 - min(image.size) / longer
    side = SIZE * rng.choice(SIDES) * (1 + 0.25 * slender)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = side / longer
    return image.resize(
        (max(8, round(image.width * scale)), max(8, round(image.height * scale))), Image.Resampling.BILINEAR
    )


def on_grid(at: float) -> int:
    """The nearest edge of a latent cell.

    A thing that stands on this grid has the same latents wherever it stands, only shifted. A small denoiser then has
    a thing's shape to learn, and not how every shift by a part of a cell looks.
    """
    return round(at / CELL) * CELL


def shadow(canvas: Image.Image, middle: float, foot: int, width: int) -> None:
    """A soft dark ellipse under the thing, painted into `canvas`."""
    half, high = width // 2 + 6, 9
    mask = Image.new("L", (2 * half + 24, 2 * high + 24), 0)
    ImageDraw.Draw(mask).ellipse((12, 12, 12 + 2 * half, 12 + 2 * high), fill=105)
    mask = mask.filter(ImageFilter.BoxBlur(5))
    canvas.paste((20, 18, 30), (round(middle) - half - 12, foot - high - 14), mask)


def render(scene: Scene, rng: random.Random) -> np.ndarray:
    """One picture of `scene`: uint8, PICTURE x PICTURE x 3."""
    canvas, (low, high) = PAINTERS[scene.place](rng)
    if scene.noun:
        image = thing(scene.noun, scene.colour, rng)
        foot = on_grid(rng.randint(low, max(low, high)))
        spread = max(CELL, min(58, (SIZE - image.width) // 2 - 6))
        left = on_grid((SIZE - image.width) / 2 + rng.uniform(-spread, spread))
        shadow(canvas, left + image.width / 2, foot - 4, round(image.width * 0.8))
        canvas.paste(image, (left, foot - image.height), image)
    light = rng.uniform(0.94, 1.06)
    pixels = np.asarray(canvas.reduce(SIZE // PICTURE), np.float32) * light
    return np.clip(pixels.round(), 0, 255).astype(np.uint8)


def random_scene(rng: random.Random, pairs: list[tuple[str, str]], empty_share: float = 0.03) -> Scene:
    """A scene of one of `pairs`, in a random colour where the noun has several."""
    noun, place = rng.choice(pairs)
    if rng.random() < empty_share:
        return Scene("", "", place)
    colours = BY_NAME[noun].colours
    if not colours or rng.random() < 0.35:
        return Scene(noun, "", place)
    return Scene(noun, rng.choice(colours), place)


def sheet(pictures: list[np.ndarray], columns: int) -> Image.Image:
    """Pictures side by side, for the eye."""
    side = pictures[0].shape[0] + 2
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * side, rows * side), "white")
    for i, picture in enumerate(pictures):
        page.paste(Image.fromarray(picture), (i % columns * side, i // columns * side))
    return page


if __name__ == "__main__":
    source = random.Random(1)
    scenes = [Scene(noun, "", PLACE_NAMES[i % len(PLACE_NAMES)]) for i, noun in enumerate(NOUN_NAMES)]
    scenes += [random_scene(source, trained_pairs()) for _ in range(48)]
    sheet([render(scene, source) for scene in scenes], 12).save(sys.argv[1])
