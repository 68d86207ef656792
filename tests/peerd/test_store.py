"""What a node keeps on disk: all of a batch or nothing, one result a request, and no loss on a full or broken disk."""

import contextlib
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from peerd.config import NetworkSettings
from peerd.state_file import NoRoomError
from peerd.store import FILE_NAME, PROMISES_KEPT_MAX, RESULTS_KEPT_MAX, Outcome, Result, Store
from peerd_protocol.actions import Forget, Predict, Remember
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import Attempt, BootNonce, GroupId, NodeId, RequestId, Term
from peerd_protocol.plan import Assignment, Call, Forecast, GroupPlan

HEARTBEAT_S = NetworkSettings().heartbeat_s


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    store = Store(folder)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def disk_full_after(size_bytes: int) -> Iterator[None]:
    """Files of this process end here, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def group_plan(group: str, number: int = 1, seconds: float = 1.0) -> GroupPlan:
    forecast = Forecast(
        seconds=seconds, seconds_alone=2.0, denoiser_calls=17, denoiser_calls_alone=22, joules=17.0, joules_alone=22.0,
        handoff_bytes=17_000,
    )  # fmt: skip
    call = Call(
        model="m", prompt="a secret", steps=11, seed=1, guidance=3.0, scheduler="ddim", width=128, height=128
    )  # fmt: skip
    assignment = Assignment(request=RequestId("r"), origin=NodeId("A"), runner=NodeId("A"), call=call)
    return GroupPlan(
        group=GroupId(group),
        attempt=Attempt(Term(1, NodeId("A"), BootNonce("b")), number),
        lead=RequestId("r"),
        executor=NodeId("A"),
        shared_steps=5,
        requests=(RequestId("r"),),
        assignments=(assignment,),
        forecast=forecast,
    )


def result(path: str = "/tmp/a.png") -> Result:
    return Result(request=RequestId("r"), path=path, pixels_sha256="00", denoiser_calls=6, exact=True, seconds=1.5)


def test_what_is_remembered_comes_back_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write([Remember("term", b"\x00\x01"), Remember("request/1", b"one"), Remember("term", b"\x02")])
        store.write([Forget("request/1"), Forget("never there")])
    with opened(tmp_path) as store:
        assert store.recall() == {"term": b"\x02"}
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    story = (
        "import os, pathlib, sys; from peerd.store import Store; from peerd_protocol.actions import Remember;"
        "Store(pathlib.Path(sys.argv[1])).write([Remember('term', b'7')]); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", story, str(tmp_path)], check=False, timeout=60)
    assert ended.returncode == -9
    with opened(tmp_path) as store:
        assert store.recall() == {"term": b"7"}


def test_a_request_has_one_result_for_ever(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert store.result(RequestId("r")) is None
        assert store.commit(result()) == result()
        assert store.commit(result("/tmp/other.png")) == result(), "the first one counts"
    with opened(tmp_path) as store:
        assert store.result(RequestId("r")) == result()


@contextmanager
def held_by_another(folder: Path) -> Iterator[sqlite3.Connection]:
    """A person with sqlite3, or a backup, that began to write and thinks about it."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_while_another_program_holds_the_file_the_loop_is_told_at_once_and_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        with held_by_another(tmp_path):
            asked_s = time.monotonic()
            with pytest.raises(NoRoomError, match="Another program holds"):
                store.write([Remember("term", b"1")])
            assert time.monotonic() - asked_s < HEARTBEAT_S / 2
            with pytest.raises(NoRoomError):
                store.save_pace("m", b"pace")
        store.write([Remember("term", b"1")])
        assert store.recall() == {"term": b"1"}


def test_a_result_waits_for_the_other_program_and_keeps_the_loop_from_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store, ThreadPoolExecutor() as threads:
        with held_by_another(tmp_path):
            committed = threads.submit(store.commit, result())
            with pytest.raises(NoRoomError):
                store.write([Remember("term", b"1")])
            assert not committed.done(), "a picture is worth waiting for"
        assert committed.result(timeout=30) == result()


