"""Goes on from the shipped weights: fills the work folder with what the earlier stages would have left there.

Here live no trainings. Text encoder and autoencoder stay as they are; the UNet stage then goes on from the shipped
denoiser, with a fresh optimizer, and the latents are made by the shipped encoder.
"""

from __future__ import annotations

import json

from common import SHIPPED, WORK, quiet, save_tensors, say
from latents import GROWN
from safetensors.torch import load_file
from text import CHECKPOINT as TEXT
from text import FOLDER as TOKENIZER
from text import make_tokenizer
from unet import CHECKPOINT as UNET


def main() -> None:
    """Copies the shipped parts, in 32 bits, to where the stages look for their checkpoints."""
    quiet()
    make_tokenizer()
    ours, shipped = (json.loads((folder / "vocab.json").read_text()) for folder in (TOKENIZER, SHIPPED / "tokenizer"))
    if ours != shipped:
        raise SystemExit("The shipped tokenizer knows other words than captions.py: train from the start instead.")
    parts = ((TEXT, "text_encoder", "model", ""), (GROWN, "vae", "diffusion_pytorch_model", "ema."),
             (UNET, "unet", "diffusion_pytorch_model", "ema."))  # fmt: skip
    for checkpoint, part, name, prefix in parts:
        if not checkpoint.exists():
            tensors = load_file(SHIPPED / part / f"{name}.safetensors")
            kept = {f"{prefix}{key}": tensor.float() for key, tensor in tensors.items()}
            if prefix:
                kept |= {key.replace("ema.", "model."): tensor for key, tensor in kept.items()}
            save_tensors(checkpoint, kept, {"spent": 0.0, "seen": 0, "steps": 0})
            say(f"{checkpoint.relative_to(WORK)} goes on from the shipped {part}")


if __name__ == "__main__":
    main()
