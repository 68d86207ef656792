"""Somebody who gave the joiner a token of their own, holds the inviter's, and sits between the two.

Everything that can be passed on unchanged is; every proof that the two tokens' secrets allow is made anew. `changes`
replaces fields on the way, `proves_anew` False leaves the proofs as they were. Never here: what the people say.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from peerd.network.identity import new_curve_keys, signed_by
from peerd.network.join_line import Heard, JoinLine
from peerd_protocol.certificates import device_id, key_bind_bytes
from peerd_protocol.pairing import (
    SECRET_BYTES,
    AnyJoinMessage,
    JoinConfirm,
    JoinOffer,
    JoinRequest,
    JoinReveal,
    Token,
    commitment,
    confirm_proof,
    introduction,
    offer_proof,
    request_proof,
    transcript,
)
from tests.peerd.network.station import Station

HOST = "127.0.0.1"


class Between:
    def __init__(self, inviters: Token, me: Station, changes: Mapping[str, Any], proves_anew: bool = True) -> None:
        self.me, self.changes, self.proves_anew = me, changes, proves_anew
        keys = new_curve_keys()
        self.to_joiner = JoinLine(keys, lambda key: True)
        self.to_inviter = JoinLine((me.identity.curve_key, me.identity.curve_secret), lambda key: True)
        self.inviters = inviters
        self.token = Token(keys[0], secrets.token_bytes(SECRET_BYTES), (HOST,), self.to_joiner.listen(HOST))
        self.reply_port = self.to_inviter.listen(HOST)

    async def close(self) -> None:
        await self.to_joiner.close()
        await self.to_inviter.close()

    async def pass_on_everything(self) -> None:
        """One pairing, from the joiner's first word to the inviter's last."""
        asked = await self.to_joiner.hear()
        request = asked.message
        assert isinstance(request, JoinRequest)
        nonce = secrets.token_bytes(16)
        own = {"commitment": commitment(nonce), "reply_port": self.reply_port, **self._my_keys()}
        mine = msgspec.structs.replace(request, **{**own, **self.changes})
        if self.proves_anew:
            mine = msgspec.structs.replace(mine, proof=request_proof(self.inviters, mine))
        await self._to_inviter(mine)
        answer = (await self.to_inviter.hear()).message
        if not isinstance(answer, JoinOffer):
            return await self._to_joiner(asked, request, answer)
        offer = msgspec.structs.replace(answer, device_key=self.me.identity.device_key)
        if self.proves_anew:
            offer = msgspec.structs.replace(
                offer, proof=offer_proof(self.token, introduction(self.token, request, offer))
            )
        await self._to_joiner(asked, request, offer)
        if not self.proves_anew:
            return None
        revealed = (await self.to_joiner.hear()).message
        assert isinstance(revealed, JoinReveal)
        await self._to_inviter(JoinReveal(nonce=nonce))
        confirmed = (await self.to_joiner.hear()).message
        assert isinstance(confirmed, JoinConfirm)
        said = transcript(introduction(self.inviters, mine, answer), nonce)
        await self._to_inviter(JoinConfirm(yes=True, proof=confirm_proof(self.inviters, said, True)))
        return await self._to_joiner(asked, request, (await self.to_inviter.hear()).message)

    def _my_keys(self) -> dict[str, bytes]:
        mine = self.me.identity
        assert signed_by(mine.device_key, mine.key_bind, key_bind_bytes(mine.device_key, mine.curve_key))
        return {"device_key": mine.device_key, "curve_key": mine.curve_key, "key_bind": mine.key_bind}

    async def _to_inviter(self, message: AnyJoinMessage) -> None:
        await self.to_inviter.say(HOST, self.inviters.port, self.inviters.join_key, message)

    async def _to_joiner(self, asked: Heard, request: JoinRequest, message: AnyJoinMessage) -> None:
        await self.to_joiner.say(asked.host, request.reply_port, request.curve_key, message)

    @property
    def node(self) -> str:
        return device_id(self.me.identity.device_key)
