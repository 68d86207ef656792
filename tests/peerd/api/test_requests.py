"""Asking, watching, cancelling and planning over a real unix socket: the real API and client, a scripted desk."""

import asyncio
import json
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from peerd.api.address import SOCKET_PATH_BYTES_MAX, socket_path
from peerd.api.client import Client, DaemonGone, NoDaemon
from peerd.api.desk import Wish
from peerd.api.server import serve
from peerd.api.wire import BODY_BYTES_MAX
from peerd_protocol.errors import LocalError
from peerd_protocol.ids import RequestId
from peerd_protocol.notices import Failed, Queued
from tests.peerd.api.scripted import ScriptedDesk, story

APPLE = Wish(prompt="apple on table", steps=4, shared=2, seed=41)


async def test_a_wish_reaches_the_desk_whole_and_its_story_comes_back_in_order(desk: ScriptedDesk, home: Path) -> None:
    client = Client(home)
    request = await asyncio.to_thread(client.submit, APPLE)
    assert desk.wishes[request] == APPLE
    told = await asyncio.to_thread(lambda: list(client.follow(request)))
    assert told == story()


async def test_the_cluster_is_shown_as_the_desk_sees_it(desk: ScriptedDesk, home: Path) -> None:
    assert await asyncio.to_thread(Client(home).view) == desk.view()


async def test_a_plan_is_made_for_all_prompts_at_once(desk: ScriptedDesk, home: Path) -> None:
    plan = await asyncio.to_thread(Client(home).plan, [APPLE, Wish(prompt="lemon on table")])
    (group,) = plan["groups"]
    assert (group["prompts"], group["shared_steps"]) == (["apple on table", "lemon on table"], 5)
    assert group["executor"] == "BOB-ID"


async def test_cancelling_ends_the_story_for_whoever_watches(desk: ScriptedDesk, home: Path) -> None:
    client = Client(home)
    request = await asyncio.to_thread(client.submit, Wish(prompt="forever"))
    story_so_far = client.follow(request)
    assert isinstance(await asyncio.to_thread(next, story_so_far), Queued)
    await asyncio.to_thread(client.cancel, request)
    assert await asyncio.to_thread(next, story_so_far) == Failed(reason="You cancelled this request.")
    assert await asyncio.to_thread(next, story_so_far, None) is None


async def test_a_watcher_that_disappears_is_forgotten_and_the_request_lives_on(desk: ScriptedDesk, home: Path) -> None:
    client = Client(home)
    request = await asyncio.to_thread(client.submit, Wish(prompt="forever"))
    watching = client.follow(request)
    await asyncio.to_thread(next, watching)
    assert desk.followers == 1
    watching.close()
    async with asyncio.timeout(5):
        await desk.follower_left.wait()
    assert desk.followers == 0
    assert not desk.cancelled[request].is_set()


async def test_stopping_the_daemon_ends_open_streams_at_once(desk: ScriptedDesk, tmp_path: Path) -> None:
    served = await serve(desk, socket_path(tmp_path))
    client = Client(tmp_path)
    request = await asyncio.to_thread(client.submit, Wish(prompt="forever"))
    watching = client.follow(request)
    await asyncio.to_thread(next, watching)
    async with asyncio.timeout(2):
        await served.close()
    assert await asyncio.to_thread(next, watching, None) is None
    assert desk.followers == 0
    assert not socket_path(tmp_path).exists()
    await served.close()
    with pytest.raises(NoDaemon, match="start one with `peerd up`"):
        await asyncio.to_thread(client.view)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda client: client.submit(Wish(prompt="  ")), "The prompt is empty; say what to draw."),
        (lambda client: list(client.follow(RequestId("no/such"))), "There is no"),
        (lambda client: list(client.follow(RequestId("r9"))), "There is no request r9."),
        (lambda client: client.cancel(RequestId("r9")), "There is no request r9."),
        (lambda client: client.plan([]), "A plan is made for 1 to 64 prompts; 0 were given."),
        (lambda client: client.plan([Wish(prompt="broken")]), "The daemon met an error of its own"),
        (lambda client: list(client.invite(minutes=11)), "at most 10 minutes"),
        (lambda client: client.revoke("b\udcffb"), "What you wrote is not in UTF-8"),
        (lambda client: list(client.join("STALE")), "This token is not valid any more"),
    ],
)
async def test_a_refusal_is_one_sentence(home: Path, call: Any, sentence: str, caplog: Any) -> None:
    with pytest.raises(LocalError, match=sentence.replace(".", r"\.")):
        await asyncio.to_thread(call, Client(home))


