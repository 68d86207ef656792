"""Members that cheat with receipts: forged, altered, replayed, poured out, two histories; and logs that were touched.

Never here: which handoffs a receipt is for (`tests/peerd/test_receipts.py`), or the daemons' channels.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from peerd.audit_files import read_any, write_file
from peerd.commands.audit import audit
from peerd.config import HOME_VARIABLE
from peerd.network.identity import Identity
from peerd.receipt_log import FILE_NAME, ReceiptLog, read_log
from peerd.receipts import WAITING_MAX_EACH
from peerd_protocol.certificates import pack
from peerd_protocol.errors import LocalError
from peerd_protocol.messages import Countersignature, Receipt
from peerd_protocol.receipts import countersignature_bytes, read_acceptance, read_work, receipt_bytes
from tests.peerd.dealing import Dealer, audited, begin_of, deal, dealers

# ---- what a peer says -------------------------------------------------------------------------------------------


async def given(ada: Dealer, bob: Dealer) -> Receipt:
    """A receipt that Ada made for what Bob has got, and that did not reach him yet."""
    ada.runs()
    ada.hands_over(bob, begin_of())
    await ada.works()
    (receipt,) = ada.takes_said()
    assert isinstance(receipt, Receipt)
    return receipt


def signed(signer: Identity, receipt: Receipt, **changed: object) -> Receipt:
    body = pack(msgspec.structs.replace(read_work(receipt.body), **changed))
    return Receipt(body=body, signature=signer.sign(receipt_bytes(body)))


async def comes_to_nothing(taker: Dealer, sender: Dealer, receipt: Receipt) -> None:
    await taker.hears(sender, receipt)
    assert not taker.said and not taker.log.entries and taker.receipts.counts["not believed"] == 1


async def test_a_receipt_that_nobody_signed_is_not_counter_signed(tmp_path: Path) -> None:
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        receipt = await given(ada, bob)
        await comes_to_nothing(bob, ada, Receipt(body=receipt.body, signature=bytes(64)))


async def test_a_receipt_in_anothers_name_is_not_counter_signed(tmp_path: Path) -> None:
    """Mal sends what Ada signed for Bob, and what Mal signed himself as if he had run it."""
    async with dealers(tmp_path, "ada", "bob", "mal") as (ada, bob, mal):
        receipt = await given(ada, bob)
        await comes_to_nothing(bob, mal, receipt)
        own = signed(mal.identity, receipt, executor=mal.identity.device_key)
        await bob.hears(mal, own)
        await bob.hears(ada, signed(mal.identity, receipt))
        bob.takes(mal, begin_of())
        await bob.hears(mal, receipt)
        assert not bob.said and not bob.log.entries


@pytest.mark.parametrize(
    "changed",
    [
        {"digest": bytes(32)},
        {"step": 9},
        {"request": "another"},
        {"group": "another"},
        {"receiver": "another"},
        {"first": 7, "step": 8},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_a_receipt_that_says_otherwise_than_its_handoff_is_not_counter_signed(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        receipt = await given(ada, bob)
        await comes_to_nothing(bob, ada, signed(ada.identity, receipt, **changed))


async def test_one_checkpoint_has_one_receipt(tmp_path: Path) -> None:
    """Neither the same one again nor another one, with more joules, is written down a second time."""
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        receipt = await deal(ada, bob, begin_of())
        more = signed(ada.identity, receipt, joules=9_000.0, index=2, previous=ada.log.entries[-1].hash)
        await bob.hears(ada, receipt, more, receipt)
        first, second = bob.takes_said()
        assert first == second, "what was answered is answered as before"
        assert len(bob.log.entries) == 1


async def test_a_receipt_for_another_receiver_is_worth_nothing_to_this_one(tmp_path: Path) -> None:
    async with dealers(tmp_path, "ada", "bob", "cleo") as (ada, bob, cleo):
        receipt = await given(ada, bob)
        cleo.takes(ada, begin_of())
        await comes_to_nothing(cleo, ada, receipt)


async def test_a_countersignature_that_is_forged_or_anothers_closes_nothing(tmp_path: Path) -> None:
    async with dealers(tmp_path, "ada", "bob", "mal") as (ada, bob, mal):
        receipt = await given(ada, bob)
        await bob.hears(ada, receipt)
        (answer,) = bob.takes_said()
        await ada.hears(mal, answer)
        await ada.hears(bob, Countersignature(body=answer.body, signature=bytes(64)))
        mals = {"receiver": mal.identity.device_key, "index": 5}
        as_mal = pack(msgspec.structs.replace(read_acceptance(answer.body), **mals))
        in_mals_name = Countersignature(body=as_mal, signature=mal.identity.sign(countersignature_bytes(as_mal)))
        await ada.hears(bob, in_mals_name)
        await ada.hears(mal, in_mals_name)
        strange = pack(msgspec.structs.replace(read_acceptance(answer.body), receipt=bytes(32)))
        await ada.hears(
            bob, Countersignature(body=strange, signature=bob.identity.sign(countersignature_bytes(strange)))
        )
        assert [entry.kind for entry in ada.log.entries] == ["gave"]
        assert ada.receipts.counts["not believed"] == 5
        await ada.hears(bob, answer)
        assert [entry.kind for entry in ada.log.entries] == ["gave", "answered"]


async def test_a_flood_of_receipts_writes_nothing_and_a_true_one_comes_through(tmp_path: Path) -> None:
    async with dealers(tmp_path, "ada", "bob", "mal") as (ada, bob, mal):
        receipt = await given(ada, bob)
        for number in range(300):
            bob.receipts.heard(mal.node, signed(mal.identity, receipt, handoff=f"h{number}"))
        await bob.hears(ada, receipt)
        assert len(bob.log.entries) == 1
        refused, dropped = bob.receipts.counts["not believed"], bob.receipts.counts["too many at once"]
        assert refused + dropped == 300 and refused == WAITING_MAX_EACH


async def test_nonsense_in_a_receipt_costs_a_line(tmp_path: Path) -> None:
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        await bob.hears(ada, *(Receipt(body=body, signature=b"") for body in (b"", b"\x80", b"\xc1", bytes(2_048))))
        await ada.hears(bob, Countersignature(body=b"\x91", signature=b""))
        assert bob.receipts.counts["not believed"] == 4 and ada.receipts.counts["not believed"] == 1


async def test_a_device_that_keeps_two_logs_is_exposed(tmp_path: Path) -> None:
    """Mal gives Ada a small bill and Bob a large one, from copies of one home."""
    async with dealers(tmp_path, "ada", "bob", "mal") as (ada, bob, mal):
        await deal(mal, ada, begin_of(0))
        mal.kept.close()
        copy = tmp_path / "copy"
        copy.mkdir(mode=0o700)
        for file in mal.home.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
            (copy / file.name).chmod(0o600)
        mal.kept.__init__(mal.home, mal.identity.device_key)  # type: ignore[misc]
        other = Dealer(tmp_path, "copy")
        await deal(mal, ada, begin_of(1))
        await deal(other, bob, begin_of(2))
        other.kept.close()
        assert audited(ada).is_sound and audited(bob).is_sound and audited(mal, ada).is_sound
        (fork,) = audited(ada, bob).forks
        assert (fork.device, fork.index) == (mal.node, 2)


# ---- what lies on disk ------------------------------------------------------------------------------------------


async def home_with_deals(folder: Path) -> tuple[Path, Path]:
    """Ada's home, and Bob's exported log."""
    async with dealers(folder, "ada", "bob") as (ada, bob):
        for number in range(3):
            await deal(ada, bob, begin_of(number, digest=bytes([number]) * 32))
        exported = folder / "bob.log"
        write_file(bob.log, exported)
        return ada.home, exported


def touched(home: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(home / FILE_NAME)) as base:
        base.execute(statement, values)
        base.commit()


def audit_of(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *others: Path
) -> tuple[int, dict[str, list[dict[str, object]]]]:
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    code = audit(others, None, as_json=True)
    return code, json.loads(capsys.readouterr().out)


async def test_an_edited_log_is_told_and_its_daemon_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, _ = await home_with_deals(tmp_path)
    assert audit_of(home, monkeypatch, capsys)[0] == 0
    log = read_log(home)
    assert log is not None
    entry = log.entries[2]
    body = entry.body.replace(b"shared", b"SHARED")
    touched(home, "UPDATE entries SET entry = ? WHERE number = 2", pack(msgspec.structs.replace(entry, body=body)))
    code, found = audit_of(home, monkeypatch, capsys)
    assert code == 1 and {fault["entry"] for fault in found["faults"]} >= {2, 3} and not found["forks"]
    async with dealers(tmp_path, "ada", "cleo") as (ada, cleo):
        await deal(ada, cleo, begin_of(7))
        assert len(ada.log.entries) == 8


async def test_a_log_whose_end_was_cut_off_is_told_by_what_another_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, bobs = await home_with_deals(tmp_path)
    touched(home, "DELETE FROM entries WHERE number >= 3")
    assert audit_of(home, monkeypatch, capsys)[0] == 0, "alone, nobody can tell"
    code, found = audit_of(home, monkeypatch, capsys, bobs)
    assert code == 1 and "it was cut" in str(found["faults"])


async def test_an_entry_that_was_removed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, _ = await home_with_deals(tmp_path)
    touched(home, "DELETE FROM entries WHERE number = 2")
    code, found = audit_of(home, monkeypatch, capsys)
    assert code == 1 and "missing" in str(found["faults"])


async def test_another_devices_log_is_not_continued(tmp_path: Path) -> None:
    home, _ = await home_with_deals(tmp_path)
    with pytest.raises(LocalError, match="move it away"):
        ReceiptLog(home, bytes(32))


async def test_a_file_that_is_no_log_is_refused_with_its_line(tmp_path: Path) -> None:
    _, bobs = await home_with_deals(tmp_path)
    heading, first, *_ = bobs.read_bytes().splitlines()
    other = heading.replace(b"receipts 1", b"receipts 2")
    assert other != heading
    first_line, second_line = ([first], [b"{}"], [other]), ([heading, b"\xff"], [heading, first[:-9]])
    for number, lines in (*((1, each) for each in first_line), *((2, each) for each in second_line)):
        bobs.write_bytes(b"\n".join(lines))
        with pytest.raises(LocalError, match=f"line {number}"):
            read_any(bobs)
    bobs.write_bytes(b"")
    with pytest.raises(LocalError, match="empty"):
        read_any(bobs)
