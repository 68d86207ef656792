"""The log of receipts on disk: private, bounded, whole after a power cut, and begun anew after damage.

Never here: what its entries say.
"""

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from peerd.audit_files import read_any, write_file
from peerd.network.identity import Identity, signed_by
from peerd.receipt_log import FILE_NAME, ReceiptLog, read_log
from peerd_protocol.audit import Report, audit
from peerd_protocol.errors import LocalError
from peerd_protocol.hash_chain import Entry
from tests.peerd.dealing import begin_of, deal, dealers
from tests.protocol.keepers import Keeper
from tests.protocol.keepers import deal as deal_in_memory


def filled(folder: Path, count: int, kept_max: int = 100) -> Keeper:
    """A log on disk with the entries of one that was kept in memory."""
    ada, bob = Keeper("ada"), Keeper("bob")
    while len(ada.entries) < count:
        deal_in_memory(ada, bob)
    log = ReceiptLog(folder, ada.key, kept_max)
    for entry in ada.entries[:count]:
        assert log.append(lambda index, previous, entry=entry: entry) == entry  # type: ignore[misc]
    log.close()
    return ada


def found(folder: Path) -> Report:
    log = read_log(folder)
    assert log is not None
    return audit([log], signed_by)


def test_what_was_appended_is_there_and_nobody_else_reads_it(tmp_path: Path) -> None:
    ada = filled(tmp_path, 4)
    log = read_log(tmp_path)
    assert log is not None and log.entries == tuple(ada.entries) and log.node == ada.node
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    ada = filled(tmp_path, 4)
    places: list[tuple[int, bytes]] = []
    log = ReceiptLog(tmp_path, ada.key)
    with pytest.raises(ZeroDivisionError):
        log.append(lambda index, previous: _fail(places, index, previous))
    log.close()
    assert places == [(4, ada.entries[-1].hash)]
    assert found(tmp_path).logs[0].count == 4, "what fails leaves nothing behind"


def test_the_oldest_entries_go_and_the_chain_still_holds(tmp_path: Path) -> None:
    filled(tmp_path, 12, kept_max=5)
    report = found(tmp_path)
    assert report.is_sound
    assert (report.logs[0].first, report.logs[0].count) == (7, 5)


def test_a_power_cut_in_the_middle_of_an_append_loses_at_most_that_entry(tmp_path: Path) -> None:
    """The file and its journal as they lie on disk while the daemon runs, with the journal's end torn off."""
    ada, bob = Keeper("ada"), Keeper("bob")
    deal_in_memory(ada, bob)
    deal_in_memory(ada, bob)
    (tmp_path / "running").mkdir()
    log = ReceiptLog(tmp_path / "running", ada.key)
    journal = tmp_path / "running" / f"{FILE_NAME}-wal"
    sizes: list[int] = []
    for entry in ada.entries:
        log.append(lambda index, previous, entry=entry: entry)  # type: ignore[misc]
        sizes.append(journal.stat().st_size)
    for cut in (sizes[-1] - 1, sizes[-1] - 3_000, sizes[-2] + 1):
        after = tmp_path / f"after {cut}"
        shutil.copytree(tmp_path / "running", after)
        (after / f"{FILE_NAME}-shm").unlink()
        with (after / journal.name).open("r+b") as torn:
            torn.truncate(cut)
        again = ReceiptLog(after, ada.key)
        assert again.append(lambda index, previous: ada.entries[index]).index == 3
        again.close()
        assert found(after).is_sound and found(after).logs[0].count == 4
    log.close()


async def test_a_damaged_file_is_set_aside_and_the_daemon_begins_a_new_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path, 4)
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:100] + bytes(8_000))
    with pytest.raises(LocalError, match="is damaged"):
        read_log(tmp_path)
    log = ReceiptLog(tmp_path, Keeper("ada").key)
    log.close()
    assert "set aside as receipts.sqlite.damaged-1" in caplog.text
    assert found(tmp_path).logs[0].count == 0


