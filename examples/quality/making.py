"""Makes what is missing on two processes, shows how long it will take, and stops in time.

Here live the worker's loop and the clock. Never here: which pictures, or what becomes of them.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import groupby
from typing import TYPE_CHECKING

from examples.quality.archive import Archive, Row
from examples.quality.pictures import Look, Picture, calls_together

if TYPE_CHECKING:
    from examples.quality.judging import Judging
    from examples.quality.sampler import Sampler

PORTION = 48
"""Pictures a task: enough to share beginnings and fill batches, few enough to lose little when cut off."""

_hands: list[tuple[Sampler, Judging]] = []


Thing = Picture | Look


def portions(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    """Pictures of one scheduler and length together, those of one seed never apart; looks apart from pictures."""

    def alike(thing: Thing) -> tuple[bool, str, int]:
        return isinstance(thing, Look), thing.scheduler, thing.total

    for _, some in groupby(sorted(things, key=alike), key=alike):
        portion: list[Thing] = []
        for _, one_seed in groupby(sorted(some, key=lambda thing: thing.seed), key=lambda thing: thing.seed):
            portion += one_seed
            if len(portion) >= PORTION:
                yield portion
                portion = []
        if portion:
            yield portion


def calls_of(task: Sequence[Thing]) -> int:
    """Denoiser calls of a task, nearly: for the clock alone."""
    looks = [thing for thing in task if isinstance(thing, Look)]
    return sum(look.step for look in looks) or calls_together(thing for thing in task if isinstance(thing, Picture))


def make(archive: Archive, rounds: Sequence[Iterable[Thing]], until: float, processes: int, what: str) -> int:
    """Make what the archive lacks until `time.monotonic()` reaches `until`; how many are still missing then.

    One round after the other: whoever is cut off has looked at fewer pairs, not at half the curve.
    """
    first = {thing: i for i, wave in reversed(list(enumerate(rounds))) for thing in archive.missing(wave)}
    waves = [[thing for thing, wave in first.items() if wave == i] for i in range(len(rounds))]
    lacking = list(first)
    if not lacking or time.monotonic() >= until:
        return len(lacking)
    tasks = [task for wave in waves for task in portions(wave)]
    work = [calls_of(task) for task in tasks]
    done, began = 0, time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(os.getpid(),)) as pool:
        running = {}
        queue = iter(zip(tasks, work, strict=True))

        def more() -> None:
            task = next(queue, None)
            if task is not None and time.monotonic() < until:
                running[pool.submit(_make, task[0])] = task[1]

        for _ in range(processes + 1):
            more()
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                rows, looks = future.result()
                archive.keep(rows)
                archive.keep_looks(looks)
                done += running.pop(future)
                more()
            _tell(what, done, sum(work), time.monotonic() - began)
    return len(archive.missing(lacking))


def _tell(what: str, done: int, whole: int, spent_s: float) -> None:
    left_s = spent_s / done * (whole - done)
    print(f"{time.strftime('%H:%M:%S')} {what}: {done:,} of {whole:,} denoiser calls, "
          f"{left_s / 60:.1f} minutes left", flush=True)  # fmt: skip


def _begin(parent: int) -> None:
    """Load the model and the judge once a process, and no sooner; end with the parent, however that ends."""
    from examples.quality.judging import Judging
    from examples.quality.sampler import Sampler
    from examples.quality.tools import quiet

    def end_with_it() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()
    warnings.filterwarnings("ignore")
    quiet()
    _hands[:] = [(Sampler(), Judging())]


def _make(task: Sequence[Thing]) -> tuple[list[Row], list[tuple[str, float]]]:
    sampler, judging = _hands[0]
    looks = [thing for thing in task if isinstance(thing, Look)]
    if looks:
        return [], [(look.key, seen) for look, seen in zip(looks, sampler.differences(looks), strict=True)]
    pictures = [thing for thing in task if isinstance(thing, Picture)]
    latents = sampler.latents(pictures)
    return judging.rows(pictures, latents, sampler.pixels(latents)), []
