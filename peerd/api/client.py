"""A small client of the local API, for the command line, the demo, examples and tests.

It is synchronous and built on http.client, since an HTTP library would take longer to import than most commands run.
Every wait is bounded, and Ctrl-C interrupts it. Never here: printing.
"""

import http.client
import os
import socket
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from peerd.api.address import check_folder, socket_path
from peerd.api.desk import CacheView, NodeView, Wish
from peerd.api.wire import (
    LINE_BYTES_MAX,
    SILENCE_S_MAX,
    Answered,
    Asking,
    Cleared,
    InviteAsked,
    JoinAsked,
    LeaveAsked,
    PairingLine,
    PlanAsked,
    RevokeAsked,
    Revoked,
    Submitted,
    Trouble,
)
from peerd_protocol.errors import UNREADABLE, LocalError, PeerdError
from peerd_protocol.ids import RequestId
from peerd_protocol.notices import AnyNotice

CALL_S_MAX = 30.0
PLAN_S_MAX = 120.0
"""A plan may start the engine to measure it, and importing torch takes its time on a small device."""

Line = TypeVar("Line")
Value = TypeVar("Value")


class NoDaemon(LocalError):
    """Nothing listens at this home."""


class DaemonGone(PeerdError):
    """The daemon stopped answering in the middle."""


