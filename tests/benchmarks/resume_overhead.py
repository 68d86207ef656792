"""What the engine costs over the plain diffusers call, on one model: `python tests/benchmarks/resume_overhead.py`.

Plain calls in a process of their own, the engine's runs in its child process, turn by turn in one sitting and each turn
in another order, so that other work on the device hits all alike; a ratio is the median of those of all turns. The goal
is 1.03 of the processor's seconds, which waiting for a turn does not lengthen, without the child's start.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from peerd.engine.port import Order, Saved
from peerd.engine.process import EngineConfig, ProcessEngine
from peerd_protocol.plan import Call
from tests.goals import verdict

REPOSITORY = Path(__file__).resolve().parents[2]
GOAL = 1.03


def plain_call(folder: Path, call: Call) -> Callable[[], bytes]:
    """The call as diffusers' documentation has it."""
    import torch
    from diffusers import DiffusionPipeline

    torch.set_num_threads(1)
    pipe = DiffusionPipeline.from_pretrained(folder).to(torch.float32)
    pipe.set_progress_bar_config(disable=True)

    def once() -> bytes:
        picture = pipe(
            call.prompt,
            num_inference_steps=call.steps,
            guidance_scale=call.guidance,
            width=call.width,
            height=call.height,
            generator=torch.Generator("cpu").manual_seed(call.seed),
        ).images[0]
        pixels: bytes = picture.tobytes()
        return pixels

    return once


async def main(folder: Path, rounds: int, steps: int, size: int) -> int:
    """Print the ratios."""
    call = Call(
        model="m",
        prompt="apple on table",
        steps=steps,
        seed=41,
        guidance=3.0,
        scheduler="ddim",
        width=size,
        height=size,
    )
    engine = ProcessEngine(EngineConfig(folder_of=lambda _: folder, model="m"))
    began = time.perf_counter()
    async for _ in engine.run(Order(call, stop=1)):
        break
    print(f"from nothing to the first step: {time.perf_counter() - began:.2f} s")
    plain = plain_call(folder, call)

    async def run(order: Order) -> bytes:
        result = b""
        async for event in engine.run(order):
            result = event.data if isinstance(event, Saved) else getattr(event, "rgb", result)
        return result

    async def plain_run() -> bytes:
        return plain()

    async def split() -> bytes:
        start = await run(Order(call, stop=steps // 2, previews=False))
        return await run(Order(call, start=start, previews=False))

    ways = {
        "plain": plain_run,
        "engine": lambda: run(Order(call, previews=False)),
        "engine with previews": lambda: run(Order(call)),
        "engine, a checkpoint every step": lambda: run(Order(call, checkpoint_every=1, previews=False)),
        "engine, split in the middle": split,
    }
    pid = engine.pid
    assert pid is not None
    child = psutil.Process(pid)

    def processor_seconds() -> float:
        times = child.cpu_times()
        return float(time.process_time() + times.user + times.system)

    seconds: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    pictures = set()
    for turn in range(rounds + 1):
        first = turn % len(ways)
        for name in [*ways][first:] + [*ways][:first]:
            began, busy_before = time.perf_counter(), processor_seconds()
            pictures.add(await ways[name]())
            if turn:
                # The first round warms every way up.
                seconds[name].append(time.perf_counter() - began)
                busy[name].append(processor_seconds() - busy_before)
    await engine.close()
    print(f"{'':34}     median   ratio  fastest   ratio  processor   ratio")
    for name, measured in seconds.items():
        print(
            f"{name:34} {statistics.median(measured) * 1000:7.1f} ms {_ratio(measured, seconds['plain']):7.3f}"
            f" {min(measured) * 1000:5.0f} ms {min(measured) / min(seconds['plain']):7.3f}"
            f" {statistics.median(busy[name]) * 1000:7.1f} ms {_ratio(busy[name], busy['plain']):7.3f}"
        )
    return verdict(
        {
            f"the engine takes at most {GOAL} of the plain call's processor time": _ratio(busy["engine"], busy["plain"])
            <= GOAL,
            "pictures all equal": len(pictures) == 1,
        }
    )


def _ratio(of: Sequence[float], to: Sequence[float]) -> float:
    """The median of what each turn found."""
    return statistics.median(one / other for one, other in zip(of, to, strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=REPOSITORY / "peerd" / "engine" / "embedded")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", DIFFUSERS_VERBOSITY="error")
    if not (options.model / "model_index.json").is_file():
        sys.path.insert(0, str(REPOSITORY))
        from tests.engine.models import tiny_sd

        options.model, options.size = Path(tempfile.mkdtemp()), 32
        tiny_sd(options.model)
    sys.exit(asyncio.run(main(options.model, options.rounds, options.steps, options.size)))
