"""Files that hold keys: private, whole or not there at all, and never silently wrong.

A file is written beside its place, synced, and renamed over it, so that a crash at any moment leaves the old one or
the new one. It opens with its kind and a digest. Never here: what the bytes mean.
"""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from peerd_protocol.errors import LocalError

FILE_BYTES_MAX: Final = 2 * 1024 * 1024
"""A full roster takes half a mebibyte; a larger file is not ours."""


def ensure_private_folder(folder: Path) -> None:
    """Make the folder, readable by its owner alone, or refuse one that others may enter, as ssh does."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise LocalError(f"The folder {folder} for keys can not be made: {error.strerror}.") from error
    _refuse_strangers(folder, status, "700")


def write_secret(path: Path, kind: str, body: bytes) -> None:
    """Replace the file at `path` in one step, mode 0600."""
    data = _heading(kind) + hashlib.sha256(body).digest() + body
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # a left-over file keeps its old mode otherwise
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise LocalError(f"{path} can not be written: {error.strerror}. Free some space or fix its folder.") from error


def read_secret(path: Path, kind: str) -> bytes | None:
    """The body that was written, or None where there is no file. Raises LocalError for a wrong mode or any damage."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LocalError(f"{path} can not be read: {error.strerror}.") from error
    with os.fdopen(descriptor, "rb") as file:
        _refuse_strangers(path, os.fstat(file.fileno()), "600")
        data = file.read(FILE_BYTES_MAX + 1)
    heading = _heading(kind)
    body = data[len(heading) + 32 :]
    if not data.startswith(heading) or hashlib.sha256(body).digest() != data[len(heading) : len(heading) + 32]:
        raise damaged(path)
    return body


def damaged(path: Path) -> LocalError:
    return LocalError(
        f"{path} is damaged. Restore it from a backup, or move its folder away to start as a new device that must be "
        "paired again."
    )


def sync_folder(folder: Path) -> None:
    """A rename is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _heading(kind: str) -> bytes:
    return f"peerd {kind} 1\n".encode()


def _refuse_strangers(path: Path, status: os.stat_result, wanted: str) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid():
        raise LocalError(f"{path} belongs to another user (uid {status.st_uid}); run peerd as its owner.")
    if mode & 0o077:
        raise LocalError(f"{path} is open to other users (mode {mode:o}); run `chmod {wanted} {path}`.")
