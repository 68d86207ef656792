"""Receipts as two devices exchange them: once for each checkpoint, kept before they are told, and never in the way."""

import asyncio
import contextlib
import logging
from pathlib import Path

import pytest

from peerd import receipts
from peerd.device.host import Host
from peerd.device.pace import Paces
from peerd.engine.toy import ToyEngine
from peerd.handovers import OPEN_MAX, Handovers
from peerd.receipts import QUEUE_MAX, TRIES_MAX, WAITING_MAX_EACH
from peerd.runs import Ran
from peerd.works import Works
from peerd_protocol.actions import Denoise, Send
from peerd_protocol.checkpoint import unpack
from peerd_protocol.commitment import split, step_digest, tree_hash
from peerd_protocol.events import CheckpointSaved, Event, Received, Ticked
from peerd_protocol.ids import NodeId
from peerd_protocol.messages import Chunk, Countersignature, Goodbye, HandoffBegin, HandoffDone, HandoffGot, Receipt
from peerd_protocol.plan import Leave
from peerd_protocol.receipts import read_acceptance, read_work, statement_digest
from tests.peerd.dealing import STEPS, audited, begin_of, deal, dealers
from tests.protocol.samples import CALL

ADA = NodeId("ada")


async def test_a_checkpoint_that_changed_hands_is_signed_for_on_both_sides(tmp_path: Path) -> None:
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        begin = begin_of()
        receipt = await deal(ada, bob, begin)
        work = read_work(receipt.body)
        assert (work.signer, work.receiver) == (ada.node, bob.node)
        assert (work.request, work.attempt, work.digest) == (begin.request, begin.attempt, begin.digest)
        assert (work.first, work.step, work.seconds, work.joules) == (0, STEPS, 1.5, 30.0)
        assert [entry.kind for entry in ada.log.entries] == ["gave", "answered"]
        assert [entry.kind for entry in bob.log.entries] == ["got"]
        assert work.latents == tree_hash(split(ada.log.entries[0].steps))
        answer = read_acceptance(bob.log.entries[0].answer)
        assert (answer.signer, answer.receipt) == (bob.node, statement_digest(receipt.body))
        report = audited(ada, bob)
        assert report.is_sound and not report.logs[0].unanswered


async def test_many_deals_both_ways_make_one_sound_history(tmp_path: Path) -> None:
    async with dealers(tmp_path, "ada", "bob", "cleo") as (ada, bob, cleo):
        for number, (giver, taker) in enumerate([(ada, bob), (ada, cleo), (bob, ada), (cleo, bob), (bob, cleo)]):
            await deal(giver, taker, begin_of(number))
        assert audited(ada, bob, cleo).is_sound


async def test_what_was_not_run_here_is_not_signed_for(tmp_path: Path) -> None:
    """A kept checkpoint of an earlier life, or one that is passed on as it came."""
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        ada.hands_over(bob, begin_of())
        await ada.works()
        assert not ada.said and not ada.log.entries


async def test_an_answer_that_is_lost_is_given_again_and_nothing_is_written_twice(tmp_path: Path) -> None:
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        ada.runs()
        ada.hands_over(bob, begin_of())
        await ada.works()
        (receipt,) = ada.takes_said()
        await bob.hears(ada, receipt)
        (lost,) = bob.takes_said()
        await bob.hears(ada, receipt)
        assert bob.takes_said() == [lost]
        await ada.hears(bob, lost, lost)
        assert [len(each.log.entries) for each in (ada, bob)] == [2, 1]


async def test_a_receipt_without_an_answer_is_said_again_some_times_and_then_shown_as_unanswered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "RETRY_S", 0.02)
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        ada.runs()
        ada.hands_over(bob, begin_of())
        working = asyncio.create_task(ada.receipts.run())
        for _ in range(500):
            if len(ada.said) >= TRIES_MAX and not ada.receipts._open:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        assert len(ada.said) == TRIES_MAX and len({message.body for _, message in ada.said}) == 1
        report = audited(ada)
        assert report.is_sound and len(report.logs[0].unanswered) == 1


async def test_a_full_disk_costs_a_line_and_the_receipt_is_answered_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from peerd.state_file import NoRoomError

    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        ada.runs()
        ada.hands_over(bob, begin_of())
        await ada.works()
        (receipt,) = ada.takes_said()

        def refuse(_: object) -> None:
            raise NoRoomError("the disk is full")

        with monkeypatch.context() as full, caplog.at_level(logging.WARNING):
            full.setattr(bob.kept, "append", refuse)
            await bob.hears(ada, receipt)
        assert not bob.said and "the disk is full" in caplog.text
        await bob.hears(ada, receipt)
        (answer,) = bob.takes_said()
        assert isinstance(answer, Countersignature)


async def test_more_than_fits_into_the_queue_is_dropped(tmp_path: Path) -> None:
    async with dealers(tmp_path, "ada", "bob") as (ada, bob):
        for _ in range(WAITING_MAX_EACH + 50):
            bob.receipts.heard(ada.node, Receipt(body=b"", signature=b""))
        assert bob.receipts.counts["too many at once"] == 50
        for number in range(QUEUE_MAX):
            bob.receipts.heard(NodeId(f"member {number}"), Receipt(body=b"", signature=b""))
        assert bob.receipts.counts["too many at once"] == 50 + WAITING_MAX_EACH
        await bob.works()
        assert bob.receipts.counts["not believed"] == QUEUE_MAX and not bob.log.entries
        bob.receipts.heard(ada.node, Receipt(body=b"", signature=b""))
        assert bob.receipts.counts["too many at once"] == 50 + WAITING_MAX_EACH, "there is room again"


