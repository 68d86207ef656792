"""This node's log of receipts on disk: an append-only chain in one SQLite file, and reading one without its daemon.

    append: one transaction that is on disk when it returns, before anyone hears of the entry

A power cut in the middle of an append leaves the chain as it was before it: nobody has heard of the lost entry, so its
place is free. The file holds digests and names of devices and requests, no prompt and no latent; it is its owner's
alone (0600). Never here: what an entry says (`peerd_protocol.receipts`), or whether the chain holds (`audit`).
"""

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
from peerd_protocol.hash_chain import Entry, first_hash

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

    def __init__(self, folder: Path, device: bytes, kept_max: int = ENTRIES_KEPT_MAX) -> None:
        """Open or make the log of the device with this public key. LocalError if it is damaged or another's.

        A damaged file is set aside, as all are, and the log begins anew: to others that looks like a second history.
        """
        path = folder / FILE_NAME
        self._kept_max = kept_max
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
        self._first_hash = first_hash(device_id(device))

    def close(self) -> None:
        self._file.close()

    def append(self, make: Callable[[int, bytes], Entry]) -> Entry:
        """Add what `make` returns for its index and the hash of the entry before. LocalError if the disk is full."""
        with self._file.transaction() as base:
            row = base.execute("SELECT number, entry FROM entries ORDER BY number DESC LIMIT 1").fetchone()
            index, previous = (0, self._first_hash) if row is None else (row[0] + 1, _last(row[1]).hash)
            entry = make(index, previous)
            base.execute("INSERT INTO entries VALUES (?, ?)", (index, msgspec.msgpack.encode(entry)))
            base.execute("DELETE FROM entries WHERE number <= ?", (index - self._kept_max,))
        return entry


def _last(packed: bytes) -> Entry:
    try:
        return _entry(packed)
    except FrameError as error:
        raise LocalError(
            f"The last entry in {FILE_NAME} can not be read, so that nothing can follow it; move the file away to "
            "begin a new log."
        ) from error


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
        raise LocalError(f"The log {path} is damaged ({error}); its daemon sets it aside at its next start.") from error
