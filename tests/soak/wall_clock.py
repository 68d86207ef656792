"""A wall clock of a daemon's own, which can jump without the machine's clock being touched: libfaketime, preloaded.

The clocks that count time, monotonic and since boot, go on as they are: no setting of a clock changes those. Never
here: how far and when it jumps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACES = ("/usr/lib", "/usr/local/lib", "/usr/lib64")
LIBRARY = "faketime/libfaketimeMT.so.1"


def library() -> Path | None:
    """None where it is not installed (package faketime)."""
    found = [path for place in PLACES for path in (*Path(place).glob(LIBRARY), *Path(place).glob(f"*/{LIBRARY}"))]
    return found[0] if found else None


class WallClock:
    """Right until it jumps. Without the library its daemon has the machine's own, and `can_jump` is False."""

    def __init__(self, file: Path) -> None:
        self._file, preloaded = file, library()
        self.can_jump = preloaded is not None
        self.environment: dict[str, str] = {}
        if self.can_jump:
            self._set(0)
            self.environment = {
                "LD_PRELOAD": str(preloaded),
                "FAKETIME_TIMESTAMP_FILE": str(file),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
            }

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
        new.write_text(f"{offset_s:+d}\n")
        new.rename(self._file)