# ---- what is watched --------------------------------------------------------------------------------------------


def got(begin: HandoffBegin) -> Send:
    return Send(ADA, HandoffGot(handoff=begin.handoff, offset=0))


def accepted(begin: HandoffBegin) -> Send:
    return Send(ADA, HandoffDone(handoff=begin.handoff, accepted=True))


def chunk(begin: HandoffBegin) -> Received:
    return Received(ADA, Chunk(handoff=begin.handoff, offset=0, data=b"x"))


def test_only_what_the_node_has_verified_counts_as_got() -> None:
    watched, begin = Handovers(), begin_of()
    assert not watched.saw(Received(ADA, begin), [got(begin)])
    assert not watched.saw(chunk(begin), [got(begin)])
    refused = Send(ADA, HandoffDone(handoff=begin.handoff, accepted=False, reason="the digest does not fit the bytes"))
    assert not watched.saw(chunk(begin), [refused])
    assert not watched.saw(chunk(begin), [accepted(begin)]), "it was refused"


def test_another_announcement_under_the_same_name_changes_nothing_of_what_was_got() -> None:
    """The node only repeats its answer: a giver can not have another digest counter-signed."""
    watched, begin, other = Handovers(), begin_of(), begin_of(digest=bytes(32))
    watched.saw(Received(ADA, begin), [got(begin)])
    watched.saw(Received(ADA, other), [])  # the node does not hear it: say, another life of that key
    watched.saw(chunk(begin), [got(begin)])
    (found,) = watched.saw(chunk(begin), [accepted(begin)])
    assert found.begin == begin
    assert not watched.saw(Received(ADA, other), [accepted(other)]), "an answer that is repeated"
    watched.saw(Received(ADA, begin), [got(begin)])
    watched.saw(Received(ADA, other), [got(other)])
    (found,) = watched.saw(chunk(other), [accepted(other)])
    assert found.begin == other, "the node took the later one up in its place"


def test_a_checkpoint_that_came_before_its_plan_counts_and_an_ambiguous_one_does_not() -> None:
    watched, begin, other = Handovers(), begin_of(), begin_of(digest=bytes(32))
    planned = Received(NodeId("leader"), Goodbye())  # whatever lets the node take it up
    watched.saw(Received(ADA, begin), [])
    watched.saw(Received(ADA, begin), [])
    watched.saw(planned, [got(begin)])
    assert [each.begin for each in watched.saw(chunk(begin), [accepted(begin)])] == [begin]
    watched.saw(Received(ADA, begin), [])
    watched.saw(Received(ADA, other), [])
    watched.saw(planned, [got(begin)])
    assert not watched.saw(chunk(begin), [accepted(begin)])


def test_spares_and_pictures_get_no_receipt_and_what_is_watched_is_bounded() -> None:
    watched = Handovers()
    for what in ("spare", "picture"):
        begin = begin_of(what=what)
        watched.saw(Received(ADA, begin), [got(begin)])
        assert not watched.saw(chunk(begin), [accepted(begin)])
    for number in range(OPEN_MAX + 10):
        begin = begin_of(number)
        watched.saw(Received(ADA, begin), [])
        watched.saw(Ticked(0.0), [Send(ADA, begin)])
    assert len(watched._heard) == len(watched._giving) == OPEN_MAX


def test_whoever_else_says_that_it_has_a_checkpoint_is_given_no_receipt() -> None:
    watched, begin = Handovers(), begin_of()
    watched.saw(Ticked(0.0), [Send(ADA, begin)])
    done = HandoffDone(handoff=begin.handoff, accepted=True)
    assert not watched.saw(Received(NodeId("mal"), done), [])
    (given,) = watched.saw(Received(ADA, done), [])
    assert given.given and given.begin == begin


# ---- what a run leaves ------------------------------------------------------------------------------------------


async def test_a_run_of_shared_steps_tells_its_digests_where_a_member_leaves() -> None:
    told, posted = list[Ran](), list[Event]()
    works = Works(ToyEngine(), Paces(), Host(1), lambda: 20.0, ran=told.append)
    leaves = (Leave(name="one", step=2), Leave(name="two", step=4))
    await works.run(Denoise("shared/g/1", CALL, None, 4, leaves=leaves), posted.append)
    assert [(ran.first, ran.step, len(split(ran.steps))) for ran in told] == [(0, 2, 2), (0, 4, 4)]
    saved = [event for event in posted if isinstance(event, CheckpointSaved) and event.names]
    for ran, checkpoint in zip(told, saved, strict=True):
        latent = unpack(checkpoint.data).outputs[0].data
        assert split(ran.steps)[-1] == step_digest(ran.step, latent), "the last digest is that of what is handed over"
        assert ran.joules == 20.0 * ran.seconds

    told.clear()
    resumed = Denoise("shared/g/2", CALL, saved[0].data, 4, leaves=(leaves[1],), resumes=True)
    await works.run(resumed, posted.append)
    (ran,) = told
    assert (ran.first, ran.step) == (2, 4), "another's steps are not claimed"

    told.clear()
    passed_on = Denoise("shared/g/3", CALL, saved[0].data, 4, leaves=leaves, resumes=True)
    await works.run(passed_on, posted.append)
    assert [ran.step for ran in told] == [4], "nor a checkpoint that is passed on as it came"


async def test_own_steps_and_checkpoints_on_the_way_are_nobodys_receipt() -> None:
    told, posted = list[Ran](), list[Event]()
    works = Works(ToyEngine(), Paces(), Host(1), ran=told.append)
    await works.run(Denoise("own/r", CALL, None, None), posted.append)
    assert not told
