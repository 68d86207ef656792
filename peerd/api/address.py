"""Where the API's socket is. The daemon and every client of it ask this one function.

Never here: opening the socket.
"""

import hashlib
import os
import re
import stat
from pathlib import Path

from peerd_protocol.errors import LocalError

SOCKET_NAME = "api.sock"
SOCKET_PATH_BYTES_MAX = 107
"""sockaddr_un holds 108 bytes, and the last is the terminating zero."""


def socket_path(home: Path) -> Path:
    """The socket of the node at `home`: inside it, or in a short runtime folder where that path would be too long.

    It depends on the folder alone, not on the asker's environment, so that a daemon started by a service manager and a
    shell find the same place.
    """
    home = home.absolute()
    inside = home / SOCKET_NAME
    if len(os.fsencode(inside)) <= SOCKET_PATH_BYTES_MAX:
        return inside
    owner = home.stat().st_uid if home.exists() else os.geteuid()
    tag = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    runtime = Path(f"/run/user/{owner}")
    if not (runtime.is_dir() and runtime.stat().st_uid == owner):
        runtime = Path("/tmp")  # world-writable, so both sides check the folder
    return runtime / f"peerd-{owner}-{tag}" / SOCKET_NAME


def private_folder(path: Path) -> Path:
    """Make sure that the socket's folder is there and that nobody else put it there; returns it."""
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_folder(path)
    return folder


def check_folder(path: Path) -> None:
    """Refuse a runtime folder that someone else made: in a world-writable place anybody can come first."""
    folder = path.parent
    ours = re.fullmatch(r"peerd-(\d+)-[0-9a-f]{16}", folder.name)
    if ours is None or not os.path.lexists(folder):
        return
    found = folder.lstat()
    mine = os.geteuid()
    owners = {mine} if mine else {mine, int(ours[1])}  # root may look into another user's folder
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise LocalError(f"{folder} belongs to someone else; remove it, or set PEERD_HOME to a shorter path.")
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise LocalError(f"{folder} can be written by others; run `chmod 700 {folder}` and try again.")
