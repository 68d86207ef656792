"""A model's identity: the digest of its files, equal on every device that has them. Needs no torch.

Hashing gigabytes takes a while, so each file's digest is remembered by its size and time of change. Never here: where
models are kept or fetched from.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from peerd.paths import is_file
from peerd_protocol.errors import UNREADABLE, LocalError

EMBEDDED_FOLDER = Path(__file__).resolve().parent / "embedded"
"""The model that ships with peerd, so that everything runs with no download."""

CALIBRATION_FILE = "calibration.json"
"""Beside a model's weights; it says what was measured of the model and is no part of it."""

CACHE_BYTES_MAX = 4 * 1024 * 1024
FILES_MAX = 2_000
_SUFFIXES = (".safetensors", ".json", ".txt", ".model")
BLOCK_BYTES = 1 << 20
"""Read between two looks at whether to stop."""
UNREMEMBERED_BYTES_MAX = 16 << 20
"""So much is read again at most, and the file it was at, where a process is killed while it reads."""


class _Known(msgspec.Struct, frozen=True, array_like=True):
    size: int
    changed_ns: int
    digest: str


def model_digest(folder: Path, cache_folder: Path | None = None, stopping: Callable[[], bool] = lambda: False) -> str:
    """SHA-256 over the names and contents of a model's weights and settings; LocalError if it is no model.

    Blocks while it reads what it does not remember: call it in a thread. Soon after `stopping` says so it ends with a
    LocalError, and remembers what it has read until then.
    """
    if not is_file(folder / "model_index.json"):
        raise LocalError(f"{folder} is not a model: there is no model_index.json in it.")
    cache = None if cache_folder is None else cache_folder / "model-digests.json"
    known = _read(cache)
    fresh: dict[str, _Known] = {}
    unremembered_bytes = 0
    whole = hashlib.sha256(b"peerd model\0")
    try:
        for name, file in _files(folder):
            stat = file.stat()
            key = str(Path(file).resolve()) if file.is_symlink() else file.path
            entry = known.get(key)
            if entry is None or (entry.size, entry.changed_ns) != (stat.st_size, stat.st_mtime_ns):
                entry = fresh[key] = _Known(stat.st_size, stat.st_mtime_ns, _digest(Path(file), stopping))
                unremembered_bytes += entry.size
                if unremembered_bytes > UNREMEMBERED_BYTES_MAX:
                    _write(cache, fresh)
                    unremembered_bytes = 0
            whole.update(f"{name}\0{entry.digest}\n".encode())
    finally:
        if fresh:
            _write(cache, fresh)
    return whole.hexdigest()


def _files(folder: Path) -> list[tuple[str, os.DirEntry[str]]]:
    """The files that are the model, by name as the wire spells it, since the order of a folder is the file system's."""
    found: list[tuple[str, os.DirEntry[str]]] = []
    for name, file in _below(folder.resolve()):
        if name.endswith(_SUFFIXES) and name != CALIBRATION_FILE and file.is_file():
            found.append((name, file))
            if len(found) > FILES_MAX:
                raise LocalError(f"{folder} holds more than {FILES_MAX} files; it is not one model's folder.")
    return sorted(found, key=lambda one: one[0])


def _below(folder: Path | str, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All that is not hidden. Every request looks through it, and `Path.rglob` takes four times as long."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry


def _digest(path: Path, stopping: Callable[[], bool]) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            if stopping():
                raise LocalError(f"{path} was not read to its end, since peerd is stopping; ask again when it runs.")
            whole.update(block)
    return whole.hexdigest()


def _read(cache: Path | None) -> dict[str, _Known]:
    # The cache only saves time: whatever is wrong with it, hashing again is right.
    try:
        if cache is None or cache.stat().st_size > CACHE_BYTES_MAX:
            return {}
        return msgspec.json.decode(cache.read_bytes(), type=dict[str, _Known])
    except (OSError, *UNREADABLE):
        return {}


def _write(cache: Path | None, fresh: dict[str, _Known]) -> None:
    """Add what was read, to what others may have added meanwhile."""
    if cache is None:
        return
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        beside = cache.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        beside.write_bytes(msgspec.json.encode({**_read(cache), **fresh}))
        beside.replace(cache)
    except OSError:
        return
