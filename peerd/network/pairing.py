"""Letting a device into the cluster, and asking to be let in: what the desk offers to people.

The inviter's window is in `invitation`; here is the joiner's walk, and the news that both sides' people read. Every
wait has an end. Never here: HTTP, terminals, or what the proofs are made of.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator
from typing import Final, Protocol, TypeVar

import msgspec

from peerd.network.identity import Identity
from peerd.network.interfaces import reachable_hosts
from peerd.network.invitation import APPROVAL_S_MAX, MINUTES_MAX, WRONG_TRIES_MAX, Invitation
from peerd.network.join_line import JoinLine
from peerd.network.roster import ClusterKeys, Roster
from peerd.pairing_news import Approve, Joined, Knocked, PairingFailed, PairingNews, TokenMade, WrongTry
from peerd_protocol.bounds import NAME_CHARS_MAX
from peerd_protocol.certificates import ALL_ROLES, Role, device_id
from peerd_protocol.errors import FrameError, LocalError, PeerdError, RemoteError
from peerd_protocol.ids import NodeId
from peerd_protocol.limits import readable
from peerd_protocol.pairing import (
    NONCE_BYTES,
    PAIRING_VERSION,
    AnyJoinMessage,
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
    read_token,
    request_proof,
    transcript,
)

log = logging.getLogger(__name__)

OFFER_S_MAX: Final = 10.0
"""The inviter's answer to a request takes no person, only a handshake."""
INVITATIONS_MAX: Final = 4
"""Open windows and those still saying why they closed."""


_Answer = TypeVar("_Answer", JoinOffer, JoinGrant)


class Reaches(Protocol):
    """What pairing needs of the transport: where this node listens, and to dial the other afterwards."""

    @property
    def control_port(self) -> int: ...

    @property
    def host(self) -> str: ...

    def dial(self, host: str, port: int, node: NodeId | None) -> None: ...


class Pairing:
    """Both sides of pairing for one node. The caller tells transport and discovery that the roster changed."""

    def __init__(self, identity: Identity, roster: Roster, name: str, transport: Reaches) -> None:
        self._identity, self._roster, self._transport = identity, roster, transport
        self._name = readable(name[:NAME_CHARS_MAX])
        self._open: dict[Invitation, asyncio.Task[None] | None] = {}

    async def invite(
        self, minutes: float, approve: Approve, roles: tuple[Role, ...] = ALL_ROLES
    ) -> AsyncGenerator[PairingNews, None]:
        """Open a window: `TokenMade`, a `WrongTry` for each, then `Joined` or `PairingFailed`.

        Raises LocalError if this node may not.
        """
        if not 0 < minutes <= MINUTES_MAX:
            raise LocalError(f"An invitation lasts up to {MINUTES_MAX:g} minutes; {minutes:g} were asked for.")
        self._roster.must_be_admin()
        if len(self._open) >= INVITATIONS_MAX:
            raise LocalError("Too many invitations are open or were just closed; try again in a minute.")
        invitation = Invitation(
            self._identity,
            self._roster,
            self._name,
            reachable_hosts(self._transport.host),
            self._transport.control_port,
            self._transport.host,
            lambda name, words: approve(Knocked(name=name, words=words)),
            roles,
        )
        self._open[invitation] = None
        try:
            yield TokenMade(token=invitation.token.text(), minutes=minutes)
            outcome = asyncio.get_running_loop().create_task(invitation.outcome(minutes), name="peerd invitation's end")
            async with contextlib.aclosing(_wrong_tries(invitation, outcome)) as tries:
                async for number in tries:
                    yield WrongTry(number=number, allowed=WRONG_TRIES_MAX)
            try:
                node, name = outcome.result()
            except PeerdError as error:
                self._let_linger(invitation)
                yield PairingFailed(reason=str(error))
            else:
                self._let_linger(invitation)
                yield Joined(name=name, id=node)
        finally:
            if self._open.get(invitation, invitation) is None:  # left in the middle: the window closes at once
                del self._open[invitation]
                await invitation.close()

    async def join(self, token: str, approve: Approve) -> AsyncGenerator[PairingNews, None]:
        """Ask to be let in: `Joined` or `PairingFailed`. Raises LocalError for a token or a node that can't."""
        self._roster.must_be_alone()
        read = read_token(token)
        try:
            joined = await self._ask(read, approve)
        except PeerdError as error:
            yield PairingFailed(reason=str(error))
        else:
            yield joined

    async def close(self) -> None:
        """Close every window, also those that only say why they are closed."""
        invitations, self._open = dict(self._open), {}
        for invitation, task in invitations.items():
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            await invitation.close()

    def _let_linger(self, invitation: Invitation) -> None:
        async def linger() -> None:
            await invitation.linger()
            self._open.pop(invitation, None)

        self._open[invitation] = asyncio.get_running_loop().create_task(linger(), name="peerd invitation's afterword")

    # ---- the joiner ----------------------------------------------------------------------------------------------

    async def _ask(self, token: Token, approve: Approve) -> Joined:
        keys = (self._identity.curve_key, self._identity.curve_secret)
        line = JoinLine(keys, lambda key: key == token.join_key)
        try:
            nonce = secrets.token_bytes(NONCE_BYTES)
            request = self._request(token, line.listen(self._transport.host), nonce)
            host = await self._knock(line, token, request)
            offer = await _expect(line, JoinOffer, OFFER_S_MAX)
            introduced = introduction(token, request, offer)
            if not proves(offer.proof, offer_proof(token, introduced)):
                raise RemoteError("The other side does not know the token's secret; ask for a new invitation.")
            await line.say(host, token.port, token.join_key, JoinReveal(nonce=nonce))
            return await self._go_in(line, token, host, offer, transcript(introduced, nonce), approve)
        finally:
            await line.close()

    def _request(self, token: Token, reply_port: int, nonce: bytes) -> JoinRequest:
        unproved = JoinRequest(
            version=PAIRING_VERSION,
            device_key=self._identity.device_key,
            curve_key=self._identity.curve_key,
            key_bind=self._identity.key_bind,
            name=self._name,
            commitment=commitment(nonce),
            reply_port=reply_port,
            proof=bytes(32),
        )
        return msgspec.structs.replace(unproved, proof=request_proof(token, unproved))

    async def _knock(self, line: JoinLine, token: Token, request: JoinRequest) -> str:
        """Send the request to the first of the token's addresses that takes it."""
        for host in token.hosts:
            if await line.say(host, token.port, token.join_key, request):
                return host
        where = ", ".join(f"{host}:{token.port}" for host in token.hosts)
        raise RemoteError(
            f"Nobody answers at {where}: the invitation was used or has expired, or a firewall is between. "
            "Ask for a new one with `peerd invite`."
        )

    async def _go_in(
        self, line: JoinLine, token: Token, host: str, offer: JoinOffer, said: bytes, approve: Approve
    ) -> Joined:
        try:
            async with asyncio.timeout(APPROVAL_S_MAX):
                yes = await approve(Knocked(name=offer.name, words=check_words(said)))
        except TimeoutError:
            yes = False
        confirm = JoinConfirm(yes=yes, proof=confirm_proof(token, said, yes))
        await line.say(host, token.port, token.join_key, confirm)
        if not yes:
            raise LocalError("You said no; this node stays alone.")
        grant = await _expect(line, JoinGrant, APPROVAL_S_MAX)
        keys = ClusterKeys(offer.root_key, grant.discovery_secret)
        self._roster.adopt(keys, grant.certificates, grant.revocations)
        inviter = device_id(offer.device_key)
        if self._roster.member(inviter) is None:
            log.warning("the inviter %s is not a member of the cluster it let us into", inviter)
        for known in dict.fromkeys((*grant.hosts, host)):  # the last one worked a moment ago, so it is tried first
            self._transport.dial(known, grant.port, inviter)
        return Joined(name=offer.name, id=inviter)


async def _wrong_tries(
    invitation: Invitation, outcome: "asyncio.Task[tuple[NodeId, str]]"
) -> AsyncGenerator[int, None]:
    """Each wrong try until the window has closed. Leaving it ends the wait for the outcome."""
    another: asyncio.Task[int] | None = None
    try:
        while True:
            another = asyncio.get_running_loop().create_task(invitation.wrong_tries.get())
            await asyncio.wait([another, outcome], return_when=asyncio.FIRST_COMPLETED)
            if not another.done():
                return
            yield another.result()
    finally:
        if another is not None:
            another.cancel()
        outcome.cancel()


async def _expect(line: JoinLine, kind: type[_Answer], seconds: float) -> _Answer:
    """The inviter's next answer. Raises RemoteError if it refuses, says something else, or stays silent."""
    try:
        async with asyncio.timeout(seconds):
            message: AnyJoinMessage = (await line.hear()).message
    except TimeoutError:
        raise RemoteError("The other side did not answer in time; ask for a new invitation.") from None
    except FrameError as error:
        raise RemoteError(f"The other side broke the protocol. {error}") from error
    if isinstance(message, JoinRefused):
        raise RemoteError(message.reason)
    if not isinstance(message, kind):
        raise RemoteError("The other side broke the order of pairing; update the older of the two devices.")
    return message