async def test_a_fault_in_the_middle_of_a_story_becomes_its_last_line(desk: ScriptedDesk, home: Path) -> None:
    client = Client(home)
    request = await asyncio.to_thread(client.submit, Wish(prompt="broken"))
    watching = client.follow(request)
    assert isinstance(await asyncio.to_thread(next, watching), Queued)
    with pytest.raises(LocalError, match="The daemon met an error of its own"):
        await asyncio.to_thread(next, watching)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/requests", b'{"prompt": 3}', 400),
        ("POST", "/v1/requests", b'{"prompt": "a", "colour": "red"}', 400),
        ("POST", "/v1/requests", b"\xff\xfe", 400),
        ("POST", "/v1/requests", b"[" * 100_000, 400),
        ("POST", "/v1/requests", b'{"prompt": "' + b"a" * BODY_BYTES_MAX + b'"}', 413),
        ("POST", "/v1/pairing/unknown", b'{"yes": true}', 404),
        ("GET", "/v1/nothing", b"", 404),
        ("GET", "/v1/requests", b"", 405),
        ("GET", "/v1/requests/r9/events", b"", 404),
    ],
)
async def test_hostile_bodies_and_strange_paths_get_an_error_as_json(
    home: Path, method: str, path: str, body: bytes, status: int
) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    answer = await asyncio.to_thread(_exchange, home, head + body)
    assert answer.split(b" ")[1] == str(status).encode()
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]


async def test_the_socket_is_for_its_owner_alone_and_is_not_taken_from_a_living_daemon(
    desk: ScriptedDesk, home: Path
) -> None:
    path = socket_path(home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(LocalError, match="Another daemon answers"):
        await serve(desk, path)
    assert await asyncio.to_thread(Client(home).view) == desk.view()


async def test_a_socket_left_by_a_killed_daemon_is_replaced(desk: ScriptedDesk, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(socket_path(tmp_path)))
    with pytest.raises(NoDaemon):
        Client(tmp_path).view()
    served = await serve(desk, socket_path(tmp_path))
    assert await asyncio.to_thread(Client(tmp_path).view) == desk.view()
    await served.close()


async def test_a_long_home_gets_a_short_socket_that_both_sides_find(desk: ScriptedDesk, tmp_path: Path) -> None:
    long_home = tmp_path / ("deep" * 30)
    long_home.mkdir()
    path = socket_path(long_home)
    assert len(str(path)) <= SOCKET_PATH_BYTES_MAX
    assert long_home not in path.parents
    served = await serve(desk, path)
    assert await asyncio.to_thread(Client(long_home).view) == desk.view()
    await served.close()
    path.parent.chmod(0o777)
    with pytest.raises(LocalError, match="can be written by others"):
        await serve(desk, path)
    path.parent.rmdir()


async def test_a_daemon_that_is_killed_in_the_middle_is_told_apart_from_the_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path(tmp_path)))
        listener.listen(1)

        def dies_in_a_line() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"is":"qu')

        dying = asyncio.create_task(asyncio.to_thread(dies_in_a_line))
        with pytest.raises(DaemonGone, match="start it again"):
            await asyncio.to_thread(lambda: list(Client(tmp_path).follow(RequestId("r1"))))
        await dying


@pytest.mark.parametrize("body", [b'{"id": 7}', b"<html>", b"\xff", b'{"is":"a-notice-of-tomorrow"}\n'])
async def test_an_answer_of_another_version_is_told_as_that(tmp_path: Path, body: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path(tmp_path)))
        listener.listen(1)

        def answers() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        def ask() -> object:
            client = Client(tmp_path)
            return list(client.follow(RequestId("r1"))) if body.endswith(b"\n") else client.view()

        answering = asyncio.create_task(asyncio.to_thread(answers))
        with pytest.raises(DaemonGone, match=r"what peerd \d+\.\d+.* can not read .* another version"):
            await asyncio.to_thread(ask)
        await answering


def _exchange(home: Path, sent: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(socket_path(home)))
        try:
            connection.sendall(sent)
        except BrokenPipeError:
            pass  # a body that is too large may be refused before it is read
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer
