"""What else wants this host's cores just now, and which daemons share it.

Linux counts the threads that run or want to; elsewhere nobody is seen. Never here: what follows from it.
"""

import hashlib
import os
from pathlib import Path

WEIGHT = 0.4
"""Of each look. A daemon looks once a second and at each step, so a program that began to work is known in seconds."""
OTHERS_MAX = 256.0


class Host:
    """`threads` is how many cores one engine of this device takes; `root` is another tree in tests."""

    def __init__(self, threads: int, root: Path = Path("/proc")) -> None:
        self._threads = max(1, threads)
        self._root = root
        self.others = 0.0
        """What runs beside this daemon's engine, counted in engines like it."""

    @property
    def cores(self) -> float:
        """Engines like this device's own that the host runs at full speed."""
        try:
            count = len(os.sched_getaffinity(0))
        except (AttributeError, OSError):
            count = os.cpu_count() or 1
        return max(1.0, count / self._threads)

    @property
    def name(self) -> str:
        """The same for all daemons of one boot of one host, and nothing else: a hash."""
        try:
            boot = (self._root / "sys/kernel/random/boot_id").read_bytes()
        except OSError:
            return ""
        return hashlib.sha256(b"peerd host\0" + boot).hexdigest()[:12]

    def look(self, *, working: bool) -> None:
        """Count once. `working`: this daemon's engine runs, and is not counted among the others."""
        running = self._running()
        if running is None:
            return
        # This very thread runs, since it reads.
        others = max(0.0, (running - 1) / self._threads - (1.0 if working else 0.0))
        self.others += WEIGHT * (min(others, OTHERS_MAX) - self.others)

    def crowd(self) -> float:
        """How many times slower than at full speed this device's engine runs among the others."""
        return max(1.0, (1.0 + self.others) / self.cores)

    def _running(self) -> int | None:
        try:
            for line in (self._root / "stat").read_text().splitlines():
                if line.startswith("procs_running "):
                    return int(line.split()[1])
        except (OSError, ValueError, IndexError):
            pass
        return None
