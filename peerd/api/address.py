"""Where the API's socket is. The daemon and every client of it ask this one function.

Never here: opening the socket.
"""

import hashlib
import os
import re
import socket
import stat
from pathlib import Path

from peerd import paths
from peerd_protocol.errors import LocalError

SOCKET_NAME = "api.sock"
PROBE_S_MAX = 1.0
"""The system answers for a daemon that listens; only one whose queue is full takes longer."""
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
    try:
        owner = home.stat().st_uid
    except OSError:  # not there yet, or not to be looked at
        owner = os.geteuid()
    tag = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    runtime = Path(f"/run/user/{owner}")
    if not (paths.is_folder(runtime) and runtime.stat().st_uid == owner):
        runtime = Path("/tmp")  # world-writable, so both sides check the folder
    return runtime / f"peerd-{owner}-{tag}" / SOCKET_NAME


def is_listened_to(path: Path) -> bool:
    """Whether a daemon is at this socket, ours to ask or not; False for one that was left behind, or none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S_MAX)
        try:
            probe.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return False
        except OSError:  # another's, or one that is busy
            return True
    return True


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