async def test_an_exported_log_is_the_same_log(tmp_path: Path) -> None:
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        await deal(ada, bob, begin_of())
        write_file(ada.log, tmp_path / "ada.log")
        assert read_any(ada.home) == ada.log
        assert read_any(tmp_path / "ada.log") == msgspec.structs.replace(ada.log, is_copy=True)
    with pytest.raises(LocalError, match="holds no log"):
        read_any(tmp_path)
    with pytest.raises(LocalError, match="can not be read"):
        read_any(tmp_path / "none")


def test_a_home_without_a_log_has_none(tmp_path: Path) -> None:
    assert read_log(tmp_path) is None
    Identity.load_or_make(tmp_path)
    assert read_log(tmp_path) is None


def _fail(places: list[tuple[int, bytes]], index: int, previous: bytes) -> Entry:
    places.append((index, previous))
    raise ZeroDivisionError


# ---- the head that is remembered apart ---------------------------------------------------------------------------


def remembering(folder: Path, ada: Keeper, heads: list[bytes]) -> ReceiptLog:
    return ReceiptLog(folder, ada.key, head=heads[-1] if heads else b"", remember=heads.append)


def fill(folder: Path, ada: Keeper, heads: list[bytes]) -> None:
    log = remembering(folder, ada, heads)
    for entry in ada.entries:
        log.append(lambda index, previous, entry=entry: entry)  # type: ignore[misc]
    log.close()


@pytest.mark.parametrize("left", [0, 2], ids=["lost", "older"])
def test_a_log_that_lost_entries_goes_on_after_what_was_signed_last_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, left: int
) -> None:
    ada, bob = Keeper("ada"), Keeper("bob")
    deal_in_memory(ada, bob)
    deal_in_memory(ada, bob)
    heads: list[bytes] = []
    fill(tmp_path, ada, heads)
    (tmp_path / FILE_NAME).unlink()
    shorter = Keeper("ada", ada.entries[:left])
    fill(tmp_path, shorter, [])
    log = remembering(tmp_path, ada, heads)
    assert f"lost its last {4 - left} entries; it goes on after entry 3" in caplog.text
    receipt = ada.gives(bob)
    bob.gets(ada, receipt)
    assert log.append(lambda index, previous: _at(ada, index, previous)) == ada.entries[-1]
    log.close()
    kept = read_log(tmp_path)
    assert kept is not None
    report = audit([kept, bob.log], signed_by)
    assert not report.forks, "nobody can say that it has two histories"
    assert report.is_sound == (left == 0), "a gap is told; that the oldest part is gone is none"


def test_whoever_edits_the_last_entry_does_not_make_its_owner_sign_for_it(tmp_path: Path) -> None:
    ada, bob = Keeper("ada"), Keeper("bob")
    deal_in_memory(ada, bob)
    heads: list[bytes] = []
    fill(tmp_path, ada, heads)
    edited = Keeper("ada", list(ada.entries))
    edited.entries[-1] = msgspec.structs.replace(edited.entries[-1], body=b"edited")
    (tmp_path / FILE_NAME).unlink()
    fill(tmp_path, edited, [])
    log = remembering(tmp_path, ada, heads)
    ada.gives(bob)
    log.append(lambda index, previous: _at(ada, index, previous))
    log.close()
    assert not found(tmp_path).is_sound and not found(tmp_path).forks


def test_an_entry_that_can_not_be_read_stops_neither_the_log_nor_its_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path, 4)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as base:
        base.execute("UPDATE entries SET entry = x'c1' WHERE number = 3")
        base.commit()
    log = ReceiptLog(tmp_path, Keeper("ada").key)
    assert "entry 3 in receipts.sqlite can not be read" in caplog.text
    ada = Keeper("ada")
    ada.gives(Keeper("bob"))
    log.append(lambda index, previous: ada.entries[0])
    log.close()
    with pytest.raises(LocalError, match="move it away"):
        read_log(tmp_path)


def _at(keeper: Keeper, index: int, previous: bytes) -> Entry:
    """Its last entry, which stands where the log wants it."""
    entry = keeper.entries[-1]
    assert (entry.index, entry.previous) == (index, previous)
    return entry
