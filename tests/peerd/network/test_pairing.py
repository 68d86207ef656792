"""Pairing over real sockets: one token lets in one device, when both people say yes, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from peerd.network.pairing import Pairing
from peerd.pairing_news import Joined, Knocked, PairingFailed, PairingNews, TokenMade, WrongTry
from peerd_protocol.errors import LocalError
from peerd_protocol.pairing import read_token
from tests.peerd.network.conftest import NewStation
from tests.peerd.network.station import Station, word

T = TypeVar("T")


@dataclass
class Person:
    """Somebody at a device, who reads the check words and answers."""

    says: bool = True
    read: list[Knocked] = field(default_factory=list)

    async def approve(self, knock: Knocked) -> bool:
        self.read.append(knock)
        return self.says


class Window:
    """An invitation that was opened: its token, and how it ended."""

    def __init__(self, pairing: Pairing, person: Person, minutes: float = 1.0) -> None:
        self._news = pairing.invite(minutes, person.approve)
        self.wrong_tries: list[WrongTry] = []

    async def token(self) -> str:
        made = await anext(self._news)
        assert isinstance(made, TokenMade)
        return made.token

    async def end(self) -> PairingNews:
        async with aclosing(self._news) as news:
            async for last in news:
                if not isinstance(last, WrongTry):
                    return last
                self.wrong_tries.append(last)
        raise AssertionError("a window ends with news")


async def join(pairing: Pairing, token: str, person: Person) -> PairingNews:
    async with aclosing(pairing.join(token, person.approve)) as news:
        async for last in news:
            return last
    raise AssertionError("joining ends with news")


@dataclass
class Home:
    station: Station
    pairing: Pairing
    person: Person


@pytest.fixture
async def homes(new_station: NewStation) -> AsyncIterator[dict[str, Home]]:
    async with AsyncExitStack() as closing:
        made: dict[str, Home] = {}
        for name in ("ada", "bob", "cyd", "dan", "eve"):
            station = new_station(name)
            await station.start()
            pairing = Pairing(station.identity, station.roster, name, station.transport)
            closing.push_async_callback(pairing.close)
            made[name] = Home(station, pairing, Person())
        yield made


async def pair(inviter: Home, joiner: Home) -> tuple[PairingNews, PairingNews]:
    window = Window(inviter.pairing, inviter.person)
    token = await window.token()
    joined, ended = await asyncio.gather(join(joiner.pairing, token, joiner.person), window.end())
    for home in (inviter, joiner):
        home.station.transport.roster_changed()
    return joined, ended


async def test_a_device_is_let_in_when_both_read_the_same_words_and_say_yes(homes: dict[str, Home]) -> None:
    ada, bob = homes["ada"], homes["bob"]
    joined, ended = await pair(ada, bob)
    assert joined == Joined(name="ada", id=ada.station.node)
    assert ended == Joined(name="bob", id=bob.station.node)
    assert ada.person.read[0].name == "bob" and bob.person.read[0].name == "ada"
    assert ada.person.read[0].words == bob.person.read[0].words
    assert len(ada.person.read[0].words.split()) == 4
    assert bob.station.roster.members == ada.station.roster.members == {ada.station.node, bob.station.node}
    assert not bob.station.roster.is_admin and bob.station.roster.admins == ("ada",)

    await asyncio.gather(
        ada.station.is_told("connected", bob.station.node), bob.station.is_told("connected", ada.station.node)
    )
    bob.station.transport.send(ada.station.node, word(1))
    assert await ada.station.hears(word(1)) == bob.station.node


async def test_a_third_device_that_the_admin_lets_in_becomes_known_to_the_second(homes: dict[str, Home]) -> None:
    ada, bob, cyd = homes["ada"], homes["bob"], homes["cyd"]
    await pair(ada, bob)
    await pair(ada, cyd)
    share = ada.station.roster
    assert bob.station.roster.merge(share.certificates, share.revocations)
    bob.station.transport.roster_changed()
    cyd.station.dial(bob.station)
    await bob.station.is_told("connected", cyd.station.node)


@pytest.mark.parametrize("who", ["ada", "bob"])
async def test_a_no_on_either_side_lets_nobody_in(homes: dict[str, Home], who: str) -> None:
    homes[who].person.says = False
    joined, ended = await pair(homes["ada"], homes["bob"])
    assert isinstance(joined, PairingFailed) and "said no" in joined.reason
    assert isinstance(ended, PairingFailed) and "said no" in ended.reason
    assert homes["ada"].station.roster.alone and homes["bob"].station.roster.alone


async def test_three_wrong_secrets_close_the_window_loudly(
    homes: dict[str, Home], caplog: pytest.LogCaptureFixture
) -> None:
    ada, eve, bob = homes["ada"], homes["eve"], homes["bob"]
    window = Window(ada.pairing, ada.person)
    right = await window.token()
    wrong = replace(read_token(right), secret=b"a guess of mine!").text()
    for _ in range(2):
        refused = await join(eve.pairing, wrong, eve.person)
        assert isinstance(refused, PairingFailed) and "secret is wrong" in refused.reason
    third, ended = await asyncio.gather(join(eve.pairing, wrong, eve.person), window.end())
    assert isinstance(third, PairingFailed)
    assert ended == PairingFailed(reason="Three wrong tries: somebody may be guessing. The invitation is closed.")
    assert window.wrong_tries == [WrongTry(number=number, allowed=3) for number in (1, 2, 3)]
    assert "wrong try 3 of 3" in caplog.text and right not in caplog.text
    late = await join(bob.pairing, right, bob.person)
    assert isinstance(late, PairingFailed) and "three wrong tries" in late.reason
    assert ada.station.roster.alone and not ada.person.read


async def test_a_used_token_says_that_it_was_used(homes: dict[str, Home]) -> None:
    ada, bob, eve = homes["ada"], homes["bob"], homes["eve"]
    window = Window(ada.pairing, ada.person)
    token = await window.token()
    await asyncio.gather(join(bob.pairing, token, bob.person), window.end())
    second = await join(eve.pairing, token, eve.person)
    assert second == PairingFailed(reason="This token has been used; ask for a new one with `peerd invite`.")
    assert eve.station.roster.alone


async def test_an_expired_token_says_that_it_expired(homes: dict[str, Home]) -> None:
    ada, bob = homes["ada"], homes["bob"]
    window = Window(ada.pairing, ada.person, minutes=0.001)
    token = await window.token()
    ended = await window.end()
    assert isinstance(ended, PairingFailed) and "expired" in ended.reason
    late = await join(bob.pairing, token, bob.person)
    assert late == PairingFailed(reason="This invitation has expired; ask for a new one with `peerd invite`.")


async def test_a_window_that_was_left_is_closed_at_once(homes: dict[str, Home]) -> None:
    ada, bob = homes["ada"], homes["bob"]
    async with aclosing(ada.pairing.invite(1, ada.person.approve)) as news:
        made = await anext(news)
    assert isinstance(made, TokenMade)
    late = await join(bob.pairing, made.token, bob.person)
    assert isinstance(late, PairingFailed) and "Nobody answers" in late.reason


async def test_only_who_keeps_the_root_key_may_invite_and_the_others_name_it(homes: dict[str, Home]) -> None:
    ada, bob = homes["ada"], homes["bob"]
    await pair(ada, bob)
    with pytest.raises(LocalError, match="run the command on ada"):
        await Window(bob.pairing, bob.person).token()


async def test_only_a_node_that_is_alone_may_join(homes: dict[str, Home]) -> None:
    ada, bob, cyd = homes["ada"], homes["bob"], homes["cyd"]
    await pair(ada, bob)
    window = Window(cyd.pairing, cyd.person)
    token = await window.token()
    with pytest.raises(LocalError, match="already in a cluster with ada"):
        await join(bob.pairing, token, bob.person)


@pytest.mark.parametrize("text", ["", "hello", "A" * 93, "ÄÖÜ"])
async def test_something_that_is_not_a_token_is_told_apart(homes: dict[str, Home], text: str) -> None:
    with pytest.raises(LocalError, match="not a whole token"):
        await join(homes["bob"].pairing, text, homes["bob"].person)


async def test_a_token_survives_lower_case_and_line_breaks(homes: dict[str, Home]) -> None:
    ada, bob = homes["ada"], homes["bob"]
    window = Window(ada.pairing, ada.person)
    token = await window.token()
    broken = f" {token[:40].lower()}\n  {token[40:]}\n"
    joined, _ = await asyncio.gather(join(bob.pairing, broken, bob.person), window.end())
    assert isinstance(joined, Joined)


async def test_the_joined_cluster_survives_a_restart(homes: dict[str, Home]) -> None:
    ada, bob = homes["ada"], homes["bob"]
    await pair(ada, bob)
    again = Station(bob.station.folder.parent, "bob")
    assert again.node == bob.station.node
    assert again.roster.members == {ada.station.node, bob.station.node}
    assert again.roster.keys == ada.station.roster.keys
    await again.transport.close()
