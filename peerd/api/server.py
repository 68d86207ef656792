"""The API's listening sockets and their life inside the daemon's loop.

The daemon owns them: `serve` and `serve_tcp` return once a socket listens, and `close` ends it within a bound. A unix
socket is for this user, or for a group as well, as the kernel says who asks; TCP is for whoever passes the guard. Never
here: routes, signals (they are the daemon's), or log lines of uvicorn.
"""

import asyncio
import ipaddress
import logging
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from peerd.api.address import is_listened_to, private_folder
from peerd.api.app import make_app
from peerd.api.desk import Desk
from peerd.api.guard import Guard
from peerd.api.wire import Trouble
from peerd.paths import is_there
from peerd_protocol.errors import LocalError

CONNECTIONS_MAX = 128
SHUTDOWN_S = 1
"""How long calls under way may take to end after the streams were told to."""
CONNECTIONS_A_PERSON_MAX = 32
"""Of one user on a group's socket: more pictures than anybody follows at once, and a quarter of what all may hold."""
HEAD_S_MAX = 10.0
"""Who connects and asks nothing for so long is cut off, or who leaves off in the middle of asking. An answer, and a
story that is followed, may last as long as they like."""
GROUPS_MAX = 256
"""Groups of one caller that are looked at; the socket module reads no more than a kilobyte."""
_SILENT = logging.CRITICAL + 1
_SO_PEERCRED: int | None = getattr(socket, "SO_PEERCRED", None)
_SO_PEERGROUPS = 59  # <asm-generic/socket.h>; Python does not name it
_CREDENTIALS = struct.Struct("3i")
_GROUP = struct.Struct("I")
_TOO_MANY_SAID = msgspec.json.encode(
    Trouble(error=f"You hold {CONNECTIONS_A_PERSON_MAX} connections to this daemon, the most for one person; end some.")
)
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    + f"Content-Length: {len(_TOO_MANY_SAID)}\r\n\r\n".encode()
    + _TOO_MANY_SAID
)


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

    With the number of a `group` its members may ask too (mode 0660): for pictures, and for nothing that is its owner's.
    """
    closing = asyncio.Event()
    listener = _listen(socket_path, group)
    app = make_app(desk, closing, for_owner=group is None)
    served = ApiServer(_Server(_config(app, partial(_Checked, group=group))), listener, socket_path, closing)
    await asyncio.sleep(0)  # the socket listens already; this lets uvicorn take it up before the caller goes on
    return served


async def serve_tcp(desk: Desk, host: str, port: int, token: str, hosts: Iterable[str] = ()) -> ApiServer:
    """The same over TCP, for whoever holds the token. LocalError: the port is taken, or the address is not ours.

    On loopback that is this device's user, who may name files here; whoever is somewhere else fetches pictures.
    """
    closing = asyncio.Event()
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name of a host can be written so
        reason = getattr(error, "strerror", None) or error
        raise LocalError(f"The API can't listen at {host}:{port}: {reason}; see [api] in config.toml.") from error
    listener.setblocking(False)
    bound = int(listener.getsockname()[1])
    app = make_app(desk, closing, writes=_is_loopback(listener.getsockname()[0]))
    config = _config(Guard(app, token, bound, hosts), _Bounded)
    served = ApiServer(_Server(config), listener, None, closing, bound)
    await asyncio.sleep(0)
    return served


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


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


class _Bounded(H11Protocol):
    """HTTP for callers that are bounded in number, and in how long each may say nothing before it is answered."""

    _owed: RequestResponseCycle | None = None
    _owes: bool = True
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
        self._look = self.loop.call_later(HEAD_S_MAX, self._look_at_patience)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._look is not None:
            self._look.cancel()

    def _look_at_patience(self) -> None:
        """Whoever owed the same question at the last look, or at the beginning, has had its time."""
        owes = self.cycle is None or self.cycle.response_complete or self.cycle.more_body
        if owes and self._owes and self.cycle is self._owed:
            self.transport.abort()
            return
        self._owes, self._owed = owes, self.cycle
        self._look = self.loop.call_later(HEAD_S_MAX, self._look_at_patience)


class _Checked(_Bounded):
    """HTTP for this user, root and one group: the socket's mode says so too, but a mode can be changed by mistake."""

    def __init__(self, *arguments: Any, group: int | None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._group = group
        self._uid = -1

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        self._uid = _peer_uid(peer)
        if self._uid not in (0, os.geteuid()) and self._group not in _peer_groups(peer):
            transport.abort()
        elif self._group is not None and self._held_by_this_person() > CONNECTIONS_A_PERSON_MAX:
            transport.write(_TOO_MANY)
            transport.close()

    def _held_by_this_person(self) -> int:
        return sum(isinstance(other, _Checked) and other._uid == self._uid for other in self.connections)


def _peer_uid(peer: socket.socket) -> int:
    """Who is at the other end, as the kernel says; where it can't say (macOS), the socket's mode has to do."""
    return _credentials(peer)[1] if _SO_PEERCRED is not None else os.geteuid()


def _peer_groups(peer: socket.socket) -> set[int]:
    """The groups of whoever is at the other end, as the kernel tells them, else as this system's files name them."""
    if _SO_PEERCRED is None:
        return set()
    _, uid, first = _credentials(peer)
    try:
        told = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, GROUPS_MAX * _GROUP.size)
    except OSError:  # an older kernel than 4.13, or more groups than fit
        return {first, *_groups_on_file(uid)}
    return {first, *(group for (group,) in _GROUP.iter_unpack(told))}


def _groups_on_file(uid: int) -> set[int]:
    """What a login of this user would give it; nothing for one that is not on file."""
    import pwd  # only where the kernel can't say

    try:
        user = pwd.getpwuid(uid)
        return set(os.getgrouplist(user.pw_name, user.pw_gid))
    except (KeyError, OSError):
        return set()


def _credentials(peer: socket.socket) -> tuple[int, int, int]:
    """Process, user and first group."""
    assert _SO_PEERCRED is not None
    return _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, _SO_PEERCRED, _CREDENTIALS.size))


def _listen(path: Path, group: int | None) -> socket.socket:
    with _told(path, group):
        if group is not None:
            _public_folder(path.parent)
        private_folder(path)
        _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _told(path, group):
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
    except LocalError:
        listener.close()
        raise
    return listener


@contextmanager
def _told(path: Path, group: int | None) -> Iterator[None]:
    """Whatever the system refuses here is one sentence about this socket."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a zero byte in a path of the settings
        reason = getattr(error, "strerror", None) or error
        remedy = "set PEERD_HOME to another folder" if group is None else "see [api] in config.toml"
        raise LocalError(f"The API can't listen at {path}: {reason}; {remedy}.") from error


def _public_folder(folder: Path) -> None:
    """Make it, and those above that are missing, such that a group can reach what is in it, whatever the umask."""
    if not is_there(folder):
        _public_folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def _clear(path: Path) -> None:
    """Make room for our socket: only one that nobody listens to is removed, and never another kind of file."""
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise LocalError(f"The API can't listen at {path}: it is no socket; move it away, or name another place.")
    if is_listened_to(path):
        raise LocalError(f"Another daemon answers at {path}; stop it first, or use another PEERD_HOME.")
    path.unlink(missing_ok=True)  # what a daemon that was killed left behind
