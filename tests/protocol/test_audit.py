"""Logs held against themselves and each other: what an audit finds, and that it finds nothing where all is well."""

import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerd.network.identity import signed_by
from peerd_protocol.audit import Log, Report, audit
from peerd_protocol.certificates import pack
from peerd_protocol.commitment import split, step_digest, tree_hash
from peerd_protocol.errors import FrameError
from peerd_protocol.hash_chain import Entry, first_hash
from peerd_protocol.receipts import read_acceptance, read_work, receipt_bytes
from tests.protocol.keepers import Keeper, deal
from tests.protocol.samples import COUNTERSIGNATURE, RECEIPT

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors" / "receipts"


def of(*keepers: Keeper) -> Report:
    return audit([keeper.log for keeper in keepers], signed_by)


def three_that_dealt() -> tuple[Keeper, Keeper, Keeper]:
    ada, bob, cleo = Keeper("ada"), Keeper("bob"), Keeper("cleo")
    for giver, taker in ((ada, bob), (ada, cleo), (bob, ada), (cleo, bob), (ada, bob)):
        deal(giver, taker)
    return ada, bob, cleo


def with_entry(log: Log, place: int, **changed: object) -> Log:
    entries = list(log.entries)
    entries[place] = msgspec.structs.replace(entries[place], **changed)
    return Log(device=log.device, entries=tuple(entries))


# ---- all is well ------------------------------------------------------------------------------------------------


def test_logs_of_devices_that_dealt_honestly_are_sound_alone_and_together() -> None:
    ada, bob, cleo = three_that_dealt()
    for keepers in ((ada,), (bob,), (ada, bob), (ada, bob, cleo), (Keeper("dan"),), ()):
        assert of(*keepers).is_sound
    (found,) = of(ada).logs
    assert [deal.gave for deal in found.deals] == [True, True, False, True]
    assert all(deal.answered for deal in found.deals)
    assert found.head == ada.entries[-1].hash and not found.unanswered


def test_a_receipt_without_its_countersignature_is_shown_as_unanswered_and_is_no_fault() -> None:
    ada, bob = Keeper("ada"), Keeper("bob")
    deal(ada, bob)
    ada.gives(bob)
    report = of(ada, bob)
    assert report.is_sound
    assert [deal.index for deal in report.logs[0].unanswered] == [2]


def test_a_log_whose_oldest_entries_were_dropped_is_sound() -> None:
    ada, bob, _ = three_that_dealt()
    for dropped in range(1, len(ada.entries)):
        younger = Log(device=ada.key, entries=tuple(ada.entries[dropped:]))
        report = audit([younger, bob.log], signed_by)
        assert report.is_sound and report.logs[0].first == dropped


# ---- a log that was touched -------------------------------------------------------------------------------------


def faults_of(log: Log, *others: Log) -> str:
    report = audit([log, *others], signed_by)
    assert not report.is_sound and not report.forks, "whoever touches a log has not the keys to make a fork"
    return " ".join(fault.text for fault in report.faults if fault.log == log.node)


def test_an_altered_receipt_is_found() -> None:
    ada, *_ = three_that_dealt()
    work = read_work(ada.entries[0].body)
    for change in ({"joules": 9.0}, {"step": 4}, {"digest": bytes(32)}, {"receiver": ada.node}, {"index": 1}):
        body = pack(msgspec.structs.replace(work, **change))
        assert "did not sign" in faults_of(with_entry(ada.log, 0, body=body))


def test_every_field_that_is_changed_is_found() -> None:
    _, bob, cleo = three_that_dealt()
    assert cleo.entries[-1].kind == "answered"
    for log in (bob.log, cleo.log):
        for index, entry in enumerate(log.entries):
            for name in ("previous", "body", "signature", "answer", "answer_signature", "steps"):
                value = getattr(entry, name)
                if value:
                    changed = bytes([value[0] ^ 1]) + value[1:]
                    report = audit([with_entry(log, index, **{name: changed})], signed_by)
                    assert report.faults, (index, entry.kind, name)
    assert "missing" in faults_of(with_entry(bob.log, 1, index=7))


def test_an_entry_that_was_taken_out_is_found() -> None:
    ada, *_ = three_that_dealt()
    for index in range(1, len(ada.entries) - 1):
        entries = tuple(ada.entries[:index] + ada.entries[index + 1 :])
        assert "missing" in faults_of(Log(device=ada.key, entries=entries))


def test_entries_in_another_order_are_found() -> None:
    ada, *_ = three_that_dealt()
    entries = (ada.entries[1], ada.entries[0], *ada.entries[2:])
    assert faults_of(Log(device=ada.key, entries=entries))


