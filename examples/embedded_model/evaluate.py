"""Judges a model folder: does each picture show the thing and the place of its prompt, and do seeds differ?

Here live the evaluation prompts, the table and the contact sheet, nothing that trains. It loads the folder as anyone
would, with StableDiffusionPipeline.from_pretrained; the judge's weights lie beside this file.
"""

from __future__ import annotations

import argparse
import json
import random
import time
import warnings
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from captions import Scene
from common import SHIPPED, quiet, say
from diffusers import StableDiffusionPipeline
from judge import Judge, load_judge, own_score, verdicts
from render import render, sheet
from text import PROBES, cosine
from words import BY_NAME, NOUN_NAMES, PLACE_NAMES, held_out_pairs, trained_pairs

GUIDANCE = 3.0
BATCH = 16
PROMISED = (
    ("apple on table", "apple", "table"), ("lemon on table", "lemon", "table"), ("a bird on the desk", "bird", "desk"),
    ("a dog on the desk", "dog", "desk"), ("a cat on the grass", "cat", "grass"),
    ("a red car on the beach", "car", "beach"),
    ("a cup on a book", "cup", "book"), ("a tree near a river", "tree", "river"),
    ("orange on table", "orange", "table"),
    ("pear on table", "pear", "table"),
)  # fmt: skip
SOLVERS = (
    "DDIMScheduler", "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler", "PNDMScheduler",
    "LMSDiscreteScheduler",
    "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler",
    "DEISMultistepScheduler", "DDPMScheduler",
)  # fmt: skip
Ask = tuple[str, str, str]  # prompt, thing, place


def prompt_of(noun: str, place: str, colour: str = "") -> str:
    """The sentence the evaluation asks with."""
    words = f"{colour} {noun}".strip()
    relation = {"river": "near", "forest": "in"}.get(place, "on")
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words} {relation} the {place}"


def asks_trained(count: int) -> list[Ask]:
    """`count` prompts spread over all trained pairs: every noun and place about equally often."""
    rng, pairs = random.Random(3), trained_pairs()
    rng.shuffle(pairs)
    asks: list[Ask] = []
    for i in range(count):
        noun, place = pairs[i % len(pairs)]
        colours = BY_NAME[noun].colours
        colour = rng.choice(colours) if colours and rng.random() < 0.5 else ""
        asks.append((prompt_of(noun, place, colour), noun, place))
    return asks


def load(folder: Path) -> StableDiffusionPipeline:
    """The pipeline from its folder, with nothing of ours."""
    pipe = StableDiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe: Any, prompts: list[str], seeds: list[int], steps: int, guidance: float = GUIDANCE) -> np.ndarray:
    """Pictures (uint8) of prompts, each with its own seed."""
    found = []
    for i in range(0, len(prompts), BATCH):
        sources = [torch.Generator().manual_seed(seed) for seed in seeds[i : i + BATCH]]
        made = pipe(prompts[i : i + BATCH], num_inference_steps=steps, guidance_scale=guidance, generator=sources)
        found += [np.asarray(image) for image in made.images]
    return np.stack(found)


def score(pipe: Any, judge: Judge, asks: list[Ask], steps: int, wrong: list[str] | None = None) -> tuple[float, float]:
    """Shares of pictures with the right thing and with the right place."""
    pictures = draw(pipe, [ask[0] for ask in asks], [100 + i for i in range(len(asks))], steps)
    things, places = verdicts(judge, pictures)
    if wrong is not None:
        for (prompt, noun, place), thing, where in zip(asks, things, places, strict=True):
            if thing != noun or where != place:
                wrong.append(f"{prompt} -> {thing or 'nothing'}/{where}")
    thing_share = np.mean([t == ask[1] for t, ask in zip(things, asks, strict=True)])
    return float(thing_share), float(np.mean([p == ask[2] for p, ask in zip(places, asks, strict=True)]))


