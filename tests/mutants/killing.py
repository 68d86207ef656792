"""Makes a mutant in a folder of its own and sets the hunt on it, in a process that imports no other.

Never here: what breaks (`hunt`).
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from tests.mutants.hunt import broken
from tests.mutants.mutant import ROOT, Mutant

SECONDS_MAX = 900.0
"""A hunt takes a minute at most on a quiet core; a host may be anything but quiet."""


@dataclass(frozen=True, slots=True)
class Death:
    """`by` is the invariant; '' if the mutant survived. The shipped protocol keeps it on the same seed."""

    by: str
    seed: int | None
    nodes: int | None
    seconds: float


def kill(mutant: Mutant) -> Death:
    began_s = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        mutant.write(Path(folder))
        paths = f"{folder}{os.pathsep}{ROOT}"
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "tests.mutants.hunt", mutant.name],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
        )
    seconds = perf_counter() - began_s
    if done.returncode:
        raise RuntimeError(f"{mutant.name}: {done.stderr}")
    found = json.loads(done.stdout)
    if found is None:
        return Death("", None, None, seconds)
    seed, nodes, invariant = found
    if broken(mutant.where, seed, nodes):
        raise RuntimeError(f"The shipped protocol breaks {invariant} on seed {seed} with {nodes} nodes.")
    return Death(invariant, seed, nodes, seconds)
