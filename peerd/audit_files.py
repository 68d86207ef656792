"""Logs of receipts that travel as files: written for others to hold against theirs, and read without trust.

The first line names the device, each other one is an entry; bytes are base64. Never here: the node's own log
(`receipt_log`), or what logs show (`peerd_protocol.audit`).
"""

from pathlib import Path
from typing import Final

import msgspec

from peerd.receipt_log import ENTRY_BYTES_MAX, read_log
from peerd_protocol.audit import Log
from peerd_protocol.certificates import Key
from peerd_protocol.errors import UNREADABLE, LocalError
from peerd_protocol.hash_chain import Entry

FORMAT: Final = "peerd log of receipts 1"
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Twice a full log of ordinary runs."""
LINE_BYTES_MAX: Final = 2 * ENTRY_BYTES_MAX


class _Heading(msgspec.Struct, frozen=True):
    format: str
    device: Key


def write_file(log: Log, path: Path) -> None:
    """LocalError if it can not be written."""
    try:
        path.write_bytes(pack(log))
    except OSError as error:
        raise LocalError(f"{path} can not be written: {error.strerror}.") from error


def pack(log: Log) -> bytes:
    lines = [msgspec.json.encode(_Heading(FORMAT, log.device)), *map(msgspec.json.encode, log.entries)]
    return b"\n".join(lines) + b"\n"


def read_any(path: Path) -> Log:
    """A file that `write_file` made, or the log in a node's home. LocalError if it is neither."""
    if path.is_dir():
        log = read_log(path)
        if log is None:
            raise LocalError(
                f"{path} holds no log of receipts; give a file of `peerd audit --export`, or a node's home."
            )
        return log
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise LocalError(f"{path} is longer than {FILE_BYTES_MAX} bytes; no log of receipts is.")
        data = path.read_bytes()
    except OSError as error:
        raise LocalError(f"{path} can not be read: {error.strerror}.") from error
    return parse(data, str(path))


def parse(data: bytes, name: str) -> Log:
    """LocalError that names the line where these bytes are no log."""
    entries: list[Entry] = []
    heading, number = None, 0
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            if len(line) > LINE_BYTES_MAX:
                raise msgspec.DecodeError(f"it has {len(line)} bytes")
            if heading is None:
                heading = msgspec.json.decode(line, type=_Heading)
                if heading.format != FORMAT:
                    raise msgspec.DecodeError(f"it is not {FORMAT!r}")
            else:
                entries.append(msgspec.json.decode(line, type=Entry))
        except UNREADABLE as error:
            raise LocalError(
                f"{name} is no log of receipts from line {number} on ({error}); have it exported again by "
                "`peerd audit --export`."
            ) from error
    if heading is None:
        raise LocalError(f"{name} is empty; have the log exported again by `peerd audit --export`.")
    return Log(device=heading.device, entries=tuple(entries), is_copy=True)
