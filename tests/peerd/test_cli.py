"""The command line as programs see it: exit codes, JSON alone on stdout, one sentence for what goes wrong.

Every test runs the real program against the real API; only the desk behind it is scripted. What no daemon ever hears
of is said to the program in this very process.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from peerd.api.address import socket_path
from peerd.cli import app
from peerd_protocol.notices import Failed, Queued
from tests.peerd.api.conftest import run_api
from tests.peerd.api.scripted import BOB, ScriptedDesk
from tests.peerd.saying import Said, saying

ROOT = Path(__file__).parents[2]
RUN_S_MAX = 30


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[ScriptedDesk]:
    yield from run_api(ScriptedDesk, socket_path(tmp_path))


def peerd(home: Path, *words: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "peerd", *words],
        env=environment(home),
        cwd=home,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """`peerd` with these words, on a home where no daemon runs."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return saying(monkeypatch, capsys)


def begin(home: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "peerd", *words],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PEERD_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "protocol"), os.environ.get("PYTHONPATH", "")]),
        "COLUMNS": "120",
    }


def answer(home: Path, *words: str) -> Any:
    done = peerd(home, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_generate_tells_where_the_picture_is_and_who_helped(daemon: ScriptedDesk, tmp_path: Path) -> None:
    told = answer(tmp_path, "generate", "apple on table", "--steps", "4", "--shared", "2", "--out", "apple.png")
    assert told["path"] == "/pictures/one.png"
    assert told["pixels_sha256"] == "ab" * 32
    assert (told["executor"], told["runner"], told["shared_steps"], told["total_steps"]) == ("bob", "ada", 2, 4)
    assert (told["handoff_bytes"], told["denoiser_calls"], told["shared_with"]) == (70_000, 2, ["other"])
    (wish,) = daemon.wishes.values()
    assert (wish.prompt, wish.steps, wish.shared, wish.keep) == ("apple on table", 4, 2, True)
    assert wish.out == str(tmp_path / "apple.png"), "the daemon lives in another folder"


def test_every_wish_of_generate_reaches_the_daemon(daemon: ScriptedDesk, tmp_path: Path) -> None:
    (tmp_path / "sd").mkdir()
    words = "--seed 7 --guidance 3.5 --scheduler euler --negative blur --size 64x128 --model ./sd"
    told = answer(
        tmp_path,
        "generate",
        "a dog",
        *words.split(),
        "--group",
        "pets:3",
        "--wait",
        "2",
        "--share",
        "nothing",
        "--no-keep",
    )
    (wish,) = daemon.wishes.values()
    assert (wish.seed, wish.guidance, wish.scheduler, wish.negative) == (7, 3.5, "euler", "blur")
    assert (wish.width, wish.height, wish.model) == (64, 128, str(tmp_path / "sd"))
    assert (wish.group_name, wish.group_size, wish.wait_s, wish.share) == ("pets", 3, 2.0, "nothing")
    assert not wish.keep
    assert wish.shared is None
    assert told["request"] == "r1"


def test_without_a_terminal_generate_writes_plain_lines(daemon: ScriptedDesk, tmp_path: Path) -> None:
    done = peerd(tmp_path, "generate", "apple on table")
    assert done.returncode == 0
    assert "bob runs 2 steps for 2 requests, ada the rest; 17 denoiser calls instead of 22" in done.stdout
    assert "handoff of 70,000 bytes from bob after step 2" in done.stdout
    assert "done in 1.5 s: /pictures/one.png" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_takes_the_request_back(daemon: ScriptedDesk, tmp_path: Path, ending: signal.Signals) -> None:
    running = begin(tmp_path, "generate", "forever")
    assert running.stdout is not None
    assert "asked bob, the leader" in running.stdout.readline()
    running.send_signal(ending)
    _, stderr = running.communicate(timeout=RUN_S_MAX)
    assert running.returncode == 130
    assert "Cancelled." in stderr
    assert daemon.cancelled[next(iter(daemon.wishes))].is_set()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_the_daemon_still_accepts_takes_the_request_back_too(
    daemon: ScriptedDesk, tmp_path: Path, ending: signal.Signals
) -> None:
    daemon.accepts.clear()
    running = begin(tmp_path, "generate", "forever")
    assert daemon.asked.wait(RUN_S_MAX)
    running.send_signal(ending)
    daemon.accepts.set()
    _, stderr = running.communicate(timeout=RUN_S_MAX)
    assert (running.returncode, stderr) == (130, "peerd: Cancelled.\n")
    assert daemon.cancelled[next(iter(daemon.wishes))].is_set()


def test_a_second_ctrl_c_waits_for_no_answer(daemon: ScriptedDesk, tmp_path: Path) -> None:
    daemon.accepts.clear()
    running = begin(tmp_path, "generate", "forever")
    assert daemon.asked.wait(RUN_S_MAX)
    assert running.stderr is not None
    while not select.select([running.stderr], [], [], 0.1)[0]:  # two that come at once are one to the kernel
        running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=RUN_S_MAX)
    daemon.accepts.set()
    assert (running.returncode, len(stderr.splitlines())) == (130, 1)
    assert "Interrupted before the daemon answered" in stderr


