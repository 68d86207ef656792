"""Knocking at doors in a process of their own, so many times, and what came of it.

What the fuzzer finds of new ways in is kept in a folder, so that the next campaign goes on from there. Never here: the
doors, or libFuzzer's own loop.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzzing.doors import DOORS

ROOT: Final = Path(__file__).parents[2]
MEMORY_MB_MAX: Final = 512
"""Of the whole process: an interpreter, our modules, and the fuzzer's corpus take some 200."""
ALLOCATION_MB_MAX: Final = 64
"""Of one piece: the largest door takes 1 MiB."""
KNOCK_S_MAX: Final = 5
_PEAK: Final = re.compile(r"stat::peak_rss_mb:\s+(\d+)")
_RUNS: Final = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`trouble` is the end of what the fuzzer said, where it was not content."""

    door: str
    runs: int
    seconds: float
    peak_mb: int
    trouble: str


def knock(door: str, runs: int, corpus: Path, seed: int = 0, timeout_s: float | None = None) -> Outcome:
    """So many runs; seed 0 draws one."""
    _sow(door, corpus)
    bytes_max = max(one.bytes_max for one in DOORS.values()) if door == "all" else DOORS[door].bytes_max
    options = [
        f"-runs={runs}", f"-max_len={bytes_max + 1}", f"-rss_limit_mb={MEMORY_MB_MAX}",
        f"-malloc_limit_mb={ALLOCATION_MB_MAX}", f"-timeout={KNOCK_S_MAX}", "-print_final_stats=1",
        f"-artifact_prefix={corpus.parent}/{corpus.name}-", f"-seed={seed}",
    ]  # fmt: skip
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzzing.child", door, *options, str(corpus)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "protocol")))},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
    )
    return Outcome(
        door,
        _number(_RUNS, done.stderr),
        time.monotonic() - began_s,
        _number(_PEAK, done.stderr),
        "" if done.returncode == 0 else (done.stdout + done.stderr)[-4_000:],
    )


def _sow(door: str, corpus: Path) -> None:
    """The doors' own seeds, each under the byte that names its door where all are knocked at."""
    corpus.mkdir(parents=True, exist_ok=True)
    names: Sequence[str] = list(DOORS) if door == "all" else [door]
    for place, name in enumerate(names):
        for number, seed in enumerate(DOORS[name].seeds):
            prefix = bytes([place]) if door == "all" else b""
            (corpus / f"seed-{name.replace(' ', '-')}-{number}").write_bytes(prefix + seed)


def _number(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return int(found.group(1)) if found else 0
