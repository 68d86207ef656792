"""The wall clock as this process sees it, off by as many seconds as a file says at the moment.

Never here: the clocks that count time, or who writes the file (`tests/soak/wall_clock.py`).
"""

import time
from pathlib import Path

_real_ns = time.time_ns
NS = 1_000_000_000


def bend(path: str) -> None:
    file, known = Path(path), [0]

    def now_ns() -> int:
        try:
            known[0] = int(file.read_text())
        except (OSError, ValueError):
            pass  # no descriptor is free, or the file is being written: it is off as it was
        return _real_ns() + known[0] * NS

    time.time_ns = now_ns  # type: ignore[assignment]
    time.time = lambda: now_ns() / NS  # type: ignore[assignment]
