"""Our end of a child's socket, and the child's ear, each without the other: no torch is needed for these."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from peerd.engine import dialogue
from peerd.engine.child import COMMANDS_MAX, Ear
from peerd.engine.child_process import ChildProcess
from peerd_protocol.errors import EngineError
from tests.engine.stories import PATIENCE_S

TURNS = 8
"""Loop turns after an answer in which a cancellation may fall; it is taken within three."""


def prepare(number: int) -> dialogue.Prepare:
    return dialogue.Prepare(number, "folder", "m" * 64)


@dataclass
class Stage:
    """A child that is a shell script, and all that it could hear or say."""

    child: ChildProcess
    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    theirs: socket.socket
    log: Path


@asynccontextmanager
async def stage(script: str, folder: Path) -> AsyncIterator[Stage]:
    ours, theirs = socket.socketpair()
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", script, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    reader, writer = await asyncio.open_connection(sock=ours)
    log = folder / "engine.log"
    child = ChildProcess(process, reader, writer, log)
    with contextlib.closing(theirs):
        yield Stage(child, process, reader, theirs, log)
    await child.end()


async def test_a_cancellation_that_comes_with_the_answer_is_not_lost(tmp_path: Path) -> None:
    """Else an order that nobody wants any more runs to its end, and keeps the next one waiting."""
    async with stage("read line", tmp_path) as on:
        lost = []
        for turns in range(TURNS):
            order = asyncio.create_task(on.child.answer(turns, PATIENCE_S))
            await asyncio.sleep(0)
            on.reader.feed_data(dialogue.frame(dialogue.Gone(turns)))
            for _ in range(turns):
                await asyncio.sleep(0)
            taken = order.cancel()
            await asyncio.wait([order])
            if taken and not order.cancelled():
                lost.append(turns)
        assert lost == []
        # What was not taken of the last answers is no harm to the next one.
        on.theirs.sendall(dialogue.frame(dialogue.Gone(TURNS)))
        assert await on.child.answer(TURNS, PATIENCE_S) == dialogue.Gone(TURNS)


async def test_last_words_are_those_of_this_order(tmp_path: Path) -> None:
    async with stage("echo an old complaint >&2; read line; exit 3", tmp_path) as on:
        async with asyncio.timeout(PATIENCE_S):
            while not on.log.exists() or b"complaint" not in on.log.read_bytes():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await on.child.tell(prepare(1))
        assert on.process.stdin is not None
        on.process.stdin.write(b"\n")
        on.theirs.close()
        with pytest.raises(EngineError, match=r"ended with code 3; the next order starts a new one\.$"):
            await on.child.answer(1, PATIENCE_S)


def heard(*commands: dialogue.Command) -> Ear:
    """An ear that has heard these from a daemon that is gone, while its child did one long step."""
    ours, theirs = socket.socketpair()
    with contextlib.closing(ours), contextlib.closing(theirs):
        # In one piece, since a socket holds more bytes in one than in hundreds.
        ours.sendall(b"".join(map(dialogue.frame, commands)))
        ours.shutdown(socket.SHUT_WR)
        ear = Ear(theirs)
        ear.hear()
    return ear


def test_any_number_of_orders_may_be_cancelled_during_one_step() -> None:
    many = 3 * COMMANDS_MAX
    given_up = [command for number in range(1, many + 1) for command in (prepare(number), dialogue.Cancel(number))]
    ear = heard(*given_up, prepare(many + 1))
    assert ear.next() == prepare(many + 1)
    assert ear.cancelled(many)
    assert not ear.cancelled(many + 1)


def test_orders_are_taken_in_their_turn_and_a_cancelled_one_is_passed_over() -> None:
    first, second, third = (prepare(number) for number in (1, 2, 3))
    ear = heard(first, second, dialogue.Cancel(1), third)
    assert [ear.next(), ear.next()] == [second, third]


def test_an_ear_listens_no_longer_to_a_daemon_that_has_lost_its_mind() -> None:
    ear = heard(*(prepare(number) for number in range(COMMANDS_MAX + 5)))
    assert [ear.next().number for _ in range(COMMANDS_MAX)] == list(range(COMMANDS_MAX))
