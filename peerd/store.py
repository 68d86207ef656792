"""What a node keeps on disk, in one SQLite file: its memory, its results, its promises, its paces and folders.

Each call is one short transaction that is on disk when it returns. What may hold words of a prompt or a latent (the
memory, and what plans say) is sealed. Never here: what the values mean, the pictures themselves, or how the file
survives (`state_file`).
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

import msgspec

from peerd.sealing import Seal, is_sealed
from peerd.state_file import LOOP_BUSY_S, StateFile
from peerd_protocol.actions import Forget, Predict, Remember
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import GroupId, RequestId
from peerd_protocol.plan import Forecast, GroupPlan

FILE_NAME = "state.sqlite"
VERSION = 4
PLAN_PLACE = "plan/"
"""Before a group's name, where a plan of it is sealed."""
PROMISES_KEPT_MAX = 10_000
"""Promises and outcomes beyond this many go, the oldest first."""
RESULTS_KEPT_MAX = 50_000
"""Results too: so many requests later nobody can deliver that one again. All of it together stays below 50 MB."""

_TABLES = """
CREATE TABLE memory (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE results (
    number INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE, path TEXT NOT NULL, pixels_sha256 TEXT NOT NULL,
    denoiser_calls INTEGER NOT NULL, exact INTEGER NOT NULL, seconds REAL NOT NULL
);
CREATE TABLE promises (
    number INTEGER PRIMARY KEY, group_id TEXT NOT NULL, attempt BLOB NOT NULL, plan BLOB NOT NULL,
    UNIQUE (group_id, attempt)
);
CREATE TABLE outcomes (request TEXT PRIMARY KEY, group_id TEXT NOT NULL, outcome BLOB NOT NULL);
CREATE TABLE paces (model TEXT PRIMARY KEY, pace BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE folders (number INTEGER PRIMARY KEY, name TEXT NOT NULL);
"""
_UPGRADES = {
    1: """
ALTER TABLE outcomes RENAME TO outcomes_1;
CREATE TABLE outcomes (request TEXT PRIMARY KEY, group_id TEXT NOT NULL, outcome BLOB NOT NULL);
INSERT INTO outcomes SELECT request, group_id, json_object(
    'request', request, 'group', group_id, 'seconds', seconds, 'denoiser_calls', denoiser_calls
) FROM outcomes_1 ORDER BY rowid;
DROP TABLE outcomes_1;
DROP TABLE IF EXISTS speeds;
CREATE TABLE paces (model TEXT PRIMARY KEY, pace BLOB NOT NULL) WITHOUT ROWID;
""",
    2: "CREATE TABLE folders (number INTEGER PRIMARY KEY, name TEXT NOT NULL);",
    3: """
ALTER TABLE results RENAME TO results_3;
CREATE TABLE results (
    number INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE, path TEXT NOT NULL, pixels_sha256 TEXT NOT NULL,
    denoiser_calls INTEGER NOT NULL, exact INTEGER NOT NULL, seconds REAL NOT NULL
);
INSERT INTO results (request, path, pixels_sha256, denoiser_calls, exact, seconds)
    SELECT request, path, pixels_sha256, denoiser_calls, exact, seconds FROM results_3 ORDER BY request;
DROP TABLE results_3;
""",
}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One delivered picture."""

    request: RequestId
    path: str
    pixels_sha256: str
    denoiser_calls: int
    exact: bool
    seconds: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a request went, beside what its plan promised; `peerd.track_record` compares the two.

    `seconds` count from the asking, of which `planned_s` went by until the plan came; `promised_s` counts from there,
    `promised_plan_s` until then. Calls and joules are those of its own steps.
    """

    request: RequestId
    group: GroupId
    seconds: float
    denoiser_calls: int
    planned_s: float = 0.0
    promised_s: float = 0.0
    """0.0: nothing was promised."""
    promised_alone_s: float = 0.0
    promised_plan_s: float = 0.0
    """Where others had to be waited for it is none of ours to promise: what passes once all have asked."""
    joules: float = 0.0
    promised_calls: int = 0
    """0: none were promised, for a picture takes at least one of its own."""
    promised_joules: float = 0.0
    waits_for_others: bool = False
    """Whether it named a group, which others of it could keep waiting."""
    steps: int = 0
    shared_steps: int = 0
    scheduler: str = ""
    width: int = 0
    height: int = 0


