"""What every training stage shares: where work lies, safe checkpoints, a clock to anneal by, quiet threads.

Here live no models and no data. Checkpoints are safetensors files with a JSON note inside, never pickles; they are
renamed into place, so a stage that is cut off finds its last whole one.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from safetensors import safe_open
from safetensors.torch import save_file

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WORK = Path(os.environ.get("PEERD_EMBEDDED_WORK", ROOT / ".work" / "embedded_model"))
SHIPPED = ROOT / "peerd" / "engine" / "embedded"
SAVE_EVERY_SECONDS = 150.0
PAUSE_SECONDS = 5.0  # a step that took longer was stopped meanwhile: a pause uses nothing up


def quiet(threads: int = 1) -> None:
    """One thread a process: OpenMP's spinning threads are many times slower when anything else runs."""
    torch.set_num_threads(threads)
    if sys.platform == "linux":  # keep freed memory: giving it back and fetching it anew took half of all time
        libc = ctypes.CDLL(None)
        for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 128 << 20)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
            if hasattr(libc, "mallopt"):
                libc.mallopt(option, value)
    WORK.mkdir(parents=True, exist_ok=True)


def say(text: str) -> None:
    """One line of progress with the time of day."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], note: dict[str, Any]) -> None:
    """Writes tensors and a note, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    flat = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    save_file(flat, partial, metadata={"note": json.dumps(note)})
    partial.replace(path)


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What `save_tensors` wrote."""
    with safe_open(path, "pt") as file:
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["note"])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimizer's moments under flat names."""
    state = optimizer.state_dict()["state"]
    return {f"opt.{i}.{key}": value for i, entry in state.items() for key, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Puts back what `optimizer_tensors` took out."""
    whole = optimizer.state_dict()
    for name, tensor in tensors.items():
        if name.startswith("opt."):
            _, number, key = name.split(".")
            whole["state"].setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict(whole)


class Average:
    """A running average of a module's weights: what one ships."""

    def __init__(self, module: torch.nn.Module, keep: float) -> None:
        self.keep, self.seen = keep, 0
        self.weights = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module) -> None:
        """Moves towards the module; faster in the beginning."""
        self.seen += 1
        keep = min(self.keep, (1 + self.seen) / (10 + self.seen))
        for name, tensor in module.state_dict().items():
            self.weights[name].lerp_(tensor, 1 - keep)


class Budget:
    """A stage's wall-clock budget: it anneals by time, since steps a second vary on a busy host.

    Iterating yields the learning rate's factor (short warm-up, cosine to `floor`) until the time is used up;
    `spent` goes into checkpoints, so that a resumed stage goes on where it was.
    """

    def __init__(self, minutes: float, spent: float = 0.0, floor: float = 0.01) -> None:
        self.seconds, self.spent, self.floor = minutes * 60, spent, floor
        self.steps, self.saved_at = 0, time.monotonic()

    def __iter__(self) -> Iterator[float]:
        last = time.monotonic()
        while self.spent < self.seconds:
            share = self.spent / self.seconds
            cosine = self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * share))
            yield cosine * min(1.0, (self.steps + 1) / 100)
            self.steps += 1
            now = time.monotonic()
            self.spent += min(now - last, PAUSE_SECONDS)
            last = now

    def save_due(self) -> bool:
        """True once in SAVE_EVERY_SECONDS."""
        if time.monotonic() - self.saved_at < SAVE_EVERY_SECONDS:
            return False
        self.saved_at = time.monotonic()
        return True


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """One learning rate for all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate
