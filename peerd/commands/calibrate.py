"""`peerd models calibrate`: measure how many steps prompts may share on a model, and keep what came of it.

Needs no daemon: it has an engine of its own. What is measured is written down pair by pair, so a run that is cut off
goes on where it stopped. Never here: how a pair is measured (engine/trial.py) or what follows (planning/fitting.py).
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from peerd import config
from peerd.commands.output import DONE, UsageError, notes, print_json, screen
from peerd.engine.process import EngineConfig, ProcessEngine
from peerd.models import calibrations
from peerd.models.registry import Model, Registry
from peerd.planning.calibration import Calibration, Row, dump, parse
from peerd.planning.calibration_pairs import Pair, choose, prompts
from peerd.planning.fitting import Outcome, fit
from peerd.planning.similarity import read, similarity
from peerd_protocol.errors import UNREADABLE, LocalError
from peerd_protocol.plan import Call, Quality
from peerd_protocol.schedulers import calls_per_run

PAIRS_MAX = 2_000
EMBEDDED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """The words of the command; empty ones leave the choice to the model's own settings."""

    model: str | None
    """None: that of this node."""
    schedulers: tuple[str, ...]
    steps: tuple[int, ...]
    qualities: tuple[str, ...]
    pairs: int
    seed: int
    minutes: float | None
    out: Path | None


class Measured(msgspec.Struct, frozen=True):
    """One pair with one scheduler and number of steps, as it is written down between runs."""

    scheduler: str
    steps: int
    first: str
    second: str
    seed: int
    largest: tuple[int, int]
    differences: tuple[tuple[float, ...], tuple[float, ...]]


Key = tuple[str, int, str, str, int]


def calibrate(wanted: Wanted, as_json: bool) -> int:
    """Measure, fit, write, and show."""
    _check(wanted)
    home = config.make_home(config.home())
    registry = Registry(home, usual=config.read_config(home).node.model)
    model = registry.find(registry.usual if wanted.model is None else wanted.model)
    schedulers, steps = wanted.schedulers or (model.scheduler,), wanted.steps or (model.steps,)
    courses = [(name, count) for name in schedulers for count in steps]
    for course in courses:
        calls_per_run(*course)  # whoever names what there is not shall not wait for it
    notebook = calibrations.path_of(home, model.digest).with_suffix(".measured.jsonl")
    found, chosen = asyncio.run(_measure(wanted, model, registry, courses, notebook, quiet=as_json))
    path = wanted.out or calibrations.path_of(home, model.digest)
    fitted = _fitted(wanted, model, courses, chosen, found)
    made = Calibration(
        model=model.digest, guidance=model.guidance, pairs=_measured_of(chosen, found), seed=wanted.seed,
        rows=(*(row for row in _known(path, model.digest) if _of(row) not in set(map(_of, fitted))), *fitted),
    )  # fmt: skip
    calibrations.write(path, dump(made))
    if as_json:
        print_json(msgspec.to_builtins(made))
    else:
        _show(fitted, path)
    return DONE


def _check(wanted: Wanted) -> None:
    if not 1 <= wanted.pairs <= PAIRS_MAX:
        raise UsageError(f"--pairs is from 1 to {PAIRS_MAX}; {wanted.pairs} is not.")
    for quality in wanted.qualities:
        if quality not in get_args(Quality):
            raise UsageError(f"--quality is one of {', '.join(get_args(Quality))}; {quality[:40]!r} is not.")
    if wanted.minutes is not None and not wanted.minutes > 0.0:
        raise UsageError("--minutes is more than 0; leave it out to measure all pairs.")


async def _measure(
    wanted: Wanted,
    model: Model,
    registry: Registry,
    courses: Sequence[tuple[str, int]],
    notebook: Path,
    *,
    quiet: bool,
) -> tuple[dict[Key, Measured], list[Pair]]:
    """All that is known in the end, and the pairs; courses take turns, so that each has as many pairs."""
    engine = ProcessEngine(EngineConfig(folder_of=registry.folder_of, model=model.digest, keep_alive_s=None))
    until_s = None if wanted.minutes is None else time.monotonic() + 60 * wanted.minutes
    known = _read(notebook)
    try:
        every = prompts()
        embeddings: list[bytes] = []
        for begin in range(0, len(every), EMBEDDED_AT_ONCE):
            embeddings += await engine.embed(every[begin : begin + EMBEDDED_AT_ONCE])
        readings = {prompt: read(prompt, vector) for prompt, vector in zip(every, embeddings, strict=True)}
        chosen = choose(every, lambda one, other: similarity(readings[one], readings[other]), wanted.pairs, wanted.seed)
        with _bar(len(chosen) * len(courses), quiet) as bar, _appended(notebook) as write:
            task = bar.add_task(f"Measuring {model.name}", total=len(chosen) * len(courses))
            for pair in chosen:
                for scheduler, steps in courses:
                    key = (scheduler, steps, pair.first, pair.second, pair.seed)
                    if until_s is not None and time.monotonic() >= until_s:
                        return known, chosen
                    if key not in known:
                        call = Call(
                            model=model.digest, prompt=pair.first, steps=steps, seed=pair.seed,
                            guidance=model.guidance, scheduler=scheduler, width=model.width, height=model.height,
                        )  # fmt: skip
                        answer = await engine.compare(call, pair.second)
                        known[key] = Measured(*key, answer.largest, answer.differences)
                        write(known[key])
                    bar.advance(task)
        return known, chosen
    finally:
        await engine.close()


def _fitted(
    wanted: Wanted,
    model: Model,
    courses: Sequence[tuple[str, int]],
    chosen: Sequence[Pair],
    found: dict[Key, Measured],
) -> list[Row]:
    rows: list[Row] = []
    for scheduler, steps in courses:
        measured = [
            (pair, found[key])
            for pair in chosen
            if (key := (scheduler, steps, pair.first, pair.second, pair.seed)) in found
        ]
        if not measured:
            raise LocalError(f"Nothing of {scheduler} with {steps} steps was measured yet; give it more --minutes.")
        outcomes = [Outcome(pair.similarity, each.largest, each.differences) for pair, each in measured]
        fitted = fit(scheduler, calls_per_run(scheduler, steps), outcomes, wanted.seed)
        rows += [row for row in fitted if not wanted.qualities or row.quality in wanted.qualities]
    return rows


def _measured_of(chosen: Sequence[Pair], found: dict[Key, Measured]) -> int:
    """How many of the chosen pairs were measured at all."""
    known = {key[2:] for key in found}
    return sum((pair.first, pair.second, pair.seed) in known for pair in chosen)


def _of(row: Row) -> tuple[str, int, str]:
    return row.scheduler, row.total, row.quality


def _known(path: Path, digest: str) -> tuple[Row, ...]:
    """The rows of an earlier run, for other schedulers and lengths; a file that is none is written anew."""
    with contextlib.suppress(LocalError, OSError):
        earlier = parse(path.read_bytes())
        if earlier.model == digest:
            return earlier.rows
    return ()


def _read(notebook: Path) -> dict[Key, Measured]:
    """What earlier runs measured; a line that was cut off is measured again."""
    found: dict[Key, Measured] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in notebook.read_bytes().splitlines():
            with contextlib.suppress(*UNREADABLE):
                one = msgspec.json.decode(line, type=Measured)
                found[one.scheduler, one.steps, one.first, one.second, one.seed] = one
    return found


class _Writer:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def __call__(self, measured: Measured) -> None:
        self._file.write(b"\n" + msgspec.json.encode(measured) + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


@contextlib.contextmanager
def _appended(notebook: Path) -> Iterator[_Writer]:
    try:
        writer = _Writer(notebook)
    except OSError as error:
        raise LocalError(f"{notebook} can not be written: {error.strerror}.") from error
    with contextlib.closing(writer):
        yield writer


def _bar(total: int, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=notes(), disable=quiet, transient=True)


def _show(rows: Sequence[Row], path: Path) -> None:
    console = screen()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("scheduler", "steps", "quality", "similarity: shared steps", "a probe's look"):
        table.add_column(heading)
    for row in rows:
        bands = ", ".join(f"{band.similarity:.2f}: {round(band.part * row.total)}" for band in row.bands)
        stays = ", ".join(f"<{stay.difference:.2f}: {round(stay.part * row.total)}" for stay in row.stays)
        look = f"in step {row.look}, {stays}" if stays else "none: it would know no more"
        table.add_row(row.scheduler, str(row.total), row.quality, bands, look)
    console.print(table)
    console.print(f"Written to {path}.", style="dim")
