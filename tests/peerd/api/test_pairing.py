"""Two people compare check words over the API: the question carries an id, the answer goes to it."""

import asyncio
from pathlib import Path

import pytest

from peerd.api.client import Client
from peerd.api.wire import Asking
from peerd.pairing_news import Joined, PairingFailed, TokenMade, WrongTry
from peerd_protocol.errors import LocalError
from tests.peerd.api.scripted import BOB, WORDS, ScriptedDesk


@pytest.mark.parametrize("yes", [True, False])
async def test_an_invitation_shows_its_token_then_asks_once_then_ends(
    desk: ScriptedDesk, home: Path, yes: bool
) -> None:
    client = Client(home)
    window = client.invite(minutes=5)
    assert await asyncio.to_thread(next, window) == TokenMade(token="TOKEN-1", minutes=5)
    assert await asyncio.to_thread(next, window) == WrongTry(number=1, allowed=3)
    asking = await asyncio.to_thread(next, window)
    assert isinstance(asking, Asking)
    assert (asking.name, asking.words) == ("bob", WORDS)
    await asyncio.to_thread(client.answer, asking, yes)
    ending = Joined(name="bob", id=BOB) if yes else PairingFailed(reason="You said no.")
    assert await asyncio.to_thread(list, window) == [ending]
    assert desk.answers == [yes]
    with pytest.raises(LocalError, match="Nobody waits for this answer"):
        await asyncio.to_thread(client.answer, asking, True)


async def test_joining_asks_even_though_the_desk_is_waiting_for_the_answer(desk: ScriptedDesk, home: Path) -> None:
    client = Client(home)
    joining = client.join("TOKEN-1")
    asking = await asyncio.to_thread(next, joining)
    assert isinstance(asking, Asking)
    assert asking.words == WORDS
    await asyncio.to_thread(client.answer, asking, True)
    assert [type(line) for line in await asyncio.to_thread(list, joining)] == [Joined]


async def test_closing_the_stream_closes_the_window(desk: ScriptedDesk, home: Path) -> None:
    window = Client(home).invite()
    await asyncio.to_thread(next, window)
    assert not desk.window_closed.is_set()
    window.close()
    async with asyncio.timeout(5):
        await desk.window_closed.wait()
    assert desk.answers == []
