"""The inviter's side of pairing: one open window for one device, for a few minutes.

    open --valid request--> introduced --reveal--> compared --both people say yes--> granted (closed)
     |  \\--third wrong try--> closed, loudly            \\--either says no, or nobody answers--> closed
     \\--minutes are over--> closed

The secret is used up by the first valid request, whatever becomes of it. A window that closed goes on saying why for
a minute, to whoever still knocks with its token. Never here: what the messages prove (`peerd_protocol.pairing`).
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from peerd.network.identity import Identity, new_curve_keys
from peerd.network.join_line import Heard, JoinLine
from peerd.network.roster import Roster
from peerd_protocol.certificates import ALL_ROLES, Role, device_id
from peerd_protocol.errors import FrameError, LocalError, PeerdError, RemoteError
from peerd_protocol.ids import NodeId
from peerd_protocol.pairing import (
    NONCE_BYTES,
    PAIRING_VERSION,
    SECRET_BYTES,
    JoinConfirm,
    JoinGrant,
    JoinOffer,
    JoinRefused,
    JoinRequest,
    JoinReveal,
    Token,
    check_words,
    commitment,
    confirm_proof,
    introduction,
    offer_proof,
    proves,
    request_proof,
    transcript,
)

log = logging.getLogger(__name__)

MINUTES_MAX: Final = 10.0
"""A window is an open door; nobody needs longer to walk to another device."""
WRONG_TRIES_MAX: Final = 3
"""A person may paste the wrong token twice; a third wrong secret is somebody guessing."""
KNOCKS_MAX: Final = 32
"""Keys let in to one window. Each could be a fresh one, so the number bounds what a holder of the token can try."""
REVEAL_S_MAX: Final = 10.0
"""The joiner's answer to an offer takes no person."""
APPROVAL_S_MAX: Final = 180.0
"""For two people to compare four words."""
AFTERWORD_S: Final = 60.0
"""How long a closed window still says why it is closed."""

Approve = Callable[[str, str], Awaitable[bool]]
"""Asks this side's person about (name of the other device, check words)."""


