"""This node's log of receipts on disk: an append-only chain in one SQLite file, and reading one without its daemon.

    append: one transaction that is on disk when it returns -> the head is remembered -> anyone hears of the entry

A power cut in the middle of an append leaves the chain as it was before it: nobody has heard of the lost entry, so its
place is free. The head (the last entry's index and hash) is remembered apart from the file, by the host's store: where
the file is lost, damaged or an older one, the log goes on after what was signed last, and does not seem to be a second
history. The file holds digests and names of devices and requests, no prompt and no latent; it is its owner's alone
(0600). Never here: what an entry says (`peerd_protocol.receipts`), or whether the chain holds (`audit`).
"""

import hashlib
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from peerd.state_file import StateFile
from peerd_protocol.audit import Log
from peerd_protocol.certificates import device_id, read
from peerd_protocol.errors import FrameError, LocalError
from peerd_protocol.hash_chain import Entry, Hash, first_hash

log = logging.getLogger("peerd.receipt_log")

FILE_NAME: Final = "receipts.sqlite"
VERSION: Final = 1
ENTRIES_KEPT_MAX: Final = 10_000
"""Beyond that the oldest go; the first that is left names the hash of what went before. Together below 30 MB."""
ENTRY_BYTES_MAX: Final = 256 * 1024
"""The digests of the most steps that a run can have take 128 KiB."""

_TABLES = """
CREATE TABLE owner (device BLOB NOT NULL);
CREATE TABLE entries (number INTEGER PRIMARY KEY, entry BLOB NOT NULL);
"""


class ReceiptLog:
    """Safe from several threads; one daemon has it open."""

    def __init__(
        self,
        folder: Path,
        device: bytes,
        kept_max: int = ENTRIES_KEPT_MAX,
        head: bytes = b"",
        remember: Callable[[bytes], None] = lambda head: None,
    ) -> None:
        """Open or make the log of the device with this public key. LocalError if it is another's.

        `head` is what `remember` was given last. A damaged file is set aside, as all are.
        """
        path = folder / FILE_NAME
        self._kept_max, self._remember = kept_max, remember
        try:
            self._file = StateFile(path, _TABLES, VERSION)
        except LocalError as error:
            log.error("%s", error)
            self._file = StateFile(path, _TABLES, VERSION)
        with self._file.transaction() as base:
            row = base.execute("SELECT device FROM owner").fetchone()
            if row is None:
                base.execute("INSERT INTO owner VALUES (?)", (device,))
        if row is not None and bytes(row[0]) != device:
            self._file.close()
            raise LocalError(f"{path} is the log of another device than identity.key beside it; move it away.")
        self._place = self._next(device, head)

    def close(self) -> None:
        self._file.close()

    def append(self, make: Callable[[int, bytes], Entry]) -> Entry:
        """Add what `make` returns for its index and the hash of the entry before. LocalError if the disk is full."""
        index, previous = self._place
        entry = make(index, previous)
        with self._file.transaction() as base:
            base.execute("INSERT INTO entries VALUES (?, ?)", (index, msgspec.msgpack.encode(entry)))
            base.execute("DELETE FROM entries WHERE number <= ?", (index - self._kept_max,))
        self._place = index + 1, entry.hash
        try:
            self._remember(msgspec.msgpack.encode(_Head(index, entry.hash)))
        except LocalError as error:  # the entry itself is on disk
            log.warning("the head of the log of receipts is not remembered: %s", error)
        return entry

    def _next(self, device: bytes, head: bytes) -> tuple[int, bytes]:
        """Where the next entry stands: after the last one in the file, or after the last one that was signed."""
        with self._file.transaction() as base:
            row = base.execute("SELECT number, entry FROM entries ORDER BY number DESC LIMIT 1").fetchone()
        kept = _read_head(row[0], bytes(row[1])) if row is not None else None
        signed = msgspec.msgpack.decode(head, type=_Head) if head else None
        if signed is not None and (kept is None or kept.index < signed.index):
            lost = signed.index + 1 if kept is None else signed.index - kept.index
            log.warning("%s lost its last %d entries; it goes on after entry %d", FILE_NAME, lost, signed.index)
            kept = signed
        elif signed is not None and kept is not None and kept.index == signed.index:
            kept = signed  # if they differ, somebody changed the file; `peerd audit` shows where
        return (0, first_hash(device_id(device))) if kept is None else (kept.index + 1, kept.hash)


class _Head(msgspec.Struct, frozen=True, array_like=True):
    """The last entry."""

    index: int
    hash: Hash


def _read_head(number: int, packed: bytes) -> _Head:
    try:
        return _Head(number, _entry(packed).hash)
    except FrameError as error:
        log.error("entry %d in %s can not be read (%s); the next one follows it all the same", number, FILE_NAME, error)
        return _Head(number, hashlib.sha256(packed).digest())


def _entry(packed: bytes) -> Entry:
    return read(packed, Entry, ENTRY_BYTES_MAX)


def read_log(folder: Path) -> Log | None:
    """The log in a node's home, beside its daemon or without one; None where there is none yet. LocalError."""
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as base:
            base.execute("BEGIN")  # both questions see the same moment
            owner = base.execute("SELECT device FROM owner").fetchone()
            rows = base.execute("SELECT entry FROM entries ORDER BY number").fetchall()
        if owner is None:
            return None
        return Log(device=bytes(owner[0]), entries=tuple(_entry(bytes(entry)) for (entry,) in rows))
    except (sqlite3.Error, FrameError) as error:
        raise LocalError(
            f"The log {path} is damaged ({error}); move it away, and its daemon goes on with a new file after the last "
            "entry that it signed."
        ) from error
