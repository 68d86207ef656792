"""The judge: a small classifier that names the thing and the place in a picture.

Here live its shape and its training, on renderings alone (held-out pairs too: it must not be fooled by them). It has
seen no generated picture. It works on pictures of half the side, slightly blurred and noisy, so that it looks at
shapes and not at the sharpness of edges.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import torch
from common import HERE, Budget, load_tensors, quiet, save_tensors, say, set_rate
from pool import pool
from torch import nn
from torch.nn import functional as F
from vae import to_tensor
from words import PLACE_NAMES, THINGS

CHECKPOINT = HERE / "judge.safetensors"  # small, and kept beside the recipe for evaluate.py
BATCH, RATE = 32, 2e-3


class Judge(nn.Module):
    """Five strided convolutions with a residual one after each; two linear heads on the mean and the maximum."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 160)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in itertools.pairwise(widths))
        self.stay = nn.ModuleList(nn.Conv2d(b, b, 3, 1, 1) for b in widths[1:])
        self.norms = nn.ModuleList(nn.GroupNorm(8, b) for b in widths[1:])
        self.thing = nn.Linear(2 * widths[-1], len(THINGS))
        self.place = nn.Linear(2 * widths[-1], len(PLACE_NAMES))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of things and of places; pictures of 128 px in [-1, 1]."""
        x = F.avg_pool2d(pixels, 2)
        for down, stay, norm in zip(self.down, self.stay, self.norms, strict=True):
            x = F.silu(norm(down(x)))
            x = x + F.silu(stay(x))
        seen = torch.cat((x.mean(dim=(2, 3)), x.amax(dim=(2, 3))), dim=1).float()
        return self.thing(seen), self.place(seen)


def load_judge() -> Judge:
    """The trained judge."""
    judge = Judge()
    judge.load_state_dict(load_tensors(CHECKPOINT)[0])
    return judge.eval().requires_grad_(False).to(memory_format=torch.channels_last)


@torch.no_grad()
def verdicts(judge: Judge, pixels: np.ndarray) -> tuple[list[str], list[str]]:
    """The thing and the place in each picture (uint8, N x 128 x 128 x 3)."""
    things: list[str] = []
    places: list[str] = []
    for i in range(0, len(pixels), 64):
        thing, place = judge(to_tensor(pixels[i : i + 64]))
        things += [THINGS[k] for k in thing.argmax(dim=1)]
        places += [PLACE_NAMES[k] for k in place.argmax(dim=1)]
    return things, places


def blemished(batch: torch.Tensor) -> torch.Tensor:
    """A batch, half of it blurred, with a little noise and other light."""
    if torch.rand(()) < 0.5:
        batch = F.avg_pool2d(F.pad(batch, (1, 1, 1, 1), "replicate"), 3, 1)
    light = 1 + 0.1 * torch.randn(len(batch), 1, 1, 1)
    return (batch * light + 0.06 * torch.rand(()) * torch.randn_like(batch)).contiguous(
        memory_format=torch.channels_last
    )


def own_score(judge: Judge) -> tuple[float, float]:
    """Shares of right things and right places on renderings that training never saw."""
    pixels, scenes = pool("judge_test", 1500, seed=32, everything=True)
    things, places = verdicts(judge, np.asarray(pixels))
    right = np.mean([t == s.noun for t, s in zip(things, scenes, strict=True)])
    return float(right), float(np.mean([p == s.place for p, s in zip(places, scenes, strict=True)]))


def main() -> None:
    """Trains for `--minutes`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=8)
    options = parser.parse_args()
    quiet()
    torch.manual_seed(0)
    pixels, scenes = pool("judge", 16_000, seed=31, everything=True)
    facts = torch.tensor([[THINGS.index(s.noun), PLACE_NAMES.index(s.place)] for s in scenes])
    rng, judge = np.random.default_rng(2), Judge().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(judge.parameters(), RATE, weight_decay=0.01, fused=True)
    budget, recent = Budget(options.minutes), 3.0
    for factor in budget:
        set_rate(optimizer, RATE * factor)
        chosen = rng.integers(0, len(pixels), BATCH)
        with torch.autocast("cpu", torch.bfloat16):
            thing, place = judge(blemished(to_tensor(np.asarray(pixels[chosen]))))
        loss = F.cross_entropy(thing, facts[chosen, 0], label_smoothing=0.02) + F.cross_entropy(place, facts[chosen, 1])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        recent = 0.98 * recent + 0.02 * float(loss.detach())
        if budget.steps % 200 == 199:
            thing_share, place_share = own_score(judge)
            say(
                f"step {budget.steps} {budget.spent:.0f} s loss {recent:.3f} "
                f"things {thing_share:.3f} places {place_share:.3f}"
            )
    halves = {name: tensor.half() for name, tensor in judge.state_dict().items()}
    save_tensors(CHECKPOINT, halves, {"score": own_score(judge)})
    thing_share, place_share = own_score(judge)
    say(f"judge done: things {thing_share:.3f}, places {place_share:.3f} on unseen renderings")


if __name__ == "__main__":
    main()
