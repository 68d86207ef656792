"""Paths as people write them, looked at without a traceback.

Path.is_dir and its kin raise where a folder may not be searched or a name is too long; expanduser where ~ means nobody,
and the folder that one is in may be gone. Here each of these is an answer or one sentence. Never here: writing files.
"""

import os
import stat
from pathlib import Path

from peerd_protocol.errors import LocalError

NAME_SHOWN_CHARS_MAX = 40


def whole(written: str | Path) -> Path:
    """The absolute path that somebody means. LocalError if it means none."""
    try:
        return Path(written).expanduser().absolute()
    except RuntimeError as error:
        raise LocalError(f"In {written}, ~ is nobody's folder on this device; write the whole path.") from error
    except OSError as error:
        raise LocalError(
            f"The folder that you are in can't be found any more ({error.strerror}); go to another one."
        ) from error


def is_file(path: str | Path) -> bool:
    """False too where it can not be looked at: a closed folder, a share or a stick that is gone."""
    return os.path.isfile(path)  # noqa: PTH113 - it never raises


def is_folder(path: str | Path) -> bool:
    """As `is_file`."""
    return os.path.isdir(path)  # noqa: PTH112 - it never raises


def is_there(path: str | Path) -> bool:
    """As `is_file`."""
    return os.path.exists(path)  # noqa: PTH110 - it never raises


def check_place(path: Path) -> None:
    """LocalError unless a picture may be called so: told before anybody draws it."""
    if "\0" in str(path):
        raise LocalError("A file's name can not hold a zero byte; name another file for the picture.")
    if not path.is_absolute() or not is_folder(path.parent):
        raise LocalError(f"There is no folder {path.parent} to write the picture into, or none that may be looked at.")
    if is_folder(path):
        raise LocalError(f"{path} is a folder; name a file to write the picture to.")
    must_be_ordinary(path)
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        shown = path.name[:NAME_SHOWN_CHARS_MAX]
        raise LocalError(f"No picture can be written as {shown!r}: {error.strerror}; name another file.") from error


def must_be_ordinary(path: Path) -> None:
    """Writing replaces what is there, and that must not be a device, a pipe or a socket. LocalError if it is."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # nothing is there, or writing tells what is wrong
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise LocalError(f"{path} is no ordinary file, which a picture could replace; name another file with --out.")
