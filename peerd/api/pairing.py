"""The person's side of pairing: questions that wait for a yes or no, and the stream of lines that asks them.

Never here: keys, tokens or check words; the desk makes those.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

from peerd.api.lines import close_values
from peerd.api.wire import PAIRING_ANSWER_S_MAX, Asking, PairingLine
from peerd.pairing_news import Approve, Knocked, PairingNews
from peerd_protocol.errors import LocalError

QUESTIONS_MAX = 8
"""Windows are few and answer one knock at a time; more open questions mean that something is wrong."""
LINES_QUEUED_MAX = 64


class Questions:
    """Knocks that a person has not answered yet, by an id that nobody can guess."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Future[bool]] = {}

    def answer(self, question: str, yes: bool) -> bool:
        """Settle a question; False when there is none of that id (any more)."""
        waiting = self._open.get(question)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(yes)
        return True

    async def ask(self, knock: Knocked, show: Callable[[Asking], None]) -> bool:
        """Show a knock and wait for the answer; silence is a no."""
        if len(self._open) >= QUESTIONS_MAX:
            raise LocalError("Too many devices wait for an answer; answer or close an open window first.")
        question = secrets.token_hex(8)
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._open[question] = waiting
        try:
            show(Asking(name=knock.name, words=knock.words, id=question))
            async with asyncio.timeout(PAIRING_ANSWER_S_MAX):
                return await waiting
        except TimeoutError:
            return False
        finally:
            del self._open[question]


async def pairing_lines(
    open_window: Callable[[Approve], AsyncIterator[PairingNews]], questions: Questions
) -> AsyncIterator[PairingLine]:
    """The desk's news, with each knock shown once, as a question. Closing it closes the window.

    The desk is read by a task of its own: it may wait inside for the very answer that this stream has to ask for.
    """
    lines: asyncio.Queue[PairingLine | BaseException | None] = asyncio.Queue(LINES_QUEUED_MAX)

    async def approve(knock: Knocked) -> bool:
        return await questions.ask(knock, lines.put_nowait)

    news = open_window(approve)
    reader = asyncio.create_task(_read(news, lines))
    try:
        while (line := await lines.get()) is not None:
            if isinstance(line, BaseException):
                raise line
            yield line
    finally:
        await close_values(news, reader)


async def _read(news: AsyncIterator[PairingNews], lines: "asyncio.Queue[Any]") -> None:
    try:
        async for item in news:
            if not isinstance(item, Knocked):  # `approve` has shown this one already, with its id
                await lines.put(item)
    except Exception as error:
        await lines.put(error)
    else:
        await lines.put(None)
