"""A model's identity: the digest of its files, equal on every device that has them. Needs no torch.

Hashing gigabytes takes a while, so each file's digest is remembered by its size and time of change. Never here: where
models are kept or fetched from.
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from peerd_protocol.errors import UNREADABLE, LocalError

EMBEDDED_FOLDER = Path(__file__).resolve().parent / "embedded"
"""The model that ships with peerd, so that everything runs with no download."""

CALIBRATION_FILE = "calibration.json"
"""Beside a model's weights; it says what was measured of the model and is no part of it."""

CACHE_BYTES_MAX = 4 * 1024 * 1024
FILES_MAX = 2_000
_SUFFIXES = (".safetensors", ".json", ".txt", ".model")
_BLOCK_BYTES = 1 << 20


class _Known(msgspec.Struct, frozen=True, array_like=True):
    size: int
    changed_ns: int
    digest: str


def is_file(path: Path) -> bool:
    """False for all that the system says instead: `Path.is_file` raises for a closed folder or a share that is gone."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """As `is_file`."""
    return os.path.isdir(path)  # noqa: PTH112


def model_digest(folder: Path, cache_folder: Path | None = None) -> str:
    """SHA-256 over the names and contents of a model's weights and settings; LocalError if it is no model.

    Blocks while it reads what it does not remember: call it in a thread.
    """
    if not is_file(folder / "model_index.json"):
        raise LocalError(f"{folder} is not a model: there is no model_index.json in it.")
    cache = None if cache_folder is None else cache_folder / "model-digests.json"
    known = _read(cache)
    fresh: dict[str, _Known] = {}
    whole = hashlib.sha256(b"peerd model\0")
    for name, file in _files(folder):
        stat = file.stat()
        key = str(Path(file).resolve()) if file.is_symlink() else file.path
        entry = known.get(key)
        if entry is None or (entry.size, entry.changed_ns) != (stat.st_size, stat.st_mtime_ns):
            entry = _Known(stat.st_size, stat.st_mtime_ns, _digest(Path(file)))
        fresh[key] = entry
        whole.update(f"{name}\0{entry.digest}\n".encode())
    if cache is not None and fresh.items() - known.items():
        _write(cache, {**known, **fresh})
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


def _digest(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
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


def _write(cache: Path, known: dict[str, _Known]) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        beside = cache.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        beside.write_bytes(msgspec.json.encode(known))
        beside.replace(cache)
    except OSError:
        return