class Client:
    """Talks to the daemon of one home. Each call opens its own connection, so threads may share a client."""

    def __init__(self, home: Path, path: Path | None = None) -> None:
        """`path`: another socket than the home's own, of a daemon that works for many."""
        self.home = home
        self.own = path is None
        self._path = path or socket_path(home)
        self._place = f"at {home}" if path is None else f"of this device, at {path},"
        """How a sentence names the daemon."""

    def view(self, timeout_s: float = CALL_S_MAX) -> NodeView:
        return self._read_as(NodeView, self._call("GET", "/v1/cluster", timeout_s=timeout_s))

    def submit(self, wish: Wish) -> RequestId:
        return self._read_as(Submitted, self._call("POST", "/v1/requests", wish)).request

    def follow(self, request: RequestId) -> Generator[AnyNotice, None, None]:
        """All notices of a request from its first on. Closing the generator stops watching, not the request."""
        path = f"/v1/requests/{quote(request, safe='')}/events"
        decoder: msgspec.json.Decoder[AnyNotice] = msgspec.json.Decoder(AnyNotice)
        return self._lines("GET", path, None, decoder)

    def picture(self, request: RequestId) -> bytes:
        """The PNG of a finished request."""
        return self._call("GET", f"/v1/requests/{quote(request, safe='')}/picture")

    def discard(self, request: RequestId) -> None:
        """Have the daemon remove its own copy of a picture that has been fetched."""
        self._call("DELETE", f"/v1/requests/{quote(request, safe='')}/picture")

    def cancel(self, request: RequestId) -> None:
        self._call("DELETE", f"/v1/requests/{quote(request, safe='')}", timeout_s=5.0)

    def plan(self, wishes: Sequence[Wish]) -> dict[str, Any]:
        answer = self._call("POST", "/v1/plan", PlanAsked(wishes=tuple(wishes)), timeout_s=PLAN_S_MAX)
        return self._read_as(dict[str, Any], answer)

    def cache(self) -> CacheView:
        return self._read_as(CacheView, self._call("GET", "/v1/cache"))

    def clear_cache(self) -> int:
        """How many kept checkpoints were removed."""
        return self._read_as(Cleared, self._call("DELETE", "/v1/cache")).count

    def invite(self, minutes: float = 10.0, guest: bool = False) -> Generator[PairingLine, None, None]:
        """Open a join window; closing the generator closes it. Answer each `Asking` with `answer`."""
        return self._lines("POST", "/v1/invite", InviteAsked(minutes=minutes, guest=guest), _pairing_decoder())

    def revoke(self, device: str) -> Revoked:
        return self._read_as(Revoked, self._call("POST", "/v1/revoke", RevokeAsked(device=device)))

    def leave(self, abandon: bool = False) -> None:
        self._call("POST", "/v1/leave", LeaveAsked(abandon=abandon))

    def join(self, token: str) -> Generator[PairingLine, None, None]:
        return self._lines("POST", "/v1/join", JoinAsked(token=token), _pairing_decoder())

    def answer(self, question: Asking, yes: bool) -> None:
        self._call("POST", f"/v1/pairing/{question.id}", Answered(yes=yes))

    def _call(self, method: str, path: str, body: object = None, timeout_s: float = CALL_S_MAX) -> bytes:
        with closing(self._connect(timeout_s)) as connection:
            response = self._ask(connection, method, path, body)
            return self._read(response)

    def _lines(
        self, method: str, path: str, body: object, decoder: "msgspec.json.Decoder[Line]"
    ) -> Generator[Line, None, None]:
        with closing(self._connect(SILENCE_S_MAX)) as connection:
            response = self._ask(connection, method, path, body)
            while line := self._readline(response):
                if line == b"\n":
                    continue
                if line.startswith(b'{"error"'):
                    raise LocalError(self._read_as(Trouble, line).error)
                try:
                    value = decoder.decode(line)
                except UNREADABLE as error:
                    raise self._foreign(error) from error
                yield value

    def _read_as(self, kind: type[Value], answer: bytes) -> Value:
        try:
            return msgspec.json.decode(answer, type=kind)
        except UNREADABLE as error:
            raise self._foreign(error) from error

    def _foreign(self, error: BaseException) -> DaemonGone:
        from importlib.metadata import version  # only here: it reads files

        return DaemonGone(
            f"The daemon {self._place} answers what peerd {version('peerd')} can not read ({error}); it runs another "
            "version: start it again after an update, so that both are of one."
        )

    def _connect(self, timeout_s: float) -> "_Connection":
        connection = _Connection(self._path, timeout_s)
        try:
            check_folder(self._path)
            connection.connect()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            raise NoDaemon(self._nobody()) from error
        except PermissionError as error:
            connection.close()
            raise NoDaemon(
                f"The daemon at {self._path} is another user's; ask as that user, or become a member of its group."
            ) from error
        except OSError as error:
            connection.close()
            raise self._gone(error) from error
        return connection

    def _ask(self, connection: "_Connection", method: str, path: str, body: object) -> http.client.HTTPResponse:
        try:
            payload = None if body is None else msgspec.json.encode(body)
        except UnicodeEncodeError as error:  # bytes of another encoding that Python let through
            raise LocalError("What you wrote is not in UTF-8; write it in that encoding.") from error
        try:
            with suppress(BrokenPipeError):  # a daemon that refuses whoever calls has answered before it was asked
                connection.request(method, path, payload, {"Content-Type": "application/json"} if payload else {})
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._gone(error) from error
        if response.status >= 300:
            raise LocalError(_trouble(self._read(response), response.status))
        return response

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._gone(error) from error

    def _readline(self, response: http.client.HTTPResponse) -> bytes:
        try:
            line = response.readline(LINE_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise self._gone(error) from error
        if line and not line.endswith(b"\n"):
            raise DaemonGone(f"The daemon {self._place} broke off in the middle of an answer; its log may say why.")
        return line

    def _gone(self, error: BaseException) -> DaemonGone:
        what = "does not answer" if isinstance(error, TimeoutError) else "stopped in the middle of this call"
        again = "start it again with `peerd up`" if self.own else "have its owner start it again"
        return DaemonGone(f"The daemon {self._place} {what}; look at its log, then {again}.")

    def _nobody(self) -> str:
        if self.own:
            return f"No daemon runs on this home ({self.home}); start one with `peerd up`."
        return (
            f"The daemon of this device does not run: nobody listens at {self._path}; have its owner start it, or "
            "start one of your own with `peerd up`."
        )


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


def _pairing_decoder() -> "msgspec.json.Decoder[PairingLine]":
    return msgspec.json.Decoder(PairingLine)


def _trouble(body: bytes, status: int) -> str:
    try:
        return msgspec.json.decode(body, type=Trouble).error
    except UNREADABLE:
        return f"The daemon answered with status {status} and no reason; its log may say more."
