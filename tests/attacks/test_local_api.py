"""Attacks on the local API: pages of other sites, names that lead to loopback, other users here, idle callers.

Each speaks raw HTTP, as a browser or a program would. Never here: what the routes do.
"""

import asyncio
import contextlib
import os
import pwd
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from peerd.api import server
from peerd.api.address import socket_path
from peerd.api.client import Client
from peerd.api.desk import Wish
from peerd.api.guard import TOKEN_NAME, token_in
from peerd.api.server import ApiServer, serve, serve_tcp
from peerd.api.wire import Asking
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import RequestId
from tests.peerd.api.scripted import PNG, ScriptedDesk

TOKEN = "t" * 43
NOBODY = 65_534
HOUSEHOLD = 54_321
"""A group of no account here."""
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
IDLE = 500


@pytest.fixture
async def over_tcp() -> AsyncIterator[ApiServer]:
    served = await serve_tcp(ScriptedDesk(), "127.0.0.1", 0, TOKEN)
    yield served
    await served.close()


async def ask(port: int, *headers: str, host: str | None = None) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"Host: {host or f'127.0.0.1:{port}'}", "Connection: close", *headers]
    writer.write(("GET /v1/cluster HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return int(answer.split(b" ")[1]), answer


BEARER = f"Authorization: Bearer {TOKEN}"


async def test_whoever_holds_the_token_and_means_this_address_is_answered(over_tcp: ApiServer) -> None:
    port = over_tcp.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
        status, answer = await ask(port, BEARER, host=host)
        assert status == 200 and b'"name":"ada"' in answer
    status, answer = await ask(port, BEARER, f"Origin: http://127.0.0.1:{port}")
    assert status == 200 and b"access-control" not in answer.lower()


async def test_a_name_that_was_made_to_lead_here_is_refused_even_with_the_token(over_tcp: ApiServer) -> None:
    """DNS rebinding: the page's own name resolves to 127.0.0.1, so that the browser thinks it asks its own site."""
    port = over_tcp.port
    for host in (
        f"evil.example:{port}",
        "evil.example",
        "127.0.0.1",
        f"127.0.0.1.evil.example:{port}",
        f"127.0.0.1:{port + 1}",
    ):
        status, answer = await ask(port, BEARER, host=host)
        assert status == 403 and b'"name":"ada"' not in answer, host
    status, _ = await ask(port, BEARER, f"Host: 127.0.0.1:{port}", host="evil.example")
    assert status in (400, 403)


async def test_a_page_of_another_site_is_refused(over_tcp: ApiServer) -> None:
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{over_tcp.port}", "http://127.0.0.1"):
        status, answer = await ask(over_tcp.port, BEARER, f"Origin: {origin}")
        assert status == 403 and b"access-control" not in answer.lower(), origin


async def test_without_the_token_nothing_is_told(over_tcp: ApiServer) -> None:
    for headers in ((), (BEARER[:-1],), (BEARER + "x",), ("Authorization: Basic abc",), (BEARER, BEARER)):
        status, answer = await ask(over_tcp.port, *headers)
        assert status == 401 and b"ada" not in answer
        assert TOKEN.encode() not in answer


async def test_five_hundred_idle_connections_keep_nobody_out_for_long(
    over_tcp: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_S_MAX", 0.5)
    with contextlib.ExitStack() as idle:
        for _ in range(IDLE):
            idle.enter_context(socket.create_connection(("127.0.0.1", over_tcp.port)))
            await asyncio.sleep(0)
        await asyncio.sleep(1.0)
        status, _ = await ask(over_tcp.port, BEARER)
        assert status == 200


async def test_by_default_nothing_listens_on_tcp_and_then_on_loopback_alone(over_tcp: ApiServer) -> None:
    from peerd.config import Config

    assert Config().api.port is None and Config().api.host == "127.0.0.1"
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", over_tcp.port), timeout=1.0)


async def heard_by(path: Path, user: int, group: int, further: Sequence[int] = ()) -> bool:
    """Whether a process of this user and these groups gets an answer."""
    script = (
        "import os, socket\n"
        f"os.setgroups({list(further)}); os.setgid({group}); os.setuid({user})\n"
        "try:\n"
        f"    s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r})\n"
        "    s.sendall(b'GET /v1/cluster HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); print(min(len(s.recv(100)), 1))\n"
        "except OSError: print(0)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, trouble = await process.communicate()
    assert out.strip() in (b"0", b"1"), trouble
    return out.strip() == b"1"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that every user may look into; where pytest puts its own, only one may."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101 - a moment's work
        yield Path(folder)


@AS_ROOT
async def test_another_user_is_turned_away_even_where_the_sockets_mode_would_let_it_in(open_folder: Path) -> None:
    path = socket_path(open_folder)
    served = await serve(ScriptedDesk(), path)
    path.chmod(0o666)
    assert not await heard_by(path, NOBODY, NOBODY)
    assert await heard_by(path, 0, 0)
    await served.close()


@AS_ROOT
async def test_a_group_is_let_in_and_nobody_beside_it_whatever_the_sockets_mode(open_folder: Path) -> None:
    path = open_folder / "for-a-group" / "api.sock"
    served = await serve(ScriptedDesk(), path, HOUSEHOLD)
    assert (path.stat().st_mode & 0o777, path.stat().st_gid) == (0o660, HOUSEHOLD)
    for mode in (0o660, 0o666):
        path.chmod(mode)
        assert await heard_by(path, NOBODY, NOBODY, [HOUSEHOLD]), "one group of several"
        assert await heard_by(path, NOBODY, HOUSEHOLD), "the first group"
        assert not await heard_by(path, NOBODY, NOBODY, [HOUSEHOLD + 1])
    assert await heard_by(path, NOBODY, HOUSEHOLD, range(70_000, 70_500)), "of so many groups the first is known"
    await served.close()


@AS_ROOT
async def test_where_the_kernel_tells_no_groups_those_on_file_count(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 4.13 it knew no such question; here it is asked one that it still does not know."""
    monkeypatch.setattr(server, "_SO_PEERGROUPS", 9_999)
    path = open_folder / "for-a-group" / "api.sock"
    served = await serve(ScriptedDesk(), path, pwd.getpwuid(NOBODY).pw_gid)
    path.chmod(0o666)
    assert await heard_by(path, NOBODY, HOUSEHOLD), "on file, this user's first group is the one"
    assert not await heard_by(path, HOUSEHOLD, HOUSEHOLD), "who is not on file is in no group"
    await served.close()


@AS_ROOT
async def test_one_person_of_a_group_can_not_shut_the_others_out(open_folder: Path) -> None:
    """A thousand connections of one are thirty-two, however long they would be held; the next of the group is heard."""
    path = open_folder / "for-a-group" / "api.sock"
    served = await serve(ScriptedDesk(), path, HOUSEHOLD)
    with contextlib.ExitStack() as held:
        idle = [held.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(IDLE)]
        for one in idle:
            one.connect(str(path))
            one.setblocking(False)
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            for one in idle[server.CONNECTIONS_A_PERSON_MAX :]:
                assert b" 503 " in await asyncio.get_running_loop().sock_recv(one, 100)
        with pytest.raises(LocalError, match="the most for one person; end some"):
            await asyncio.to_thread(Client(path.parent, path).view)
        assert await heard_by(path, NOBODY, HOUSEHOLD)
    await served.close()


@pytest.mark.parametrize(
    "said", [b"", b"GET /v1/clu", b"POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"]
)
@pytest.mark.parametrize("group", [None, os.getegid()])
async def test_who_leaves_off_before_asking_is_cut_off_and_who_follows_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes, group: int | None
) -> None:
    monkeypatch.setattr(server, "HEAD_S_MAX", 0.5)
    desk, path = ScriptedDesk(), tmp_path / "api.sock"
    served = await serve(desk, path, group)
    client = Client(tmp_path, path)
    request = await asyncio.to_thread(client.submit, Wish(prompt="forever"))
    following = client.follow(request)
    await asyncio.to_thread(next, following)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(said)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    assert desk.followers == 1, "this one listens, and owes nothing"
    await asyncio.to_thread(client.cancel, request)
    assert await asyncio.to_thread(lambda: [type(notice).__name__ for notice in following]) == ["Failed"]
    writer.close()
    await served.close()


async def test_a_caller_that_goes_on_asking_on_one_connection_may_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that only begins a second question is cut off as any other."""
    monkeypatch.setattr(server, "HEAD_S_MAX", 0.5)
    served = await serve(ScriptedDesk(), tmp_path / "api.sock")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "api.sock")
    until_s = asyncio.get_running_loop().time() + 2.0
    while asyncio.get_running_loop().time() < until_s:
        writer.write(b"GET /v1/cluster HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
            await reader.readexactly(int(length.removeprefix(b"content-length: ")))
    writer.write(b"G")
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    await served.close()


async def test_nobody_of_a_group_has_the_daemon_write_with_its_own_rights(tmp_path: Path) -> None:
    """It could write over its own keys. A picture is fetched instead."""
    desk, path = ScriptedDesk(), tmp_path / "api.sock"
    served = await serve(desk, path, os.getegid())
    client = Client(tmp_path, path)
    with pytest.raises(LocalError, match="writes to its own folder alone; fetch the picture"):
        await asyncio.to_thread(client.submit, Wish(prompt="apple on table", out=str(tmp_path / "identity.key")))
    assert not desk.wishes
    request = await asyncio.to_thread(client.submit, Wish(prompt="apple on table"))
    assert await asyncio.to_thread(client.picture, request) == PNG
    with pytest.raises(LocalError, match="no picture"):
        await asyncio.to_thread(client.picture, RequestId("another"))
    await served.close()


async def test_nobody_of_a_group_does_what_is_the_owners(tmp_path: Path) -> None:
    """Let devices in, shut them out, move the daemon to another cluster, or read what is kept of others' prompts."""
    desk, path = ScriptedDesk(), tmp_path / "run" / "api.sock"
    own, shared = await serve(desk, socket_path(tmp_path)), await serve(desk, path, os.getegid())
    member = Client(tmp_path, path)
    refused: list[Callable[[], object]] = [
        lambda: list(member.invite()),
        lambda: list(member.join("TOKEN-1")),
        lambda: member.answer(Asking(name="bob", words="amber", id="0"), True),
        lambda: member.revoke("bob"),
        lambda: member.leave(True),
        member.cache,
        member.clear_cache,
    ]
    for call in refused:
        with pytest.raises(LocalError, match="ask as the daemon's own user"):
            await asyncio.to_thread(call)
    assert not (desk.left or desk.guests or desk.answers) and desk.kept
    assert await asyncio.to_thread(Client(tmp_path).clear_cache) == 1, "at its own socket it is the owner's to do"
    await own.close()
    await shared.close()


async def test_whoever_asks_over_tcp_names_a_file_on_this_device_alone() -> None:
    """The token may have travelled to another device; the path that is named there means nothing here."""
    desk, wish = ScriptedDesk(), b'{"prompt": "apple on table", "out": "/home/ada/apple.png"}'
    for host, status in (("127.0.0.1", 201), ("0.0.0.0", 400)):
        served = await serve_tcp(desk, host, 0, TOKEN)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        head = [f"Host: 127.0.0.1:{served.port}", "Connection: close", BEARER, f"Content-Length: {len(wish)}"]
        writer.write(("POST /v1/requests HTTP/1.1\r\n" + "\r\n".join(head) + "\r\n\r\n").encode() + wish)
        async with asyncio.timeout(10):
            answer = await reader.read()
        assert int(answer.split(b" ")[1]) == status, answer
        writer.close()
        await served.close()
    assert len(desk.wishes) == 1


def test_the_token_is_made_once_and_refused_when_others_can_read_it(tmp_path: Path) -> None:
    token = token_in(tmp_path)
    path = tmp_path / TOKEN_NAME
    assert token_in(tmp_path) == token and len(token) >= 43 and path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(LocalError, match="open to other users"):
        token_in(tmp_path)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(LocalError, match="holds no token"):
        token_in(tmp_path)
