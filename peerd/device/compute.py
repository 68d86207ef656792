"""This device's free memory, its load and its cores, as the system tells them.

Never here: torch, or how fast it denoises (`pace`).
"""

import os

import psutil


def memory_free_mib() -> int:
    """What a new process may take without swapping. 0 where the system hides it (a hardened unit may)."""
    try:
        return int(psutil.virtual_memory().available // (1 << 20))
    except (OSError, psutil.Error, NotImplementedError, RuntimeError):
        return 0


def load_per_core() -> float:
    """Processes that want a core, over cores, in the last minute. 0.0 where nobody counts."""
    try:
        return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)
    except OSError:
        return 0.0


def physical_cores() -> int:
    return psutil.cpu_count(logical=False) or os.cpu_count() or 1