def test_a_log_that_was_cut_is_found_by_what_others_hold() -> None:
    ada, bob, cleo = three_that_dealt()
    for kept in range(5):  # her last signature, which Bob holds, is at entry 5
        cut = Log(device=ada.key, entries=tuple(ada.entries[:kept]))
        assert audit([cut], signed_by).is_sound, "alone, nobody can tell"
        assert "it was cut." in faults_of(cut, bob.log, cleo.log)
        copy = msgspec.structs.replace(cut, is_copy=True)
        report = audit([copy, bob.log, cleo.log], signed_by)
        assert report.is_sound and [note.log for note in report.notes] == [ada.node], "it may be an old one"


def test_a_log_that_somebody_continued_in_its_owners_place_is_found() -> None:
    """Without the key nobody can sign, but an "answered" entry is signed by another: it can be moved or dropped."""
    ada, bob, _ = three_that_dealt()
    last = ada.entries[-2]
    assert last.kind == "gave"
    previous = ada.entries[0]
    repeated = msgspec.structs.replace(previous, index=last.index, previous=last.previous)
    text = faults_of(Log(device=ada.key, entries=(*ada.entries[:-2], repeated)), bob.log)
    assert "another history" in text


def test_somebody_elses_receipt_or_countersignature_is_none_of_this_log() -> None:
    ada, bob, cleo = Keeper("ada"), Keeper("bob"), Keeper("cleo")
    receipt = ada.gives(bob)
    bob.gets(ada, receipt)
    cleo.gets(ada, receipt)
    assert "made out to another" in faults_of(cleo.log)
    assert of(ada, bob).is_sound
    dan = Keeper("dan")
    dan.gives(bob)
    dan.is_answered(bob.gets(ada, ada.gives(bob)))
    assert "never gave" in faults_of(dan.log)


def test_a_countersignature_by_another_than_the_receiver_is_found() -> None:
    ada, bob, cleo = Keeper("ada"), Keeper("bob"), Keeper("cleo")
    ada.is_answered(cleo.gets(ada, ada.gives(bob)))
    assert "another device than the receipt was made out to" in faults_of(ada.log)


def test_a_countersignature_of_another_receipt_is_found() -> None:
    ada, bob = Keeper("ada"), Keeper("bob")
    first, second = ada.gives(bob), ada.gives(bob)
    bob.gets(ada, first)
    assert "of another receipt" in faults_of(with_entry(bob.log, 0, body=second.body, signature=second.signature))


def test_what_another_device_signed_for_this_place_is_none_of_this_log() -> None:
    ada, _, cleo = three_that_dealt()
    borrowed = Keeper("bob", ada.entries[:2])
    borrowed.gives(cleo)
    assert "of another device stands" in faults_of(Log(device=ada.key, entries=tuple(borrowed.entries)))


def test_an_unsigned_end_that_was_replaced_is_found_by_what_others_hold() -> None:
    ada, bob, _ = three_that_dealt()
    at = len(ada.entries) - 3
    assert ada.entries[at].kind == "got" and ada.entries[at - 1].kind == "answered"
    end = msgspec.structs.replace(ada.entries[1], index=at - 1, previous=ada.entries[at - 2].hash)
    replaced = Log(device=ada.key, entries=(*ada.entries[: at - 1], end))
    assert audit([replaced], signed_by).is_sound, "alone, nobody can tell"
    assert "another entry in this place" in faults_of(replaced, bob.log)


def test_one_receipt_counts_once() -> None:
    ada, bob = Keeper("ada"), Keeper("bob")
    receipt = ada.gives(bob)
    bob.gets(ada, receipt)
    bob.gets(ada, receipt)
    assert "holds already" in faults_of(bob.log)


# ---- forks ------------------------------------------------------------------------------------------------------


def test_a_device_that_shows_two_people_different_histories_is_exposed_when_their_logs_meet() -> None:
    ada, bob, cleo = three_that_dealt()
    other = ada.twin()
    deal(ada, bob, joules=1.0)
    deal(other, cleo, joules=99.0)
    assert of(bob).is_sound and of(cleo).is_sound and of(ada, bob).is_sound, "each alone is told one story"
    (fork,) = of(bob, cleo).forks
    assert (fork.device, fork.index) == (ada.node, len(ada.entries) - 2)
    assert {shown.held_by for shown in fork.shown} == {(bob.node,), (cleo.node,)}


def test_a_fork_is_proven_even_where_the_two_hold_statements_of_different_places() -> None:
    """What she signs next names the hash of what she hid: Bob holds entry n + 2 alone, Cleo n and n + 1."""
    ada, bob, cleo = three_that_dealt()
    other, at = ada.twin(), len(ada.entries)
    deal(ada, bob)
    bob.entries.pop()
    bob.gets(ada, ada.gives(bob))
    cleo.gets(ada, other.gives(cleo))
    cleo.gets(ada, other.gives(cleo))
    assert [(fork.device, fork.index) for fork in of(bob, cleo).forks] == [(ada.node, at + 1)]


