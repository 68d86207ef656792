"""A wall clock of a daemon's own, which can jump without the machine's clock being touched.

The clocks that count time, monotonic and since boot, go on as they are: no setting of a clock changes those. It is
bent where Python asks for it (`witness/bent_clock.py`), as all of peerd does. libfaketime, which bends it for C too,
was tried: under load it left ZeroMQ's sockets unwoken for good. Never here: how far and when it jumps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = "WALL_CLOCK_OFF_BY"


class WallClock:
    """Right until it jumps; `file` tells its daemon how far it is off."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.environment = {ENVIRONMENT: str(file)}
        self._set(0)

    @contextmanager
    def off(self, seconds: int) -> Iterator[None]:
        """It jumps by so much, and back."""
        self._set(seconds)
        try:
            yield
        finally:
            self._set(0)

    def _set(self, offset_s: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s}\n")
        new.rename(self._file)
