"""The API's listening sockets and their life inside the daemon's loop.

The daemon owns them: `serve` and `serve_tcp` return once a socket listens, and `close` ends it within a bound. A unix
socket is for this user, or for a group as well, as the kernel says who asks; TCP is for whoever passes the guard. Never
here: routes, signals (they are the daemon's), or log lines of uvicorn.
"""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from peerd.api.address import private_folder
from peerd.api.app import make_app
from peerd.api.desk import Desk
from peerd.api.guard import Guard
from peerd_protocol.errors import LocalError

CONNECTIONS_MAX = 128
SHUTDOWN_S = 1
"""How long calls under way may take to end after the streams were told to."""
HEAD_S_MAX = 10.0
"""Who connects over TCP and asks nothing for so long is cut off; any user of this device may connect."""
GROUPS_MAX = 256
"""Groups of one caller that are looked at; the socket module reads no more than a kilobyte."""
_SILENT = logging.CRITICAL + 1
_SO_PEERCRED: int | None = getattr(socket, "SO_PEERCRED", None)
_SO_PEERGROUPS = 59  # <asm-generic/socket.h>; Python does not name it
_CREDENTIALS = struct.Struct("3i")
_GROUP = struct.Struct("I")


class ApiServer:
    """A served desk. Made by `serve` and `serve_tcp`; `port` is 0 for a unix socket, `path` None for TCP."""

    def __init__(
        self, server: "_Server", listener: socket.socket, path: Path | None, closing: asyncio.Event, port: int = 0
    ) -> None:
        self.path, self.port = path, port
        self._closing = closing
        self._server = server
        self._inode = path.stat().st_ino if path is not None else 0
        self._task = asyncio.create_task(server.serve(sockets=[listener]), name="api")

    async def close(self) -> None:
        """End all streams, let calls under way finish for SHUTDOWN_S, and remove the socket. May be called twice."""
        self._closing.set()
        self._server.should_exit = True
        self._server.stop.set()
        try:
            async with asyncio.timeout(SHUTDOWN_S + 2):
                await asyncio.gather(self._task, return_exceptions=True)
        except TimeoutError:
            self._task.cancel()
        if self.path is None:
            return
        with suppress(FileNotFoundError):
            if self.path.stat().st_ino == self._inode:  # never the socket of a daemon that came after us
                self.path.unlink()


async def serve(desk: Desk, socket_path: Path, group: int | None = None) -> ApiServer:
    """Listen on `socket_path` (mode 0600) and answer from `desk`. LocalError: another daemon listens there.

    With the number of a `group` its members may ask too (mode 0660), but for what they would have us write elsewhere.
    """
    closing = asyncio.Event()
    if group is not None:
        socket_path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    listener = _listen(socket_path, group)
    app = make_app(desk, closing, writes=group is None)
    served = ApiServer(_Server(_config(app, partial(_Checked, group=group))), listener, socket_path, closing)
    await asyncio.sleep(0)  # the socket listens already; this lets uvicorn take it up before the caller goes on
    return served


async def serve_tcp(desk: Desk, host: str, port: int, token: str, hosts: Iterable[str] = ()) -> ApiServer:
    """The same over TCP, for whoever holds the token. LocalError: the port is taken, or the address is not ours."""
    closing = asyncio.Event()
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise LocalError(
            f"The API can't listen at {host}:{port}: {error.strerror}; see [api] in config.toml."
        ) from error
    listener.setblocking(False)
    bound = int(listener.getsockname()[1])
    config = _config(Guard(make_app(desk, closing), token, bound, hosts), _Patient)
    served = ApiServer(_Server(config), listener, None, closing, bound)
    await asyncio.sleep(0)
    return served


def _config(app: ASGIApp, protocol: Callable[..., H11Protocol]) -> Config:
    return Config(
        app,
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=_SILENT,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


class _Server(Server):
    """uvicorn without its signal handlers, and waiting for an event instead of waking ten times a second."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.stop = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stop.wait()


class _Checked(H11Protocol):
    """HTTP for this user, root and one group: the socket's mode says so too, but a mode can be changed by mistake."""

    def __init__(self, *arguments: Any, group: int | None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._group = group

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        if _peer_uid(peer) not in (0, os.geteuid()) and self._group not in _peer_groups(peer):
            transport.abort()


class _Patient(H11Protocol):
    """HTTP for strangers of this device: bounded in number, and in how long each may say nothing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
        self.loop.call_later(HEAD_S_MAX, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None:
            self.transport.abort()


def _peer_uid(peer: socket.socket) -> int:
    """Who is at the other end, as the kernel says; where it can't say (macOS), the socket's mode has to do."""
    return _credentials(peer)[1] if _SO_PEERCRED is not None else os.geteuid()


def _peer_groups(peer: socket.socket) -> set[int]:
    """The groups of whoever is at the other end, as far as the kernel tells them."""
    if _SO_PEERCRED is None:
        return set()
    with suppress(OSError):  # of more groups than fit, or on an older kernel, the first one is told alone
        told = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, GROUPS_MAX * _GROUP.size)
        return {_credentials(peer)[2], *(group for (group,) in _GROUP.iter_unpack(told))}
    return {_credentials(peer)[2]}


def _credentials(peer: socket.socket) -> tuple[int, int, int]:
    """Process, user and first group."""
    assert _SO_PEERCRED is not None
    return _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, _SO_PEERCRED, _CREDENTIALS.size))


def _listen(path: Path, group: int | None) -> socket.socket:
    private_folder(path)
    if path.exists() and _answers(path):
        raise LocalError(f"Another daemon answers at {path}; stop it first, or use another PEERD_HOME.")
    path.unlink(missing_ok=True)  # what a daemon that was killed left behind
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        mask = os.umask(0o177)  # between bind and chmod anybody could connect
        try:
            listener.bind(os.fspath(path))
        finally:
            os.umask(mask)
        if group is not None:
            os.chown(path, -1, group)
            path.chmod(0o660)
        listener.listen(CONNECTIONS_MAX)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise LocalError(f"The API can't listen at {path}: {error.strerror or error}.") from error
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
        return True