def spread(pictures: np.ndarray) -> float:
    """Mean root-mean-square distance over all pairs of pictures."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    return float(np.mean([np.sqrt(((a - b) ** 2).mean()) for i, a in enumerate(flat) for b in flat[:i]]))


def diversity(pipe: Any, prompts: int, seeds: int, steps: int) -> float:
    """How far apart seeds lie, as a share of how far apart renderings of the same scenes lie."""
    rng = random.Random(9)
    chosen = rng.sample(trained_pairs(), prompts)
    made, drawn = [], []
    for noun, place in chosen:
        made.append(spread(draw(pipe, [prompt_of(noun, place)] * seeds, list(range(seeds)), steps)))
        drawn.append(spread(np.stack([render(Scene(noun, "", place), rng) for _ in range(seeds)])))
    return float(np.mean(made) / np.mean(drawn))


def contact_sheet(pipe: Any, path: Path) -> None:
    """The promised prompts over four seeds, then every noun once."""
    promised = [ask[0] for ask in PROMISED[:8]]
    pictures = list(draw(pipe, promised * 4, [seed for seed in (41, 42, 43, 44) for _ in promised], 20))
    prompts = [prompt_of(noun, PLACE_NAMES[(i * 5) % len(PLACE_NAMES)]) for i, noun in enumerate(NOUN_NAMES)]
    pictures += list(draw(pipe, prompts, [41] * len(prompts), 20))
    sheet(pictures, 8).save(path, optimize=True)


def main() -> None:
    """Prints the table in Markdown; `--quick` takes a tenth of the prompts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--solvers", action="store_true", help="also score every scheduler at 11 and 20 steps")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet here")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    quiet()
    warnings.filterwarnings("ignore")
    pipe, judge = load(options.folder), load_judge()
    rows: list[tuple[str, str, str]] = []

    def row(name: str, value: str, goal: str = "") -> None:
        rows.append((name, value, goal))
        say(f"{name}: {value}")

    thing, place = own_score(judge)
    row("the judge itself, 1,500 unseen renderings: things / places", f"{thing:.1%} / {place:.1%}", ">= 98 %")
    wrong: list[str] = []
    asks = asks_trained(48 if options.quick else 480)
    thing, place = score(pipe, judge, asks, 20, wrong)
    row(
        f"trained pairs, {len(asks)} prompts, 20 steps: things / places",
        f"{thing:.1%} / {place:.1%}",
        ">= 90 % / >= 97 %",
    )
    kept = sorted(held_out_pairs())
    asks = [(prompt_of(n, p), n, p) for n, p in (kept[::6] if options.quick else kept * 2)]
    thing, place = score(pipe, judge, asks, 20, wrong)
    row(
        f"held-out pairs, {len(asks)} prompts, 20 steps: things / places",
        f"{thing:.1%} / {place:.1%}",
        ">= 85 % / >= 95 %",
    )
    asks = asks_trained(48 if options.quick else 240)
    thing, place = score(pipe, judge, asks, 11)
    row(f"trained pairs, {len(asks)} prompts, 11 steps: things / places", f"{thing:.1%} / {place:.1%}")
    asks = list(PROMISED) * (1 if options.quick else 8)
    for steps in (11, 20):
        thing, place = score(pipe, judge, asks, steps, wrong)
        row(f"promised prompts, {len(asks)} pictures, {steps} steps: things / places", f"{thing:.1%} / {place:.1%}")
    share = diversity(pipe, 4 if options.quick else 16, 4 if options.quick else 6, 20)
    row("distance between seeds, of the renderings' own", f"{share:.2f}", ">= 0.7")
    for one, other in PROBES:
        row(f"cosine of “{one}” and “{other}”", f"{cosine(pipe.text_encoder, pipe.tokenizer, one, other):+.2f}")
    if options.solvers:
        asks = asks_trained(16 if options.quick else 96)
        config = pipe.scheduler.config
        for name in SOLVERS:
            pipe.scheduler = getattr(diffusers, name).from_config(config)
            both = [score(pipe, judge, asks, steps) for steps in (11, 20)]
            row(f"{name}, {len(asks)} prompts, 11 steps; 20 steps", "; ".join(f"{t:.0%} / {p:.0%}" for t, p in both))
        pipe.scheduler = diffusers.DDIMScheduler.from_config(config)
    started = time.process_time()
    draw(pipe, ["apple on table"] * 3, [1, 2, 3], 11)
    row("CPU seconds a picture at 11 steps, one thread", f"{(time.process_time() - started) / 3:.2f}")
    size = sum(path.stat().st_size for path in options.folder.rglob("*.safetensors"))
    row("weights", f"{size / 1e6:.1f} MB", "<= 40 MB")
    print("\n| what | measured | goal |\n|---|---|---|")
    for name, value, goal in rows:
        print(f"| {name} | {value} | {goal} |")
    if wrong:
        print("\nNot as asked:", "; ".join(wrong[:40]))
    if options.sheet:
        contact_sheet(pipe, options.sheet)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "wrong": wrong}, indent=1))


if __name__ == "__main__":
    main()
