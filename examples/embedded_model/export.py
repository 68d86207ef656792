"""Puts the trained parts together as a StableDiffusionPipeline folder in fp16 safetensors.

Here lives the assembling only. Without `--to` it fills an early folder in the work directory, so that others can
build against real weights while training goes on; parts that aren't trained yet go in as they begin.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path

import torch
from common import SHIPPED, WORK, load_tensors, quiet, say
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from grow import grown
from latents import finish_vae, grown_vae
from models import GROWN_VAE, new_scheduler, new_text_encoder, new_unet, new_vae
from text import CHECKPOINT as TEXT
from text import FOLDER as TOKENIZER
from text import load_text_encoder, make_tokenizer

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def trained_unet() -> UNet2DConditionModel:
    """The averaged denoiser of the last checkpoint, or a fresh one."""
    unet, checkpoint = new_unet(), WORK / "unet.safetensors"
    if checkpoint.exists():
        tensors, _ = load_tensors(checkpoint)
        unet.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("ema.")})
    return unet.eval().requires_grad_(False)


def trained_vae() -> AutoencoderKL:
    """The grown VAE of the last checkpoint; before that the small one, grown but not polished."""
    vae = grown_vae()
    if vae is None and (WORK / "vae.safetensors").exists():
        vae = grown(finish_vae())
    elif vae is None:
        vae = new_vae(GROWN_VAE)
    vae.register_to_config(scaling_factor=1.0)
    return vae.eval().requires_grad_(False)


def pipeline() -> StableDiffusionPipeline:
    """All parts of the last checkpoints in 32 bits."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    encoder = load_text_encoder() if TEXT.exists() else new_text_encoder(len(tokenizer))
    made = StableDiffusionPipeline(
        vae=trained_vae(), text_encoder=encoder, tokenizer=tokenizer, unet=trained_unet(), scheduler=new_scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    made.set_progress_bar_config(disable=True)
    return made


def correct(path: Path, changes: dict[str, str | None]) -> None:
    """Sets entries of a JSON file; None takes one away."""
    facts = json.loads(path.read_text())
    facts = {key: value for key, value in (facts | changes).items() if value is not None or key not in changes}
    path.write_text(json.dumps(facts, indent=2) + "\n")


def export(folder: Path) -> int:
    """Writes the folder, replacing an old one in two renames; says how many bytes it has."""
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    for path in (fresh, old):
        shutil.rmtree(path, ignore_errors=True)
    made = pipeline()
    made.to(torch.float16)
    made.save_pretrained(fresh, safe_serialization=True)
    correct(
        fresh / "text_encoder" / "config.json", {"dtype": "float32"}
    )  # else it stays in 16 bits, alone of all parts
    correct(fresh / "tokenizer" / "tokenizer_config.json", {"is_local": None, "local_files_only": None})
    for name in ("vocab.json", "merges.txt"):  # for readers that don't know tokenizer.json
        shutil.copy(TOKENIZER / name, fresh / "tokenizer" / name)
    for path in fresh.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    if folder.is_symlink():
        folder.unlink()
    if folder.exists():
        for kept in folder.glob("*"):  # model card, licence, contact sheet
            if kept.is_file() and not (fresh / kept.name).exists():
                shutil.copy(kept, fresh / kept.name)
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Exports the early folder, or with `--ship` the one that peerd carries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=WORK / "early")
    parser.add_argument("--ship", action="store_true")
    options = parser.parse_args()
    quiet()
    folder = SHIPPED if options.ship else options.to
    say(f"{folder}: {export(folder) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
