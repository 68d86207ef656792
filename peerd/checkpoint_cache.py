"""The shelf of checkpoints that this node keeps for later requests, in PEERD_HOME/checkpoints.

    <digest>        the checkpoint as it would be handed over, sealed; its name is the SHA-256 of its bytes before that
    <digest>.note   whose prompt and call it continues, and how often it was used, with a digest of its own; sealed too

There is no index beside them: a pair of files is an entry, so a crash at any moment costs at most the entry that was
being written, and what is removed is gone with its prompt. Keeping is only an optimisation: a full disk keeps nothing,
a file that is not what its name says is dropped, and nobody waits for either. Never here: which checkpoint fits a
request (`planning.cached`), which goes first (`eviction`), or who may be told of it (`peerd_protocol`).
"""

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from peerd.eviction import Weight, make_room, priority
from peerd.sealing import OVERHEAD_BYTES, Seal
from peerd_protocol.errors import UNREADABLE
from peerd_protocol.plan import CacheEntry

log = logging.getLogger("peerd.cache")

FOLDER_NAME = "checkpoints"
NOTE_ENDING = ".note"
NOTE_BYTES_MAX = 31 * 1024
"""Two prompts of 2,000 characters fit, however they are spelt, or many of a usual length. All that the leader is told
of fits into one message of 1 MiB then."""
NOTE_SLACK_BYTES = 64
"""A note grows by so much at most, as its numbers get longer with use."""


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry on the shelf. `kept_s` is when it came, in seconds since 1970."""

    entry: CacheEntry
    hits: int
    priority: float
    kept_s: float

    @property
    def calls_saved(self) -> int:
        """Denoiser calls that its hits have saved so far: each of them began `step` calls later."""
        return self.hits * self.entry.step


class CheckpointCache:
    """Safe from several threads. What the loop's thread asks is answered from memory; the others may wait for a disk.

    `bytes_max` bounds all files together; 0 keeps nothing.
    """

    def __init__(
        self, folder: Path, bytes_max: int, clock: Callable[[], float] = time.time, seal: Seal | None = None
    ) -> None:
        """Take up what an earlier run left in `folder`, as far as it is whole, ours, and under the bound.

        With a seal, what another key sealed or nobody did is none of ours.
        """
        self.bytes_max = bytes_max
        self._seal, self._overhead_bytes = seal, 0 if seal is None else OVERHEAD_BYTES
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}
        self._bytes: dict[str, int] = {}
        self._age = 0.0
        with self._lock:
            self._take_up()
            self._drop(make_room(self._weights(), self._age, bytes_max).victims)
        # What went so far had less priority than whatever is left, so the lowest of these is a just age to go on from.
        self._age = min((kept.priority for kept in self._kept.values()), default=0.0)
        self._publish()

    # ---- asked by the loop ---------------------------------------------------------------------------------

    def entries(self) -> tuple[CacheEntry, ...]:
        """All that is kept, the most worth first."""
        return tuple(kept.entry for kept in self._shelf)

    def shelf(self) -> tuple[Kept, ...]:
        """The same, with how each was used."""
        return self._shelf

    @property
    def used_bytes(self) -> int:
        """All files together."""
        return self._used_bytes

    # ---- asked by other threads ----------------------------------------------------------------------------

    def keep(self, entry: CacheEntry, data: bytes) -> bool:
        """Put a checkpoint on the shelf, if it is worth its room. True if the shelf has changed."""
        if entry.share == "nothing" or hashlib.sha256(data).hexdigest() != entry.digest or len(data) != entry.size:
            log.warning("a checkpoint is not kept: it is not what its entry says, or shares nothing")
            return False
        with self._lock:
            if entry.digest in self._kept:
                return False
            kept = Kept(entry=entry, hits=0, priority=0.0, kept_s=self._clock())
            note_bytes = len(_sealed(kept)) + NOTE_SLACK_BYTES
            if note_bytes > NOTE_BYTES_MAX:
                return False
            size_bytes = len(data) + note_bytes + 2 * self._overhead_bytes
            kept = msgspec.structs.replace(kept, priority=priority(self._age, entry.step, 0, size_bytes))
            room = make_room(self._weights(), self._age, self.bytes_max, Weight(size_bytes, kept.priority))
            self._age = room.age
            if not room.admitted:
                return False
            self._drop(room.victims)
            changed = bool(room.victims)
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._write(entry.digest, data)
                self._write(entry.digest + NOTE_ENDING, _sealed(kept))
            except OSError as error:
                log.info("a checkpoint is not kept: %s", error.strerror)
                self._remove_files(entry.digest)
            else:
                self._kept[entry.digest], self._bytes[entry.digest] = kept, size_bytes
                changed = True
            self._publish()
            return changed

    def recall(self, digest: str) -> bytes | None:
        """The checkpoint's bytes, which count as a hit; None if it is gone, or not what its digest says any more."""
        with self._lock:
            kept = self._kept.get(digest)
            if kept is None:
                return None
            data = self._read(digest, kept.entry.size)
            if data is None or hashlib.sha256(data).hexdigest() != digest:
                log.warning("a kept checkpoint was missing or damaged, and is dropped")
                self._drop([digest])
                self._publish()
                return None
            del self._kept[digest]
            hits = kept.hits + 1
            now = priority(self._age, kept.entry.step, hits, self._bytes[digest])
            kept = self._kept[digest] = msgspec.structs.replace(kept, hits=hits, priority=now)
            try:
                self._write(digest + NOTE_ENDING, _sealed(kept))
            except OSError as error:
                log.info("the use of a kept checkpoint is not noted: %s", error.strerror)
            self._publish()
            return data

    def clear(self) -> int:
        """Remove every file; how many entries there were."""
        with self._lock:
            count = len(self._kept)
            self._drop(tuple(self._kept))
            self._age = 0.0
            self._publish()
            return count

    # ---- inside --------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        """Let the loop see the shelf as it is now, without ever waiting for the lock."""
        self._shelf = tuple(sorted(self._kept.values(), key=lambda kept: (-kept.priority, kept.entry.digest)))
        self._used_bytes = sum(self._bytes.values())

    def _weights(self) -> dict[str, Weight]:
        return {digest: Weight(self._bytes[digest], kept.priority) for digest, kept in self._kept.items()}

    def _drop(self, digests: "tuple[str, ...] | list[str]") -> None:
        for digest in digests:
            del self._kept[digest], self._bytes[digest]
            self._remove_files(digest)

    def _remove_files(self, digest: str) -> None:
        for name in (digest + NOTE_ENDING, digest):
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s can not be removed: %s", self._folder / name, error.strerror)

    def _read(self, name: str, bytes_max: int) -> bytes | None:
        """What `_write` was given under this name, or None."""
        data = _read(self._folder / name, bytes_max + self._overhead_bytes)
        return data if data is None or self._seal is None else self._seal.open(data, name)

    def _write(self, name: str, data: bytes) -> None:
        """Replace a file in one step, mode 0600. Not synced: what a power cut tears, its digest tells."""
        if self._seal is not None:
            data = self._seal.close(data, name)
        beside = self._folder / f"{name}.part"
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            beside.replace(self._folder / name)
        except OSError:
            beside.unlink(missing_ok=True)
            raise

    def _take_up(self) -> None:
        """Whole pairs become entries, the longest unused first; every other file here is dropped."""
        try:
            files = {file.name: file.stat(follow_symlinks=False) for file in os.scandir(self._folder)}
        except OSError:
            return  # there is none yet, or it can't be used: then nothing is kept
        found: list[tuple[int, Kept, int]] = []
        whole: set[str] = set()
        for name, status in files.items():
            note = self._read(name, NOTE_BYTES_MAX) if name.endswith(NOTE_ENDING) else None
            kept = _unsealed(note) if note is not None else None
            if note is None or kept is None or name != kept.entry.digest + NOTE_ENDING:
                continue
            data = files.get(kept.entry.digest)
            if data is not None and data.st_size == kept.entry.size + self._overhead_bytes:
                size_bytes = data.st_size + len(note) + self._overhead_bytes + NOTE_SLACK_BYTES
                found.append((status.st_mtime_ns, kept, size_bytes))
                whole |= {name, kept.entry.digest}
        for name in files.keys() - whole:
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s can not be removed: %s", self._folder / name, error.strerror)
        for _, kept, size_bytes in sorted(found, key=lambda one: (one[0], one[1].entry.digest)):
            self._kept[kept.entry.digest], self._bytes[kept.entry.digest] = kept, size_bytes


def _sealed(kept: Kept) -> bytes:
    note = msgspec.json.encode(kept)
    return note + b"\n" + hashlib.sha256(note).hexdigest().encode()


def _unsealed(sealed: bytes) -> Kept | None:
    """The note, if it is whole and of this version."""
    note, _, seal = sealed.rpartition(b"\n")
    if hashlib.sha256(note).hexdigest().encode() != seal:
        return None
    try:
        return msgspec.json.decode(note, type=Kept)
    except UNREADABLE:
        return None


def _read(path: Path, bytes_max: int) -> bytes | None:
    """The file's bytes; None if there are more, or it can not be read, or it is only a link to one."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            data = file.read(bytes_max + 1)
    except OSError:
        return None
    return data if len(data) <= bytes_max else None