def test_a_receiver_that_counter_signs_with_two_histories_is_exposed_by_those_who_hold_its_answers() -> None:
    ada, bob, cleo = three_that_dealt()
    other = bob.twin()
    deal(ada, bob)
    deal(cleo, other)
    assert [fork.device for fork in of(ada, cleo).forks] == [bob.node]


def test_a_log_that_was_lost_and_begun_anew_looks_like_two_histories() -> None:
    ada, bob, cleo = three_that_dealt()
    again = Keeper("ada")
    deal(again, cleo)
    (fork,) = of(bob, cleo).forks
    assert (fork.device, fork.index) == (ada.node, 0)


def test_a_false_statement_proves_nothing_against_whom_it_names() -> None:
    ada, bob, mal = Keeper("ada"), Keeper("bob"), Keeper("mal")
    deal(ada, bob)
    work, _ = ada.twin().work(mal)
    body = pack(msgspec.structs.replace(work, index=0, previous=first_hash(ada.node)))
    index, previous = mal.place
    forged = mal.secret.sign(receipt_bytes(body))
    mal.entries.append(Entry(index=index, previous=previous, kind="got", body=body, signature=forged))
    report = of(ada, bob, mal)
    assert not report.forks
    (fault,) = report.faults
    assert fault.log == mal.node and "did not sign" in fault.text


@given(
    st.integers(0, 12), st.binary(min_size=1, max_size=40), st.sampled_from(["body", "signature", "steps", "answer"])
)
def test_no_nonsense_in_a_log_brings_an_audit_down(index: int, noise: bytes, where: str) -> None:
    ada, bob, _ = three_that_dealt()
    for keeper in (ada, bob):
        audit([with_entry(keeper.log, index % len(keeper.entries), **{where: noise})], signed_by)


# ---- statements -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["joules", "seconds"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300])
def test_numbers_that_are_none_are_refused(field: str, value: float) -> None:
    ada, bob = Keeper("ada"), Keeper("bob")
    work, _ = ada.work(bob)
    with pytest.raises(FrameError, match=field):
        read_work(pack(msgspec.structs.replace(work, **{field: value})))


def test_a_receipt_for_no_steps_and_a_false_beginning_are_refused() -> None:
    ada, bob = Keeper("ada"), Keeper("bob")
    work, _ = ada.work(bob)
    with pytest.raises(FrameError, match="which are none"):
        read_work(pack(msgspec.structs.replace(work, first=3)))
    with pytest.raises(FrameError, match="beginning"):
        read_work(pack(msgspec.structs.replace(work, previous=bytes(32))))
    with pytest.raises(FrameError, match="beginning"):
        read_acceptance(pack(msgspec.structs.replace(read_acceptance(COUNTERSIGNATURE.body), previous=bytes(32))))


def test_neither_statement_passes_for_the_other() -> None:
    with pytest.raises(FrameError):
        read_work(COUNTERSIGNATURE.body)
    with pytest.raises(FrameError):
        read_acceptance(RECEIPT.body)
    ada = Keeper("ada")
    assert signed_by(ada.key, RECEIPT.signature, receipt_bytes(RECEIPT.body))
    assert not signed_by(ada.key, RECEIPT.signature, RECEIPT.body)


def test_the_tree_hash_is_that_of_rfc_6962() -> None:
    """Its test vectors: the roots of the first leaves of certificate transparency's own reference tree."""
    leaves = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43"]
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    }
    assert {count: tree_hash(leaves[:count]).hex() for count in roots} == roots
    assert tree_hash([]) == hashlib.sha256().digest()


def test_a_step_digest_names_its_step() -> None:
    assert step_digest(1, b"latent") != step_digest(2, b"latent")
    digests = [step_digest(step, b"") for step in (1, 2, 3)]
    assert split(b"".join(digests)) == digests


@pytest.mark.parametrize("name", ["ada", "bob"])
def test_the_golden_logs_are_what_their_prose_says(name: str) -> None:
    """Read as a peer in another language would: with SHA-256 alone."""
    log = json.loads((VECTORS / f"log_of_{name}.json").read_text())
    previous = hashlib.sha256(b"peerd log 1\0" + log["device"].encode()).hexdigest()
    for number, entry in enumerate(log["entries"]):
        assert (entry["index"], entry["previous"]["hex"]) == (number, previous)
        kind = {"gave": b"\1", "got": b"\2", "answered": b"\3"}[entry["kind"]]
        statement = hashlib.sha256(bytes.fromhex(entry["body"]["hex"])).digest()
        hashed = b"peerd log entry 1\0" + number.to_bytes(8, "little") + bytes.fromhex(previous) + kind + statement
        previous = entry["hash"]["hex"]
        assert hashlib.sha256(hashed).hexdigest() == previous
        if entry["steps"]["hex"]:
            root = tree_hash(split(bytes.fromhex(entry["steps"]["hex"])))
            assert entry["body_opened"]["latents"]["hex"] == root.hex()