class Store:
    """One node's file. Safe from several threads."""

    def __init__(self, folder: Path, seal: Seal | None = None) -> None:
        """Open or make the file in `folder`. LocalError in one sentence if it is damaged or can not be written.

        With a seal, what an earlier version left unsealed is sealed now, and the open bytes are overwritten.
        """
        self._seal, self._path = seal, folder / FILE_NAME
        self._file = StateFile(self._path, _TABLES, VERSION, _UPGRADES)
        if seal is not None:
            self._seal_what_is_open()

    def close(self) -> None:
        self._file.close()

    # ---- memory --------------------------------------------------------------------------------------------

    def write(self, batch: Sequence[Remember | Forget | Predict], busy_s: float = LOOP_BUSY_S) -> None:
        """The whole batch or nothing of it; on disk when this returns. The loop calls it, and waits for no one long."""
        with self._file.transaction(busy_s) as base:
            for action in batch:
                match action:
                    case Remember(key, value):
                        base.execute("INSERT OR REPLACE INTO memory VALUES (?, ?)", (key, self._closed(value, key)))
                    case Forget(key):
                        base.execute("DELETE FROM memory WHERE key = ?", (key,))
                    case Predict(plan):
                        self._predict(base, plan)
                    case _:
                        assert_never(action)

    def recall(self) -> dict[str, bytes]:
        """Everything remembered and not forgotten."""
        with self._file.transaction() as base:
            rows = base.execute("SELECT key, value FROM memory ORDER BY key").fetchall()
        return {key: self._opened(bytes(value), key) for key, value in rows}

    # ---- results -------------------------------------------------------------------------------------------

    def commit(self, result: Result) -> Result:
        """Write a result down, once and for ever: a second one of the same request changes nothing.

        The answer is the one that counts.
        """
        with self._file.transaction() as base:
            base.execute(
                "INSERT OR IGNORE INTO results (request, path, pixels_sha256, denoiser_calls, exact, seconds)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    result.request,
                    result.path,
                    result.pixels_sha256,
                    result.denoiser_calls,
                    result.exact,
                    result.seconds,
                ),
            )
            base.execute(
                "DELETE FROM results WHERE number <= (SELECT max(number) FROM results) - ?", (RESULTS_KEPT_MAX,)
            )
            found = _result(base, result.request)
        assert found is not None  # it was just written
        return found

    def result(self, request: RequestId) -> Result | None:
        with self._file.transaction() as base:
            return _result(base, request)

    # ---- promises and outcomes -----------------------------------------------------------------------------

    def promises(self) -> list[GroupPlan]:
        """All kept promises, the oldest first, without the members' prompts."""
        with self._file.transaction() as base:
            rows = base.execute("SELECT group_id, plan FROM promises ORDER BY number").fetchall()
        return [self._plan(plan, group) for group, plan in rows]

    def promise(self, group: GroupId) -> Forecast | None:
        """What the last attempt at this group promised."""
        with self._file.transaction() as base:
            row = base.execute(
                "SELECT plan FROM promises WHERE group_id = ? ORDER BY number DESC LIMIT 1", (group,)
            ).fetchone()
        return None if row is None else self._plan(row[0], group).forecast

    def turned_out(self, outcome: Outcome) -> None:
        """Record how a request went; the first record stays."""
        with self._file.transaction() as base:
            base.execute(
                "INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?)",
                (outcome.request, outcome.group, msgspec.json.encode(outcome)),
            )
            base.execute(
                "DELETE FROM outcomes WHERE rowid <= (SELECT max(rowid) FROM outcomes) - ?", (PROMISES_KEPT_MAX,)
            )

    def outcomes(self, last: int = PROMISES_KEPT_MAX) -> list[Outcome]:
        """The last so many, the oldest first."""
        with self._file.transaction() as base:
            rows = base.execute("SELECT outcome FROM outcomes ORDER BY rowid DESC LIMIT ?", (last,)).fetchall()
        return [msgspec.json.decode(outcome, type=Outcome) for (outcome,) in reversed(rows)]

    # ---- paces ---------------------------------------------------------------------------------------------

    def paces(self) -> dict[str, bytes]:
        """What a device takes for its pictures, by model, as `device.pace` packs it."""
        with self._file.transaction() as base:
            return {model: bytes(pace) for model, pace in base.execute("SELECT model, pace FROM paces ORDER BY model")}

    def save_pace(self, model: str, pace: bytes) -> None:
        """Called by the loop, as `write` is."""
        with self._file.transaction(LOOP_BUSY_S) as base:
            base.execute("INSERT OR REPLACE INTO paces VALUES (?, ?)", (model, pace))

    # ---- models --------------------------------------------------------------------------------------------

    def folders(self) -> list[str]:
        """The model folders that this node was asked for, the last one at the end."""
        with self._file.transaction() as base:
            return [str(name) for (name,) in base.execute("SELECT name FROM folders ORDER BY number")]

    def save_folders(self, names: Sequence[str]) -> None:
        with self._file.transaction() as base:
            base.execute("DELETE FROM folders")
            base.executemany("INSERT INTO folders (name) VALUES (?)", [(name,) for name in names])

    # ---- what is sealed ------------------------------------------------------------------------------------

    def _predict(self, base: sqlite3.Connection, plan: GroupPlan) -> None:
        """Record what a plan promises. Prompts are left out: the leader need not keep other people's words."""
        bare = msgspec.json.encode(msgspec.structs.replace(plan, assignments=()))
        base.execute(
            "INSERT OR REPLACE INTO promises (group_id, attempt, plan) VALUES (?, ?, ?)",
            (plan.group, msgspec.json.encode(plan.attempt), self._closed(bare, PLAN_PLACE + plan.group)),
        )
        base.execute(
            "DELETE FROM promises WHERE number <= (SELECT max(number) FROM promises) - ?", (PROMISES_KEPT_MAX,)
        )

    def _plan(self, value: bytes, group: GroupId) -> GroupPlan:
        return msgspec.json.decode(self._opened(bytes(value), PLAN_PLACE + group), type=GroupPlan)

    def _closed(self, value: bytes, place: str) -> bytes:
        return value if self._seal is None else self._seal.close(value, place)

    def _opened(self, value: bytes, place: str) -> bytes:
        if self._seal is None:
            return value
        opened = self._seal.open(value, place)
        if opened is None:
            raise LocalError(
                f"{self._path} was sealed with another key than sealing.key beside it; put that key back, or move "
                f"{self._path} away to start without what it holds."
            )
        return opened

    def _seal_what_is_open(self) -> None:
        with self._file.transaction() as base:
            memory = base.execute("SELECT key, value FROM memory").fetchall()
            plans = base.execute("SELECT number, group_id, plan FROM promises").fetchall()
            open_memory = [(self._closed(bytes(value), key), key) for key, value in memory if not is_sealed(value)]
            open_plans = [
                (self._closed(bytes(plan), PLAN_PLACE + group), number)
                for number, group, plan in plans
                if not is_sealed(plan)
            ]
            base.executemany("UPDATE memory SET value = ? WHERE key = ?", open_memory)
            base.executemany("UPDATE promises SET plan = ? WHERE number = ?", open_plans)
        if open_memory or open_plans:
            self._file.rewrite()


def _result(base: sqlite3.Connection, request: RequestId) -> Result | None:
    row = base.execute(
        "SELECT path, pixels_sha256, denoiser_calls, exact, seconds FROM results WHERE request = ?", (request,)
    ).fetchone()
    if row is None:
        return None
    path, digest, calls, exact, seconds = row
    return Result(
        request=request, path=path, pixels_sha256=digest, denoiser_calls=calls, exact=bool(exact), seconds=seconds
    )
