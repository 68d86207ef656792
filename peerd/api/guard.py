"""Who may use the API over TCP: whoever holds the token, from a page or program that means this very address.

A page in a browser can send requests to loopback. Its own name may even resolve to loopback (DNS rebinding), but then
the Host header holds that name, and a request from another site says so in Origin: both are refused before the token is
looked at, and neither is ever answered with a permission for other sites. Never here: the routes.
"""

import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from peerd.api.wire import Trouble
from peerd_protocol.errors import LocalError

TOKEN_NAME: Final = "api.token"
TOKEN_BYTES: Final = 32
TOKEN_BYTES_MAX: Final = 256
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


class Guard:
    """An ASGI application before another one."""

    def __init__(self, app: ASGIApp, token: str, port: int, hosts: Iterable[str] = ()) -> None:
        """`hosts`: further names that this device is meant by, where an owner wants it to be reached by them."""
        self._app, self._token = app, token.encode()
        self._hosts = {f"{host}:{port}".lower().encode() for host in (*_LOOPBACK, *hosts)}
        self._origins = {b"http://" + host for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, sentence = self._refusal([(name.lower(), value) for name, value in scope.get("headers", ())])
        if not sentence:
            return await self._app(scope, receive, send)
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": msgspec.json.encode(Trouble(error=sentence))})
        return None

    def _refusal(self, headers: list[tuple[bytes, bytes]]) -> tuple[int, str]:
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        given = [value for name, value in headers if name == b"authorization"]
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return (
                403,
                "This address goes by another name; ask for 127.0.0.1 and the port, or list the name in [api] hosts.",
            )
        if any(origin.lower() not in self._origins for origin in origins):
            return 403, "Pages of other sites may not ask this daemon."
        if len(given) != 1 or not hmac.compare_digest(given[0], b"Bearer " + self._token):
            return 401, f"Send the token as `Authorization: Bearer TOKEN`; it is in {TOKEN_NAME} in the node's folder."
        return 200, ""


def token_in(home: Path) -> str:
    """The API's token, made at the first asking. Raises LocalError if others can read its file."""
    path = home / TOKEN_NAME
    try:
        if not path.exists():
            beside = path.with_name(f".{path.name}.{os.getpid()}")
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w") as file:
                os.fchmod(file.fileno(), 0o600)  # a left-over file keeps its old mode otherwise
                file.write(secrets.token_urlsafe(TOKEN_BYTES))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW)) as file:
            mode, token = os.fstat(file.fileno()).st_mode, file.read(TOKEN_BYTES_MAX).strip()
    except OSError as error:
        raise LocalError(f"{path} can not be used: {error.strerror}.") from error
    if mode & 0o077:
        raise LocalError(f"{path} is open to other users; remove it to get a new token, or run `chmod 600 {path}`.")
    if len(token) < TOKEN_BYTES:
        raise LocalError(f"{path} holds no token; remove it to get a new one.")
    return token
