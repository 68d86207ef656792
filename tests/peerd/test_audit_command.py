"""`peerd audit` as a person sees it: a table, a red line for what is wrong, a picture of a fork, and an exit code.

Never here: what makes a log sound (`tests/protocol/test_audit.py`), or a daemon.
"""

from pathlib import Path

import pytest

from peerd.audit_files import write_file
from peerd.commands.audit import audit
from peerd.commands.output import DONE, FAILED
from peerd.config import HOME_VARIABLE
from peerd.network.roster import Roster
from peerd_protocol.errors import LocalError
from tests.peerd.dealing import begin_of, deal, dealers
from tests.protocol.keepers import Keeper
from tests.protocol.keepers import deal as deal_in_memory


@pytest.fixture(autouse=True)
def wide_screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "ada"))


async def test_a_sound_log_is_a_table_with_names_and_with_what_is_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        roster = Roster.load_or_found(ada.home, ada.identity, "ada")
        them = bob.identity
        roster.admit(them.device_key, them.curve_key, them.key_bind, "bob", ("ask",))
        await deal(ada, bob, begin_of(0))
        await deal(bob, ada, begin_of(1))
        ada.runs()
        ada.hands_over(bob, begin_of(2))
        await ada.works()
    assert audit([], None, as_json=False) == DONE
    told = capsys.readouterr().out
    assert "✓  ada" in told and "gave to   bob" in told and "got from  bob" in told
    assert told.count("counter-signed") == 2 and told.count("unanswered") == 1
    assert audit([], tmp_path / "ada.log", as_json=False) == DONE
    assert str(tmp_path / "ada.log") in capsys.readouterr().out


def test_a_home_without_a_log_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit([], None, as_json=False) == DONE
    assert "has given no receipt" in capsys.readouterr().out
    with pytest.raises(LocalError, match="no log of receipts yet"):
        audit([], tmp_path / "file", as_json=False)


def test_a_fork_is_drawn_and_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bob, cleo, mal = Keeper("bob"), Keeper("cleo"), Keeper("mal")
    deal_in_memory(mal, bob)
    other = mal.twin()
    deal_in_memory(mal, bob)
    deal_in_memory(other, cleo)
    files = [tmp_path / "bob.log", tmp_path / "cleo.log"]
    for file, keeper in zip(files, (bob, cleo), strict=True):
        write_file(keeper.log, file)
        assert audit([file], None, as_json=False) == DONE
    capsys.readouterr()
    assert audit(files, None, as_json=False) == FAILED
    told = capsys.readouterr().out
    assert f"{mal.node[:7]} signed for two histories: entry 2 has 2 hashes" in told
    assert f"held by {bob.node[:7]}" in told and f"held by {cleo.node[:7]}" in told


def test_an_old_copy_is_told_and_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bob, cleo = Keeper("bob"), Keeper("cleo")
    deal_in_memory(bob, cleo)
    files = [tmp_path / "bob.log", tmp_path / "cleo.log"]
    write_file(bob.log, files[0])
    deal_in_memory(bob, cleo)
    write_file(cleo.log, files[1])
    assert audit(files, None, as_json=False) == DONE
    assert f"! {bob.node[:7]}, entry 2: The log ends at entry 1" in capsys.readouterr().out


def test_a_broken_chain_is_a_failure_and_only_so_much_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bob, cleo = Keeper("bob"), Keeper("cleo")
    for _ in range(10):
        deal_in_memory(cleo, bob)
    cleo.entries[1:3] = []
    cleo.entries = [*cleo.entries[::2], *cleo.entries[1::2]]
    write_file(cleo.log, tmp_path / "cleo.log")
    assert audit([tmp_path / "cleo.log"], None, as_json=False) == FAILED
    told = capsys.readouterr().out
    assert f"✗ {cleo.node[:7]}, entry " in told and "more; --json tells them all" in told