class Invitation:
    """One window. `outcome` ends with the node that joined, or raises why nobody did."""

    def __init__(
        self,
        identity: Identity,
        roster: Roster,
        name: str,
        hosts: Sequence[str],
        dial_port: int,
        listen_host: str,
        approve: Approve,
        roles: tuple[Role, ...] = ALL_ROLES,
    ) -> None:
        roster.must_be_admin()
        self._identity, self._roster, self._name, self._approve = identity, roster, name, approve
        self._hosts, self._dial_port = tuple(hosts), dial_port
        self._roles = roles
        self.wrong_tries: asyncio.Queue[int] = asyncio.Queue()
        """The number of each, for the person to hear; a window has at most `KNOCKS_MAX` keys to try with."""
        self._keys_seen: set[bytes] = set()
        self._closed_because = ""
        self._wrong_tries = 0
        self._introduced = self._said = b""
        """What was said when the offer went out, and the transcript, once the joiner has revealed its nonce."""
        self._joiner: tuple[str, JoinRequest] | None = None
        keys = new_curve_keys()
        self._line = JoinLine(keys, self._admit)
        port = self._line.listen(listen_host)
        self.token = Token(keys[0], secrets.token_bytes(SECRET_BYTES), self._hosts, port)
        loop = asyncio.get_running_loop()
        self._revealed: asyncio.Future[bool] = loop.create_future()
        self._confirmed: asyncio.Future[bool] = loop.create_future()
        self._result: asyncio.Future[tuple[NodeId, str]] = loop.create_future()
        self._server = loop.create_task(self._serve(), name="peerd invitation")
        self._introduction: asyncio.Task[None] | None = None

    async def outcome(self, minutes: float) -> tuple[NodeId, str]:
        """The device that joined, and its name. Raises LocalError or RemoteError with the reason why none did."""
        try:
            async with asyncio.timeout(60 * min(minutes, MINUTES_MAX)):
                return await asyncio.shield(self._result)
        except TimeoutError:
            self._closed_because = "This invitation has expired; ask for a new one with `peerd invite`."
            raise LocalError("Nobody joined in time; the invitation has expired.") from None

    async def linger(self) -> None:
        """Go on telling latecomers why the window is closed, then close it."""
        await asyncio.sleep(AFTERWORD_S)
        await self.close()

    async def close(self) -> None:
        tasks = [task for task in (self._server, self._introduction) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for future in (self._revealed, self._confirmed, self._result):
            if future.done():
                future.exception()  # looked at, so that nobody warns of it
            future.cancel()
        await self._line.close()

    def _admit(self, key: bytes) -> bool:
        if len(self._keys_seen) < KNOCKS_MAX:
            self._keys_seen.add(key)
        return key in self._keys_seen

    # ---- listening -----------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        while True:
            try:
                heard = await self._line.hear()
                if isinstance(heard.message, JoinRequest):
                    await self._requested(heard, heard.message)
                elif isinstance(heard.message, JoinReveal):
                    self._heard_reveal(heard, heard.message)
                elif isinstance(heard.message, JoinConfirm):
                    self._heard_confirm(heard, heard.message)
            except FrameError as error:
                log.warning("pairing: %s", error)
                self._count_wrong_try()

    async def _requested(self, heard: Heard, request: JoinRequest) -> None:
        if request.curve_key != heard.key or not proves(request.proof, request_proof(self.token, request)):
            self._count_wrong_try()
            await self._refuse(heard, request, "The token's secret is wrong; copy the whole token again.")
        elif self._closed_because:
            await self._refuse(heard, request, self._closed_because)
        elif request.version != PAIRING_VERSION:
            await self._refuse(heard, request, "The two devices speak different versions of pairing; update the older.")
        else:
            self._closed_because = "This token has been used; ask for a new one with `peerd invite`."
            self._joiner = (heard.host, request)
            self._introduction = asyncio.get_running_loop().create_task(self._introduce(heard.host, request))

    def _heard_reveal(self, heard: Heard, reveal: JoinReveal) -> None:
        if self._joiner is None or heard.key != self._joiner[1].curve_key or self._revealed.done():
            return
        self._revealed.set_result(proves(commitment(reveal.nonce), self._joiner[1].commitment))
        self._said = transcript(self._introduced, reveal.nonce)  # now: its person's yes may be the next frame

    def _heard_confirm(self, heard: Heard, confirm: JoinConfirm) -> None:
        if self._joiner is None or heard.key != self._joiner[1].curve_key or self._confirmed.done() or not self._said:
            return
        if proves(confirm.proof, confirm_proof(self.token, self._said, confirm.yes)):
            self._confirmed.set_result(confirm.yes)

    def _count_wrong_try(self) -> None:
        self._wrong_tries += 1
        log.warning("pairing: wrong try %d of %d", self._wrong_tries, WRONG_TRIES_MAX)
        if self._wrong_tries <= WRONG_TRIES_MAX:
            self.wrong_tries.put_nowait(self._wrong_tries)
        if self._wrong_tries >= WRONG_TRIES_MAX and not self._closed_because:
            self._closed_because = "This invitation was closed after three wrong tries; ask for a new one."
            self._fail(RemoteError("Three wrong tries: somebody may be guessing. The invitation is closed."))

    async def _refuse(self, heard: Heard, request: JoinRequest, reason: str) -> None:
        await self._line.say(heard.host, request.reply_port, heard.key, JoinRefused(reason=reason))

    def _fail(self, error: PeerdError) -> None:
        if not self._result.done():
            self._result.set_exception(error)

    # ---- the introduction ----------------------------------------------------------------------------------------

    async def _introduce(self, host: str, request: JoinRequest) -> None:
        try:
            await self._let_in(host, request)
        except TimeoutError:
            self._fail(LocalError(f"{request.name} or its person did not answer in time; nobody was let in."))
        except PeerdError as error:
            self._fail(error)
            await self._line.say(host, request.reply_port, request.curve_key, JoinRefused(reason=str(error)[:500]))

    async def _let_in(self, host: str, request: JoinRequest) -> None:
        offer = self._offer(request)
        if not await self._line.say(host, request.reply_port, request.curve_key, offer):
            raise RemoteError(f"{request.name} can't be reached at {host}; its firewall may be closed.")
        async with asyncio.timeout(REVEAL_S_MAX):
            if not await self._revealed:
                raise RemoteError("Somebody between the two devices changed what they say; nobody was let in.")
        async with asyncio.timeout(APPROVAL_S_MAX):
            approved = await self._approve(request.name, check_words(self._said))
            if not approved:
                raise LocalError("The inviting side said no.")
            if not await self._confirmed:
                raise RemoteError(f"{request.name} said no.")
        self._roster.admit(request.device_key, request.curve_key, request.key_bind, request.name, self._roles)
        grant = JoinGrant(
            certificates=self._roster.certificates,
            revocations=self._roster.revocations,
            discovery_secret=self._roster.keys.discovery_secret,
            hosts=self._hosts,
            port=self._dial_port,
        )
        if not await self._line.say(host, request.reply_port, request.curve_key, grant):
            raise RemoteError(f"{request.name} went away before it was let in; invite it again.")
        if not self._result.done():
            self._result.set_result((device_id(request.device_key), request.name))

    def _offer(self, request: JoinRequest) -> JoinOffer:
        unproved = JoinOffer(
            device_key=self._identity.device_key,
            root_key=self._roster.keys.root_key,
            name=self._name,
            nonce=secrets.token_bytes(NONCE_BYTES),
            proof=bytes(32),
        )
        self._introduced = introduction(self.token, request, unproved)
        return msgspec.structs.replace(unproved, proof=offer_proof(self.token, self._introduced))
