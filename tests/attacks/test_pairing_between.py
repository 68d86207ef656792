"""A stolen token, and somebody between the two devices who changes what they say: two people notice, or the proofs do.

Never here: wrong guesses of a secret (`tests/peerd/network/test_pairing.py`).
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from peerd.network.join_line import JoinLine
from peerd.network.pairing import Pairing
from peerd.pairing_news import Knocked, PairingFailed, PairingNews, TokenMade
from peerd_protocol.errors import FrameError
from peerd_protocol.pairing import (
    PAIRING_VERSION,
    JoinOffer,
    JoinRefused,
    JoinRequest,
    JoinReveal,
    commitment,
    decode_join,
    encode_join,
    read_token,
    request_proof,
)
from tests.attacks.between import HOST, Between
from tests.peerd.network.station import Station

CHANGES: dict[str, dict[str, Any]] = {
    "only whose keys": {},
    "the name": {"name": "a friend"},
    "the version": {"version": 1},
    "the commitment": {"commitment": bytes(32)},
    "the key bind": {"key_bind": bytes(64)},
    "the device's key": {"device_key": b"d" * 32},
    "the proof": {"proof": bytes(32)},
}


class Couple:
    """Two people who read their words to each other, and say yes if they are the same."""

    def __init__(self) -> None:
        self.read: dict[str, Knocked] = {}
        self.both = asyncio.Event()

    async def approve(self, who: str, knock: Knocked) -> bool:
        self.read[who] = knock
        if len(self.read) == 2:
            self.both.set()
        await self.both.wait()
        return self.read["ada"].words == self.read["bob"].words


async def pair_through(tmp_path: Path, changes: dict[str, Any], proves_anew: bool) -> tuple[Couple, list[Any]]:
    """Ada invites, Bob joins with the token that Mal gave him; whoever was let in where."""
    async with AsyncExitStack() as closing:
        ada, bob, mal = (Station(tmp_path, name) for name in ("ada", "bob", "mal"))
        for station in (ada, bob, mal):
            await station.start()
            closing.push_async_callback(station.transport.close)
        couple = Couple()
        inviting, joining = (Pairing(one.identity, one.roster, one.name, one.transport) for one in (ada, bob))
        closing.push_async_callback(inviting.close)
        window = inviting.invite(1, lambda knock: couple.approve("ada", knock))
        made = await anext(window)
        assert isinstance(made, TokenMade)
        between = Between(read_token(made.token), mal, changes, proves_anew)
        closing.push_async_callback(between.close)
        passing = asyncio.create_task(between.pass_on_everything())
        ends: list[PairingNews] = []
        async with asyncio.timeout(20):
            async for last in joining.join(between.token.text(), lambda knock: couple.approve("bob", knock)):
                ends.append(last)
        if passing.done():
            passing.result()
        passing.cancel()
        await asyncio.wait([passing])
        await window.aclose()
        assert ada.roster.alone and bob.roster.alone, "somebody was let in"
        assert mal.node not in ada.roster.members
        return couple, ends


async def test_two_people_see_that_somebody_sits_between_them(tmp_path: Path) -> None:
    couple, ends = await pair_through(tmp_path, {}, proves_anew=True)
    assert couple.read["ada"].words != couple.read["bob"].words
    assert [type(end) for end in ends] == [PairingFailed]


@pytest.mark.parametrize("field", [field for field in CHANGES if field != "only whose keys"])
async def test_each_field_that_is_changed_on_the_way_ends_the_pairing(tmp_path: Path, field: str) -> None:
    """Without the secret no proof can be made anew, so the inviter refuses what was changed."""
    couple, ends = await pair_through(tmp_path, CHANGES[field], proves_anew=False)
    assert [type(end) for end in ends] == [PairingFailed] and not couple.read


async def test_who_reveals_another_nonce_than_it_committed_to_is_let_in_nowhere(tmp_path: Path) -> None:
    """The guess at words that agree would be made here: of a nonce that is chosen once the inviter's is known."""
    ada, mal = Station(tmp_path, "ada"), Station(tmp_path, "mal")
    await ada.start()
    inviting, couple = Pairing(ada.identity, ada.roster, "ada", ada.transport), Couple()
    window = inviting.invite(1, lambda knock: couple.approve("ada", knock))
    made = await anext(window)
    assert isinstance(made, TokenMade)
    token, me = read_token(made.token), mal.identity
    line = JoinLine((me.curve_key, me.curve_secret), lambda key: True)
    unproved = JoinRequest(
        version=PAIRING_VERSION,
        device_key=me.device_key,
        curve_key=me.curve_key,
        key_bind=me.key_bind,
        name="mal",
        commitment=commitment(b"a" * 16),
        reply_port=line.listen(HOST),
        proof=bytes(32),
    )
    request = msgspec.structs.replace(unproved, proof=request_proof(token, unproved))
    async with asyncio.timeout(20):
        await line.say(HOST, token.port, token.join_key, request)
        assert isinstance((await line.hear()).message, JoinOffer)
        await line.say(HOST, token.port, token.join_key, JoinReveal(nonce=b"b" * 16))
        refused = (await line.hear()).message
        assert isinstance(refused, JoinRefused) and "changed what they say" in refused.reason
        assert isinstance(await anext(window), PairingFailed)
    assert not couple.read and ada.roster.alone
    await window.aclose()
    await asyncio.gather(line.close(), inviting.close(), ada.transport.close(), mal.transport.close())


def test_a_refusal_is_text_for_people_and_steers_no_terminal() -> None:
    for text in ("\x1b[2J\x1b[1;1HAll is well.", "bell\a", "turned \u202e round", "two\nlines"):
        with pytest.raises(FrameError, match="could deceive"):
            decode_join(encode_join(JoinRefused(reason=text)))
