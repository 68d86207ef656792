"""A stolen token, and somebody between the two devices who changes what they say: two people notice, or the proofs do.

Never here: wrong guesses of a secret (`tests/peerd/network/test_pairing.py`).
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from peerd.network.pairing import Pairing
from peerd.pairing_news import Knocked, PairingFailed, PairingNews, TokenMade
from peerd_protocol.pairing import JoinRefused, read_token
from tests.attacks.between import Between
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


def test_a_refusal_is_text_for_people_and_steers_no_terminal() -> None:
    from peerd_protocol.errors import FrameError
    from peerd_protocol.pairing import decode_join, encode_join

    for text in ("\x1b[2J\x1b[1;1HAll is well.", "bell\a", "turned \u202e round", "two\nlines"):
        with pytest.raises(FrameError, match="could deceive"):
            decode_join(encode_join(JoinRefused(reason=text)))
