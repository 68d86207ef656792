"""What witnesses wrote (`witness/sitecustomize.py`), read as it grows and told in the order in which it happened.

Never here: what of it is a violation (`checker.py`).
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WITNESS = Path(__file__).parent / "witness"
ENVIRONMENT = "WITNESS_TO"

Line = dict[str, Any]
"""`t` in seconds of the boot-time clock, `by` the name of its node, `is` what it tells, and what belongs to that."""


def environment(file: Path, others: Mapping[str, str]) -> dict[str, str]:
    """What makes a daemon's process write a testimony there."""
    path = others.get("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    return {"PYTHONPATH": os.pathsep.join([str(WITNESS), path]), ENVIRONMENT: str(file)}


class Witnesses:
    """The files of all nodes, by their names."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._read = dict.fromkeys(files, 0)
        self._early: list[Line] = []

    def more(self) -> list[Line]:
        """What was not told yet, of all nodes up to the same moment."""
        until_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        lines = self._early
        for name, file in self._files.items():
            if not file.exists():
                continue
            with file.open("rb") as opened:
                opened.seek(self._read[name])
                whole, _, _ = opened.read().rpartition(b"\n")
            self._read[name] += len(whole) + 1 if whole else 0
            lines += [{"by": name, **line} for text in whole.splitlines() if (line := _line(text)) is not None]
        lines.sort(key=lambda line: float(line["t"]))
        self._early = [line for line in lines if line["t"] > until_s]
        return [line for line in lines if line["t"] <= until_s]


def _line(text: bytes) -> Line | None:
    """None for a line that was never finished, since its writer was killed."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
