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
from words import BY_NAME, NOUN_NAMES, PLACE_NAMES, held_out_pairs, prompt_of, trained_pairs

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
Row = tuple[str, str, str]  # what, measured, goal


def tell(name: str, value: str, goal: str = "") -> Row:
    """A row of the table, said aloud as soon as it is known."""
    say(f"{name}: {value}")
    return name, value, goal


def pair(things: float, places: float) -> str:
    """Two shares as the table writes them."""
    return f"{things:.1%} / {places:.1%}"


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


def solver_rows(pipe: Any, judge: Judge, count: int) -> list[Row]:
    """Every scheduler, made from the folder's config, at 11 and 20 steps."""
    rows, asks, config = [], asks_trained(count), pipe.scheduler.config
    for name in SOLVERS:
        pipe.scheduler = getattr(diffusers, name).from_config(config)
        both = [score(pipe, judge, asks, steps) for steps in (11, 20)]
        rows.append(tell(f"{name}, {count} prompts, 11 and 20 steps", "; ".join(pair(*shares) for shares in both)))
    return rows


def main_rows(pipe: Any, judge: Judge, folder: Path, quick: bool, wrong: list[str]) -> list[Row]:
    """The table's rows, in order; prompts that came out otherwise go into `wrong`."""
    rows = [tell("the judge itself on 1,500 unseen renderings", pair(*own_score(judge)), ">= 98 % both")]
    asks = asks_trained(48 if quick else 320)
    name = f"trained pairs, {len(asks)} prompts, 20 steps"
    rows.append(tell(name, pair(*score(pipe, judge, asks, 20, wrong)), ">= 90 % / >= 97 %"))
    kept = sorted(held_out_pairs())
    asks = [(prompt_of(n, p), n, p) for n, p in (kept[::6] if quick else kept * 2)]
    name = f"held-out pairs, {len(asks)} prompts, 20 steps"
    rows.append(tell(name, pair(*score(pipe, judge, asks, 20, wrong)), ">= 85 % / >= 95 %"))
    asks = asks_trained(48 if quick else 160)
    rows.append(tell(f"trained pairs, {len(asks)} prompts, 11 steps", pair(*score(pipe, judge, asks, 11))))
    asks = list(PROMISED) * (1 if quick else 5)
    for steps in (11, 20):
        name = f"promised prompts, {len(asks)} pictures, {steps} steps"
        rows.append(tell(name, pair(*score(pipe, judge, asks, steps, wrong))))
    share = diversity(pipe, 4 if quick else 12, 4 if quick else 5, 20)
    rows.append(tell("distance between seeds, of the renderings' own", f"{share:.2f}", ">= 0.7"))
    for one, other in PROBES:
        value = cosine(pipe.text_encoder, pipe.tokenizer, one, other)
        rows.append(tell(f"cosine of “{one}” and “{other}”", f"{value:+.2f}"))
    started = time.process_time()
    draw(pipe, ["apple on table"] * 3, [1, 2, 3], 11)
    rows.append(tell("CPU seconds a picture at 11 steps, one thread", f"{(time.process_time() - started) / 3:.2f}"))
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    return [*rows, tell("weights", f"{size / 1e6:.1f} MB", "<= 40 MB")]


def main() -> None:
    """Prints the table in Markdown; `--quick` takes a tenth of the prompts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--solvers", action="store_true", help="score every scheduler instead")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet here")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    quiet()
    warnings.filterwarnings("ignore")
    pipe, judge, wrong = load(options.folder), load_judge(), list[str]()
    if options.sheet:
        contact_sheet(pipe, options.sheet)
    if options.solvers:
        rows = solver_rows(pipe, judge, 12 if options.quick else 32)
    else:
        rows = main_rows(pipe, judge, options.folder, options.quick, wrong)
    print("\n| what | measured: things / places | goal |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    if wrong:
        print("\nNot as asked:", "; ".join(wrong))
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "wrong": wrong}, indent=1))


if __name__ == "__main__":
    main()
