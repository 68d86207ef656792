"""What a daemon tells its service manager: ready, alive, stopping. One datagram each, by the standard library alone.

Without NOTIFY_SOCKET in the environment every call does nothing and says so. Never here: when to say what.
"""

import os
import socket

READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"


def notify(*lines: str) -> bool:
    """Send `lines` to the service manager; False if none listens. It never raises and never blocks."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket: it has no file
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), address)
    except OSError:
        return False  # a service manager that went away is no reason to fail
    return True


def ready(status: str = "") -> bool:
    return notify(READY, f"MAINPID={os.getpid()}", *([f"STATUS={status}"] if status else []))


def alive() -> bool:
    return notify(ALIVE)


def stopping() -> bool:
    return notify(STOPPING)


def watchdog_interval_s() -> float | None:
    """How often to call `alive`: half of what the service manager allows; None when it keeps no watchdog on us."""
    allowed_us = os.environ.get("WATCHDOG_USEC", "")
    meant_for = os.environ.get("WATCHDOG_PID", "")
    if not allowed_us.isdecimal() or int(allowed_us) == 0:
        return None
    if meant_for and meant_for != str(os.getpid()):
        return None
    return int(allowed_us) / 2_000_000