def test_a_request_that_fails_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    script = [Queued(leader=BOB), Failed(reason="no device that can run it answered")]
    for _ in run_api(lambda: ScriptedDesk(script), socket_path(tmp_path)):
        done = peerd(tmp_path, "generate", "apple", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"error": "No picture: no device that can run it answered."}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["generate", "   "], "The prompt is empty"),
        (["generate", "a" * 2_001], "The prompt has 2001 characters; at most 2000"),
        (["generate", "a\udcff"], "The prompt is not in UTF-8"),
        (["plan", "a\udcff"], "The prompt is not in UTF-8"),
        (["generate", "a", "--negative", "a\udcff"], "--negative is not in UTF-8"),
        (["generate", "a", "--out", "a\udcff.png"], "--out is not in UTF-8"),
        (["generate", "a", "--group", "a\udcff:2"], "--group is not in UTF-8"),
        (["generate", "a", "--model", "a\udcff"], "--model is not in UTF-8"),
        (["generate", "a", "--model", "./a\udcff"], "--model is not in UTF-8"),
        (["generate", "a", "--out", "~nobody-of-this-name/a.png"], "write the whole path"),
        (["generate", "a", "--model", "~nobody-of-this-name/a"], "write the whole path"),
        (["generate", "a", "--model", "./" + "a" * 300], "none that you may look into"),
        (["up", "--peer", "here:99999"], "named by HOST:PORT"),
        (["up", "--peer", "here:" + "9" * 5_000], "named by HOST:PORT"),
        (["generate", "a", "--scheduler", "magic"], "There is no scheduler 'magic'; choose one of ddim"),
        (["generate", "a", "--steps", "4", "--shared", "5"], "--shared 5 is more than --steps 4"),
        (["generate", "a", "--shared", "many"], "--shared is a number of steps or `auto`"),
        (["generate", "a", "--steps", "0"], "--steps is a number from 1 to 1000"),
        (["generate", "a", "--size", "big"], "--size is WIDTHxHEIGHT"),
        (["generate", "a", "--size", "100x64"], "8 divides; 100 is not one"),
        (["generate", "a", "--group", "fruits"], "--group is NAME:N"),
        (["generate", "a", "--group", "fruits:99"], "A group waits for 1 to 32 requests"),
        (["generate", "a", "--model", "./nothing"], "there is no such folder"),
        (["generate", "a", "--share", "all"], "--share is one of prompt, concepts, nothing"),
        (["generate", "a", "--seed", "-1"], "--seed is a whole number"),
        (["generate", "a", "--shared", "-1"], "-1"),
        (["generate", "a", "--quality", "best"], "strict, balanced, fast"),
        (["plan", "apple", " "], "The prompt is empty"),
        (["invite", "--minutes", "11"], "--minutes is more than 0 and at most 10"),
        (["join", " "], "The token is empty"),
        (["up", "--peer", "nowhere"], "named by HOST:PORT"),
        (["demo", "--nodes", "99"], "--nodes is from 1 to 16"),
        (["demo", "--shared", "12"], "--shared is from 0 to 10"),
    ],
)
def test_words_that_mean_nothing_are_one_sentence_and_exit_code_2(say: Said, words: list[str], sentence: str) -> None:
    done = say(*words)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["generate"], "Missing argument 'PROMPT' (see `peerd generate --help`)."),
        (["paint", "apple"], "No such command 'paint'"),
        (["cache", "paint"], "No such command 'paint' (see `peerd cache --help`)."),
        (["generate", "a", "--steps", "four"], "'--steps'"),
        (["generate", "a", "--steps"], "'--steps'"),
        (["generate", "a", "--paint"], "No such option: --paint"),
        (["up", "--port", "99999"], "'--port'"),
        (["status", "please"], "(please)"),
    ],
)
def test_forms_that_do_not_exist_are_one_sentence_and_exit_code_2(say: Said, words: list[str], sentence: str) -> None:
    done = say(*words)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("peerd: ")
    assert sentence in line
    done = say(words[0], "--json", *words[1:])
    assert done.returncode == 2
    assert line == f"peerd: {json.loads(done.stdout)['error']}"


