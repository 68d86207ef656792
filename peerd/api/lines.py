"""A response that streams values as lines of JSON until they end, the client leaves, or the daemon stops.

Whatever ends it, the source of the values is closed: a client that disappears cancels what it watched.
Never here: where the values come from.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from peerd.api.wire import INTERNAL_ERROR, QUIET_S, Trouble
from peerd_protocol.errors import PeerdError

FIRST_LINE_S_MAX = 1.0
"""How long the response waits for its first value, so that an early refusal still gets its own status code."""

_END = object()
_HEADERS = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]

log = logging.getLogger("peerd.api")


class Lines:
    """An ASGI response. Make it with `open_lines`, which reads the first value."""

    def __init__(self, values: AsyncIterator[Any], pending: "asyncio.Task[Any]", closing: asyncio.Event) -> None:
        self._values = values
        self._pending = pending
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        pump = asyncio.create_task(self._pump(send))
        endings: set[asyncio.Task[Any]] = {pump}
        endings.add(asyncio.create_task(_client_left(receive)))
        endings.add(asyncio.create_task(self._closing.wait()))
        try:
            await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in endings:
                task.cancel()
            await asyncio.gather(*endings, return_exceptions=True)
            await self._close()
        with suppress(OSError):  # the client may have left first
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, send: Send) -> None:
        while True:
            done, _ = await asyncio.wait({self._pending}, timeout=QUIET_S)
            line = b""
            if done:
                value, last = _outcome(self._pending)
                if value is _END:
                    return
                line = msgspec.json.encode(value)
                if not last:
                    self._pending = _next_of(self._values)
            else:
                last = False
            await send({"type": "http.response.body", "body": line + b"\n", "more_body": True})
            if last:
                return

    async def _close(self) -> None:
        await close_values(self._values, self._pending)


async def open_lines(values: AsyncIterator[Any], closing: asyncio.Event) -> Lines:
    """Start reading; a PeerdError that comes at once is raised here, later ones become the stream's last line."""
    pending = _next_of(values)
    try:
        await asyncio.wait({pending}, timeout=FIRST_LINE_S_MAX)
        if pending.done() and isinstance(pending.exception(), PeerdError):
            pending.result()
    except BaseException:
        await close_values(values, pending)
        raise
    return Lines(values, pending, closing)


async def close_values(values: AsyncIterator[Any], pending: "asyncio.Task[Any]") -> None:
    """Stop the read under way, then close the generator: a generator that is being read can't be closed."""
    pending.cancel()
    await asyncio.gather(pending, return_exceptions=True)
    aclose = getattr(values, "aclose", None)
    if aclose is not None:
        await aclose()


def _next_of(values: AsyncIterator[Any]) -> "asyncio.Task[Any]":
    async def read() -> Any:
        return await anext(values, _END)

    return asyncio.create_task(read())


def _outcome(read: "asyncio.Task[Any]") -> tuple[Any, bool]:
    """What a finished read brought, and whether it is the last line. An error becomes a line of its own."""
    error = read.exception()
    if error is None:
        return read.result(), False
    if isinstance(error, PeerdError):
        return Trouble(error=str(error)), True
    log.error("the API's stream failed", exc_info=error)
    return Trouble(error=INTERNAL_ERROR), True


async def _client_left(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
