"""The routes of the local API: HTTP in, desk calls out.

Every error is JSON of one sentence: 400 for what can not be asked, 403 for what its owner alone may ask, 404 for what
is not there, 500 for our own faults. Never here: sockets (`server.py`), or what the daemon does (`desk.py` is the port
to it).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from peerd.api.desk import Desk, Wish
from peerd.api.lines import Lines, open_lines
from peerd.api.pairing import Questions, pairing_lines
from peerd.api.wire import (
    BODY_BYTES_MAX,
    INTERNAL_ERROR,
    WISHES_MAX,
    Answered,
    Cleared,
    InviteAsked,
    JoinAsked,
    LeaveAsked,
    PlanAsked,
    RevokeAsked,
    Revoked,
    Submitted,
    Trouble,
)
from peerd_protocol.errors import UNREADABLE, LocalError, PeerdError
from peerd_protocol.ids import RequestId

INVITE_MINUTES_MAX = 10.0
FOR_ITS_OWNER = "Only the owner of this daemon may do that; ask as the daemon's own user, at the socket in its home."

log = logging.getLogger("peerd.api")
Body = TypeVar("Body")
Handler = Callable[[Request], Awaitable[Response | Lines]]


class Api:
    """The handlers. `closing` is set when the daemon stops, which ends every stream.

    `writes`: whether callers may name a file that the daemon, with its own rights, writes their picture to.
    """

    def __init__(self, desk: Desk, closing: asyncio.Event, writes: bool) -> None:
        self._desk = desk
        self._closing = closing
        self._writes = writes
        self._questions = Questions()

    async def submit(self, request: Request) -> Response:
        wish = await _body(request, Wish)
        if wish.out is not None and not self._writes:
            raise LocalError("This daemon writes to its own folder alone; fetch the picture when it is finished.")
        return _json(Submitted(request=await self._desk.submit(wish)), 201)

    async def events(self, request: Request) -> Lines:
        try:
            return await open_lines(self._desk.follow(_request_id(request)), self._closing)
        except LocalError as error:
            raise HTTPException(404, str(error)) from error

    async def picture(self, request: Request) -> Response:
        try:
            return Response(await self._desk.picture(_request_id(request)), media_type="image/png")
        except LocalError as error:
            raise HTTPException(404, str(error)) from error

    async def discard(self, request: Request) -> Response:
        try:
            await self._desk.discard(_request_id(request))
        except LocalError as error:
            raise HTTPException(404, str(error)) from error
        return Response(status_code=204)

    async def cancel(self, request: Request) -> Response:
        try:
            await self._desk.cancel(_request_id(request))
        except LocalError as error:
            raise HTTPException(404, str(error)) from error
        return Response(status_code=204)

    async def plan(self, request: Request) -> Response:
        wishes = (await _body(request, PlanAsked)).wishes
        if not 1 <= len(wishes) <= WISHES_MAX:
            raise LocalError(f"A plan is made for 1 to {WISHES_MAX} prompts; {len(wishes)} were given.")
        return _json(await self._desk.plan(wishes))

    async def cluster(self, request: Request) -> Response:
        return _json(self._desk.view())

    async def cache(self, request: Request) -> Response:
        return _json(self._desk.cache())

    async def clear_cache(self, request: Request) -> Response:
        return _json(Cleared(count=await self._desk.clear_cache()))

    async def invite(self, request: Request) -> Lines:
        asked = await _body(request, InviteAsked)
        minutes, guest = asked.minutes, asked.guest
        if not 0 < minutes <= INVITE_MINUTES_MAX:
            raise LocalError(f"An invitation lasts more than 0 and at most {INVITE_MINUTES_MAX:g} minutes.")
        return await self._stream(
            pairing_lines(lambda approve: self._desk.invite(minutes, approve, guest), self._questions)
        )

    async def revoke(self, request: Request) -> Response:
        node, name, told = await self._desk.revoke((await _body(request, RevokeAsked)).device)
        return _json(Revoked(name=name, id=node, told=told))

    async def leave(self, request: Request) -> Response:
        await self._desk.leave((await _body(request, LeaveAsked)).abandon)
        return Response(status_code=204)

    async def join(self, request: Request) -> Lines:
        token = (await _body(request, JoinAsked)).token
        return await self._stream(pairing_lines(lambda approve: self._desk.join(token, approve), self._questions))

    async def answer(self, request: Request) -> Response:
        yes = (await _body(request, Answered)).yes
        if not self._questions.answer(request.path_params["id"], yes):
            raise HTTPException(404, "Nobody waits for this answer any more.")
        return Response(status_code=204)

    async def _stream(self, values: AsyncIterator[Any]) -> Lines:
        return await open_lines(values, self._closing)


def make_app(desk: Desk, closing: asyncio.Event, *, for_owner: bool = True, writes: bool = True) -> Starlette:
    """`for_owner`: whether callers may do what the daemon's owner may: let devices in or shut them out, and see or
    clear what was kept of everybody's prompts. `writes` as in `Api`; nobody but an owner ever may.
    """
    api = Api(desk, closing, writes and for_owner)

    def owned(path: str, handler: Handler, method: str) -> Route:
        return _route(path, handler if for_owner else _refused, method)

    return Starlette(
        routes=[
            _route("/v1/requests", api.submit, "POST"),
            _route("/v1/requests/{id}/events", api.events, "GET"),
            _route("/v1/requests/{id}/picture", api.picture, "GET"),
            _route("/v1/requests/{id}/picture", api.discard, "DELETE"),
            _route("/v1/requests/{id}", api.cancel, "DELETE"),
            _route("/v1/plan", api.plan, "POST"),
            _route("/v1/cluster", api.cluster, "GET"),
            owned("/v1/cache", api.cache, "GET"),
            owned("/v1/cache", api.clear_cache, "DELETE"),
            owned("/v1/invite", api.invite, "POST"),
            owned("/v1/join", api.join, "POST"),
            owned("/v1/revoke", api.revoke, "POST"),
            owned("/v1/leave", api.leave, "POST"),
            owned("/v1/pairing/{id}", api.answer, "POST"),
        ],
        exception_handlers={HTTPException: _sentence},
    )


async def _refused(request: Request) -> Response:
    raise HTTPException(403, FOR_ITS_OWNER)


def _route(path: str, handler: Handler, method: str) -> Route:
    async def guarded(request: Request) -> Response | Lines:
        """No exception leaves here, so that none is answered with a bare page or a traceback."""
        try:
            return await handler(request)
        except HTTPException:
            raise
        except ClientDisconnect:
            return Response(status_code=400)
        except LocalError as error:
            return _json(Trouble(error=str(error)), 400)
        except PeerdError as error:
            return _json(Trouble(error=str(error)), 500)
        except Exception:
            log.exception("%s %s failed", method, path)
            return _json(Trouble(error=INTERNAL_ERROR), 500)

    return Route(path, guarded, methods=[method])


async def _sentence(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    unknown = error.status_code == 404 and error.detail == "Not Found"
    text = f"There is no {request.method} {request.url.path[:80]} here." if unknown else error.detail
    return _json(Trouble(error=text), error.status_code)


async def _body(request: Request, kind: type[Body]) -> Body:
    """The request's body as one of our values; LocalError says what is wrong with it."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise HTTPException(413, f"The body is larger than {BODY_BYTES_MAX} bytes.")
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except UNREADABLE as error:
        raise LocalError(f"The request's body can't be used: {error}.") from error


def _request_id(request: Request) -> RequestId:
    return RequestId(request.path_params["id"])


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