def test_every_command_takes_json() -> None:
    def leaves(command: Any) -> Iterator[Any]:
        yield command
        for child in getattr(command, "commands", {}).values():
            yield from leaves(child)

    forms = {leaf.name: {word for option in leaf.params for word in option.opts} for leaf in leaves(get_command(app))}
    assert {name for name, words in forms.items() if "--json" not in words} == {"peerd", "models"}, (
        "they only hold others"
    )


@pytest.mark.parametrize(
    "words",
    [
        *([["status"], ["peers"], ["generate", "apple"], ["plan", "apple"], ["invite"], ["join", "TOKEN-1"]]),
        *([["cache"], ["cache", "clear"]]),
    ],
)
def test_without_a_daemon_every_command_says_how_to_start_one(say: Said, tmp_path: Path, words: list[str]) -> None:
    done = say(*words, "--json")
    assert done.returncode == 1
    sentence = f"No daemon runs on this home ({tmp_path}); start one with `peerd up`."
    assert json.loads(done.stdout) == {"error": sentence}


def test_status_and_peers_show_the_cluster(daemon: ScriptedDesk, tmp_path: Path) -> None:
    told = answer(tmp_path, "status")
    assert told["endpoints"][0] == "tcp://127.0.0.1:4711"
    assert (told["leader_name"], told["term"], told["role"]) == ("bob", 3, "follower")
    assert [peer["name"] for peer in answer(tmp_path, "peers")] == ["bob"]
    drawn = peerd(tmp_path, "status").stdout
    assert "bob in term 3" in drawn
    assert "★  bob" in drawn


def test_a_plan_says_what_would_be_saved(daemon: ScriptedDesk, tmp_path: Path) -> None:
    told = answer(tmp_path, "plan", "apple on table", "lemon on table")
    assert told["denoiser_calls"] == 29
    assert [(group["executor"], group["executor_id"]) for group in told["groups"]] == [("bob", "BOB-ID")]
    drawn = peerd(tmp_path, "plan", "apple on table", "lemon on table").stdout
    assert "29 denoiser calls instead of 44" in drawn
    assert "0.012 Wh, each alone 0.018 Wh" in drawn
    assert "210,000 bytes" in drawn
    assert (
        "last 12 requests from here were off, in the median: the seconds by 8% and the denoiser calls by 0%." in drawn
    )


def test_a_prompt_is_shown_as_it_was_written(daemon: ScriptedDesk, tmp_path: Path) -> None:
    """Square brackets and colons mean something to the library that writes to the terminal."""
    assert "[/] an [apple] :smile:" in peerd(tmp_path, "plan", "[/] an [apple] :smile:").stdout


def test_the_cache_is_shown_and_cleared(daemon: ScriptedDesk, tmp_path: Path) -> None:
    told = answer(tmp_path, "cache")
    assert (told["count"], told["bytes_used"], told["bytes_max"]) == (1, 70_000, 1 << 20)
    (kept,) = told["entries"]
    assert (kept["prompt"], kept["step"], kept["total"], kept["hits"], kept["calls_saved"]) == (
        *("apple on table", 5, 11, 3, 15),
    )
    drawn = peerd(tmp_path, "cache").stdout
    assert "1 checkpoint kept: 0.067 of 1 MiB, 15 denoiser calls saved so far." in drawn
    (row,) = [line.split() for line in drawn.splitlines() if "apple" in line]
    assert row == ["2", "h", "apple", "on", "table", "5/11", "ddim", "70,000", "3", "15"]
    assert peerd(tmp_path, "cache", "clear").stdout == "1 checkpoint removed.\n"
    assert answer(tmp_path, "cache", "clear") == {"cleared": 0}
    assert answer(tmp_path, "cache")["entries"] == []


def test_invite_and_join_say_yes_beforehand_and_stream_their_news(daemon: ScriptedDesk, tmp_path: Path) -> None:
    invited = peerd(tmp_path, "invite", "--yes", "--json")
    assert invited.returncode == 0, invited.stderr
    news = [json.loads(line) for line in invited.stdout.splitlines()]
    assert [next(iter(line)) for line in news] == ["token", "wrong_try", "knocked", "joined"]
    assert news[2]["words"] == "amber boat crane"
    joined = peerd(tmp_path, "join", "TOKEN-1", "--yes")
    assert joined.returncode == 0
    assert "amber boat crane" in joined.stdout
    assert daemon.answers == [True, True]


def test_a_guest_is_invited_as_one(daemon: ScriptedDesk, tmp_path: Path) -> None:
    assert peerd(tmp_path, "invite", "--guest", "--yes").returncode == 0
    told = peerd(tmp_path, "invite", "--yes").stdout
    assert daemon.guests == [True, False]
    assert "Somebody tried to join with a wrong token (1 of 3)." in told


def test_a_token_may_come_from_a_file_or_theenvironment(
    daemon: ScriptedDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("TOKEN-1\n")
    file.chmod(0o644)
    open_file = peerd(tmp_path, "join", "--token-file", str(file), "--yes")
    assert open_file.returncode == 2 and "is open to other users" in open_file.stderr
    file.chmod(0o600)
    assert peerd(tmp_path, "join", "--token-file", str(file), "--yes").returncode == 0
    assert "PEERD_TOKEN" in peerd(tmp_path, "join", "--yes").stderr
    assert peerd(tmp_path, "join", "TOKEN-1", "--token-file", str(file)).returncode == 2
    monkeypatch.setenv("PEERD_TOKEN", "TOKEN-1")
    assert peerd(tmp_path, "join", "--yes").returncode == 0
    assert daemon.answers == [True, True]


def test_revoke_and_leave_ask_back_where_nobody_said_yes(daemon: ScriptedDesk, tmp_path: Path) -> None:
    assert "Nobody was shut out" in peerd(tmp_path, "revoke", "bob").stderr
    assert answer(tmp_path, "revoke", "bob", "--yes") == {"revoked": "bob", "id": "BOB-ID", "told": 2}
    assert "2 members heard of it at once" in peerd(tmp_path, "revoke", "bob", "--yes").stdout
    assert "No member is called 'zoe'" in peerd(tmp_path, "revoke", "zoe", "--yes").stderr
    assert peerd(tmp_path, "leave").returncode == 1
    refused = peerd(tmp_path, "leave", "--yes")
    assert refused.returncode == 1 and "--abandon" in refused.stderr and not daemon.left
    assert answer(tmp_path, "leave", "--abandon", "--yes") == {"left": True}
    assert daemon.left


def test_nobody_at_the_keyboard_means_no(daemon: ScriptedDesk, tmp_path: Path) -> None:
    done = peerd(tmp_path, "join", "TOKEN-1")
    assert done.returncode == 1
    assert "You said no." in done.stderr
    assert daemon.answers == [False]


def test_a_used_token_is_refused_in_one_sentence(daemon: ScriptedDesk, tmp_path: Path) -> None:
    done = peerd(tmp_path, "join", "OLD", "--yes", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"error": "This token is not valid any more; ask for a new invitation."}


def test_help_is_quick_and_no_command_of_a_person_loads_the_heavy_libraries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began_s = time.monotonic()
    assert peerd(tmp_path, "--help").returncode == 0
    with capsys.disabled():
        print(f"\npeerd --help: {time.monotonic() - began_s:.2f} s (goal 0.4 s on an idle machine)")
    heavy = "{'torch', 'diffusers', 'zmq', 'uvicorn', 'starlette', 'cryptography', 'numpy', 'PIL'}"
    program = (
        "import sys, peerd.cli, peerd.commands.generate, peerd.commands.plan, peerd.commands.status,"
        f" peerd.commands.pairing, peerd.commands.cache, peerd.commands.demo; found = {heavy} & sys.modules.keys(); "
        "sys.exit(str(found or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