def test_promises_are_kept_beside_outcomes_and_without_prompts(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write([Predict(group_plan("g"))])
        store.write([Predict(group_plan("g", number=2, seconds=3.0))])
        store.write([Predict(group_plan("g", number=2, seconds=3.0))])
        store.turned_out(Outcome(request=RequestId("r"), group=GroupId("g"), seconds=3.2, denoiser_calls=11))
        store.turned_out(Outcome(request=RequestId("r"), group=GroupId("g"), seconds=9.9, denoiser_calls=11))
        assert [plan.attempt.number for plan in store.promises()] == [1, 2]
        assert [outcome.seconds for outcome in store.outcomes()] == [3.2]
        promise = store.promise(GroupId("g"))
        assert promise is not None
        assert promise.seconds == 3.0
        assert store.promise(GroupId("nobody's")) is None
    assert b"a secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_an_outcome_stands_beside_what_was_promised_of_it(tmp_path: Path) -> None:
    told = Outcome(
        request=RequestId("r"), group=GroupId("g"), seconds=3.2, denoiser_calls=6, planned_s=0.2, promised_s=2.7,
        promised_alone_s=4.0, joules=9.5, steps=11, shared_steps=5, scheduler="ddim", width=128, height=128,
    )  # fmt: skip
    with opened(tmp_path) as store:
        store.turned_out(told)
    with opened(tmp_path) as store:
        assert store.outcomes() == [told]


def test_a_file_of_the_first_version_is_brought_up_to_date_and_loses_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write([Remember("kept", b"1")])
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as base:
        base.executescript(
            """
            DROP TABLE outcomes; DROP TABLE paces; DROP TABLE folders; DROP TABLE results;
            CREATE TABLE results (
                request TEXT PRIMARY KEY, path TEXT NOT NULL, pixels_sha256 TEXT NOT NULL,
                denoiser_calls INTEGER NOT NULL, exact INTEGER NOT NULL, seconds REAL NOT NULL
            ) WITHOUT ROWID;
            INSERT INTO results VALUES ('r2', '/two.png', 'cd', 7, 1, 1.5), ('r1', '/one.png', 'ab', 11, 0, 3.5);
            CREATE TABLE outcomes (
                request TEXT PRIMARY KEY, group_id TEXT NOT NULL, seconds REAL NOT NULL, denoiser_calls INTEGER NOT NULL
            );
            INSERT INTO outcomes VALUES ('b', 'g', 2.5, 7), ('a', 'g', 3.2, 11);
            PRAGMA user_version = 1;
            """
        )
    with opened(tmp_path) as store:
        assert [(one.request, one.seconds, one.denoiser_calls) for one in store.outcomes()] == [
            ("b", 2.5, 7),
            ("a", 3.2, 11),
        ]
        assert store.recall() == {"kept": b"1"}
        assert store.result(RequestId("r1")) == Result(
            request=RequestId("r1"), path="/one.png", pixels_sha256="ab", denoiser_calls=11, exact=False, seconds=3.5
        )
        assert store.result(RequestId("r2")) is not None
        store.save_pace("m", b"pace")
        store.save_folders(["/models/sd"])
    with opened(tmp_path) as store:
        assert store.paces() == {"m": b"pace"}
        assert store.folders() == ["/models/sd"]


def test_folders_keep_their_order_and_the_last_list_counts(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.save_folders(["/b", "/a", "mine"])
        store.save_folders(["/a", "mine", "/b"])
    with opened(tmp_path) as store:
        assert store.folders() == ["/a", "mine", "/b"]


def test_old_promises_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peerd.store.PROMISES_KEPT_MAX", 3)
    assert PROMISES_KEPT_MAX > 1_000
    with opened(tmp_path) as store:
        for number in range(6):
            store.write([Predict(group_plan(f"g{number}"))])
        assert [plan.group for plan in store.promises()] == ["g3", "g4", "g5"]


def test_old_results_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peerd.store.RESULTS_KEPT_MAX", 3)
    assert RESULTS_KEPT_MAX > 1_000
    names = [RequestId(f"r{number}") for number in (5, 4, 3, 2, 1)]
    with opened(tmp_path) as store:
        for name in names:
            store.commit(
                Result(request=name, path="/p.png", pixels_sha256="ab", denoiser_calls=1, exact=True, seconds=1.0)
            )
        assert [store.result(name) is not None for name in names] == [False, False, True, True, True]


def test_a_full_disk_is_one_sentence_and_takes_nothing_away(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write([Remember("kept", b"1")])
        with disk_full_after(200_000), pytest.raises(LocalError, match=r"full or failing.*nothing was lost"):
            store.write([Remember("small", b"1"), Remember("large", b"x" * 1_000_000)])
        assert store.recall() == {"kept": b"1"}, "all of a batch or nothing"
        store.write([Remember("later", b"2")])
    with opened(tmp_path) as store:
        assert store.recall() == {"kept": b"1", "later": b"2"}


def test_a_new_home_on_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with disk_full_after(1_000), pytest.raises(LocalError, match="free some space"):
        Store(tmp_path)
    with opened(tmp_path) as store:
        assert store.recall() == {}


def test_a_damaged_file_is_set_aside_whole_and_the_next_start_begins_anew(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write([Remember("term", b"x" * 20_000)])
    file = tmp_path / FILE_NAME
    damaged = file.read_bytes()[:5_000] + b"rubbish" * 3_000
    file.write_bytes(damaged)
    with pytest.raises(LocalError, match=r"damaged; it was set aside as state.sqlite.damaged-1"):
        Store(tmp_path)
    assert (tmp_path / "state.sqlite.damaged-1").read_bytes() == damaged
    with opened(tmp_path) as store:
        assert store.recall() == {}
    file.write_bytes(b"not a database at all, but long enough to have a header of one hundred bytes" * 3)
    with pytest.raises(LocalError, match="damaged-2"):
        Store(tmp_path)
    assert (tmp_path / "state.sqlite.damaged-1").exists()


def test_a_file_of_a_newer_peerd_is_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    base = sqlite3.connect(tmp_path / FILE_NAME)
    base.execute("PRAGMA user_version = 99")
    base.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(LocalError, match="newer peerd"):
        Store(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_home_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="can not be used"):
        Store(tmp_path / "missing")
