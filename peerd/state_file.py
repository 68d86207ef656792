"""One SQLite file that is on disk when a transaction returns, and whose troubles are told in one sentence.

A full disk, a damaged file and another program that holds the file lose nothing: a damaged file is set aside, never
deleted. Never here: what the tables hold (`store`).
"""

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from peerd_protocol.errors import LocalError

BUSY_S = 5.0
"""Another program that looks into the file may hold it this long where a thread can wait for it."""
LOOP_BUSY_S = 0.1
"""And this long where the daemon's loop waits, which has a heartbeat to send each second."""
BUSY_TRY_S = 0.02
"""Between two looks at whether it still holds it."""
BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
ASIDE_MAX = 100


class NoRoomError(LocalError):
    """The file takes nothing now. What it holds is whole, and later it may take more."""


class StateFile:
    """WAL and synchronous=FULL. Safe from several threads: one transaction at a time."""

    def __init__(self, path: Path, tables: str, version: int, upgrades: Mapping[int, str] | None = None) -> None:
        """Open the file, or make it with `tables`. LocalError if it is damaged, newer, or can not be written.

        `upgrades` brings a file of that version to the next one.
        """
        self._path, self._tables, self._version, self._upgrades = path, tables, version, upgrades or {}
        self._lock = threading.Lock()
        try:
            self._base = self._open()
        except sqlite3.Error as error:
            raise self._sentence(error) from error
        except OSError as error:
            raise LocalError(f"The state file {path} can not be used: {error.strerror}.") from error

    def close(self) -> None:
        with self._lock:
            self._base.close()

    def _open(self) -> sqlite3.Connection:
        base = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._path.chmod(0o600)
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = FULL")
            (problem,) = base.execute("PRAGMA quick_check(1)").fetchone()
            if problem != "ok":
                raise sqlite3.DatabaseError(problem)
            self._bring_up_to_date(base)
            base.execute("PRAGMA busy_timeout = 0")  # from here on it is waited for with our own lock free
        except BaseException:
            base.close()
            raise
        return base

    def _bring_up_to_date(self, base: sqlite3.Connection) -> None:
        (version,) = base.execute("PRAGMA user_version").fetchone()
        if version > self._version:
            raise LocalError(
                f"{self._path} was written by a newer peerd (version {version}; this one knows {self._version}); "
                "start that one, or move the file away."
            )
        if version == 0:
            base.executescript(f"BEGIN IMMEDIATE; {self._tables} PRAGMA user_version = {self._version}; COMMIT;")
        for older in range(version or self._version, self._version):
            upgrade = self._upgrades[older]
            base.executescript(f"BEGIN IMMEDIATE; {upgrade} PRAGMA user_version = {older + 1}; COMMIT;")

    @contextmanager
    def transaction(self, busy_s: float = BUSY_S) -> Iterator[sqlite3.Connection]:
        """All of what is done within is on disk at the end, or nothing of it.

        Another program is waited for `busy_s`, and then it is a NoRoomError.
        """
        give_up_s = time.monotonic() + busy_s
        while not self._begin(last_try=time.monotonic() >= give_up_s):
            time.sleep(BUSY_TRY_S)
        try:
            yield self._base
            self._base.execute("COMMIT")
        except BaseException as error:
            if self._base_in_transaction():
                self._base.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._sentence(error) from error
            raise
        finally:
            self._lock.release()

    def _begin(self, *, last_try: bool) -> bool:
        """Take our lock and the file's, or neither: who has time to wait must not hold up who has none."""
        self._lock.acquire()
        begun = False
        try:
            self._base.execute("BEGIN IMMEDIATE")
            begun = True
        except sqlite3.Error as error:
            if last_try or _primary_code(error) not in BUSY_CODES:
                raise self._sentence(error) from error
        finally:
            if not begun:
                self._lock.release()
        return begun

    def rewrite(self) -> None:
        """Write the whole file anew, so that nothing is left of what was replaced."""
        with self._lock:
            try:
                self._base.execute(f"PRAGMA busy_timeout = {round(BUSY_S * 1000)}")
                self._base.execute("VACUUM")
                self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.Error as error:
                raise self._sentence(error) from error
            finally:
                self._base.execute("PRAGMA busy_timeout = 0")

    def _base_in_transaction(self) -> bool:
        try:
            return self._base.in_transaction
        except sqlite3.ProgrammingError:
            return False

    def _sentence(self, error: sqlite3.Error) -> LocalError:
        """Whose fault it is, and what to do next."""
        primary = _primary_code(error)
        damaged = primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        if damaged or (primary is None and type(error) is sqlite3.DatabaseError):
            aside = self._set_aside()
            return LocalError(
                f"The state file {self._path} is damaged; it was set aside as {aside.name}, and the next start begins "
                "with an empty one."
            )
        if primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return NoRoomError(
                f"The disk that holds {self._path} is full or failing ({error}); free some space and try again, "
                "nothing was lost."
            )
        if primary in BUSY_CODES:
            return NoRoomError(
                f"Another program holds the state file {self._path} ({error}); close it and try again, nothing is lost."
            )
        return LocalError(f"The state file {self._path} can not be used: {error}.")

    def _set_aside(self) -> Path:
        """Move the damaged file, and what belongs to it, out of the way. It is never deleted."""
        for number in range(1, ASIDE_MAX):
            aside = self._path.with_name(f"{self._path.name}.damaged-{number}")
            if not aside.exists():
                for ending in ("-wal", "-shm", ""):
                    part = self._path.with_name(self._path.name + ending)
                    if part.exists():
                        part.rename(aside.with_name(aside.name + ending))
                return aside
        raise LocalError(f"There are {ASIDE_MAX} damaged files beside {self._path} already; look into them.")


def _primary_code(error: sqlite3.Error) -> int | None:
    """Without what SQLite adds of why; None of an error that the module itself found."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
