"""Writes the model card beside the shipped weights: what the model is, what it measured, what it can't do.

Here lives the card's text; its table comes from evaluate.py's JSON, its contact sheet from evaluate.py's picture, the
artwork's licence and notice from artwork/.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from common import HERE, SHIPPED, say
from words import KINDS, NOUNS, PLACES, held_out_pairs

TEXT = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---

# peerd's embedded model

A small, real, text-conditioned latent diffusion model, so that peerd draws something the minute it is installed. It is
a plain Stable Diffusion 1.x folder (CLIPTextModel 3 x 192, UNet 64/128/192 with 11.0 M parameters, AutoencoderKL f=8,
latents 16x16x4, pictures of 128x128) that `StableDiffusionPipeline.from_pretrained` loads with no code of ours. It
knows {nouns} things in {places} places and nothing else of the world.

![Eight promised prompts, four seeds each; then all things](contact_sheet.png)

The first four rows are "apple on table", "lemon on table", "a bird on the desk", "a dog on the desk", "a cat on the
grass", "a red car on the beach", "a cup on a book", "a tree near a river", with seeds 41 to 44; below, all things once.

## How to ask

Settings it was judged with: guidance 3, DDIM, 20 steps; 11 steps do as well. Any diffusers scheduler made
`from_config` of the one here draws well. Euler ancestral draws the roundest shapes; PNDM wants 20 steps.

- things: {things}
- places: {where}
- colours: red, yellow, green, blue and purple for bird, car, book, cup and umbrella (a cup may be white too); red,
  green and yellow for apples
- kinds, for any thing of the kind: {kinds}

Case does not matter, articles and relations (on, in, at, near, by, under) hardly do. A word that it does not know is
meant to have no effect.

## What it measured

The judge is a small classifier trained on renderings, never on generated pictures. {held} of the {pairs} pairs of
thing and place stayed out of the model's training.

{table}

`python examples/embedded_model/evaluate.py` prints this table again from this folder; with `--solvers` the rows of the
schedulers.
{wrong}
## How it was made

By the recipe in `examples/embedded_model/` on two CPU cores: things are Noto Emoji icons, places are painted
procedurally, so every training picture was drawn by the recipe itself and no photograph was used. v-prediction, scaled
linear betas from 0.00085 to 0.02 (pure noise at the end without zero-SNR rescaling), trailing timesteps.

## Limits

One art style, one thing a picture; the place is scenery only, so that "under the table" looks like "on the table".
The eye is stricter than the judge: colours, size and place are right, but the UNet saw only some 290,000 samples, and
a thing that may look either way often looks both ways at once. Fruit, mushroom, bread, bus, book, tree and sunflower
read well, a dog by its face and patches; cat, bird, cup, thin and spoked things go by their colours more than by their
shapes. It is a working model for sharing steps between devices, not for illustration.

## Licence

Weights: Apache-2.0. The artwork that it learnt from is Noto Emoji, Copyright Google Inc., Apache-2.0; see LICENSE and
NOTICE beside this file.
"""


def main() -> None:
    """Fills the card in and puts it, the sheet and the licence into the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", type=Path, help="what evaluate.py --json wrote")
    parser.add_argument("solvers", type=Path, help="what evaluate.py --solvers --json wrote")
    parser.add_argument("sheet", type=Path, help="what evaluate.py --sheet wrote")
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    options = parser.parse_args()
    figures, solvers = (json.loads(path.read_text()) for path in (options.figures, options.solvers))
    rows = ["what", "measured: things / places", "goal"], ["---"] * 3, *figures["rows"], *solvers["rows"]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    wrong = "; ".join(figures["wrong"][:24])
    card = TEXT.format(
        nouns=len(NOUNS), places=len(PLACES), things=", ".join(noun.name for noun in NOUNS), where=", ".join(PLACES),
        kinds=", ".join(KINDS), held=len(held_out_pairs()), pairs=len(NOUNS) * len(PLACES) - 1,
        table="\n".join(lines), wrong=f"\nSome that the judge took for something else: {wrong}.\n" if wrong else "",
    )  # fmt: skip
    (options.folder / "README.md").write_text(card)
    shutil.copy(options.sheet, options.folder / "contact_sheet.png")
    for name in ("LICENSE", "NOTICE"):
        shutil.copy(HERE / "artwork" / name, options.folder / name)
    say(f"the card is in {options.folder}")


if __name__ == "__main__":
    main()
