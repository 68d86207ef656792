"""Trouble with one daemon: what it leaves behind, what it cancels, and what it says of damaged or foreign files.

Never here: several daemons (`test_vanishing.py`), a full disk (`test_full_disk.py`), or words that the command line
refuses by itself (`test_commands.py`).
"""

import json
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from peerd.demo.nodes import NodeProcess
from peerd_protocol.notices import Failed, LocalStep
from tests.world.asking import (
    TOY,
    ask,
    begin,
    end,
    open_requests_of,
    peerd,
    pid_of,
    restart,
    the_sentence,
    until,
    wait_for_engine,
    wait_until_gone,
)

REAL = {"PEERD_ENGINE": "process"}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A lone daemon that is not started yet."""
    lone = NodeProcess("lone", tmp_path / "lone", {**TOY, "PEERD_NETWORK_MDNS": "false"})
    try:
        yield lone
    finally:
        lone.kill()


def up(node: NodeProcess, **environment: str) -> tuple[int, str]:
    """`peerd up` that is expected to end by itself; its exit code and its one sentence."""
    done = peerd(node.home, "up", "--no-mdns", **environment)
    assert done.stdout == "", "it never was ready"
    return done.returncode, the_sentence(done.stderr)


# ---- what is left behind ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_daemon_that_ends_leaves_no_engine_behind(node: NodeProcess, number: signal.Signals) -> None:
    """While the engine still imports torch, which is the hardest moment to hear of anything."""
    node.environment = {**node.environment, **REAL}
    restart(node)
    asked = ask(node, "apple on table", steps=4)
    engine = wait_for_engine(node)
    end(node, number)
    wait_until_gone(engine)
    assert asked.tale.finished is None


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A model that takes a minute to read."""
    folder = tmp_path / "endless"
    folder.mkdir()
    (folder / "model_index.json").write_text('{"unet": ["diffusers", "UNet"]}')
    with (folder / "unet.safetensors").open("wb") as weights:
        weights.truncate(1 << 36)
    return folder


def reads(pid: int, folder: Path) -> bool:
    return any(Path(file.path).parent == folder for file in psutil.Process(pid).open_files())


def test_a_daemon_that_reads_a_large_model_for_somebody_ends_without_having_read_it(
    node: NodeProcess, endless: Path
) -> None:
    restart(node)
    asking = begin(node.home, "generate", "apple on table", "--model", str(endless), "--json")
    until(lambda: reads(pid_of(node), endless), "it reads the model")
    end(node)
    asking.communicate(timeout=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_reads_a_large_model_ends_without_having_read_it(
    node: NodeProcess, endless: Path, number: signal.Signals
) -> None:
    starting = begin(node.home, "up", "--no-mdns", PEERD_NODE_MODEL=str(endless))
    until(lambda: reads(starting.pid, endless), "it reads the model")
    starting.send_signal(number)
    stdout, _ = starting.communicate(timeout=30)
    assert stdout == "", "it never was ready"


# ---- cancelling ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_generate_stops_within_a_step(node: NodeProcess, number: signal.Signals) -> None:
    """The engine does one order after the other, so the next one tells when the last was given up."""
    node.environment = {**node.environment, "PEERD_ENGINE_SLOWDOWN": "25"}
    step_s, steps = 0.5, 60
    restart(node)
    asking = begin(node.home, "generate", "a long walk", "--steps", str(steps), "--shared", "0", "--json")
    (request,) = until(lambda: open_requests_of(node), "the request")
    told = node.client.follow(request)
    assert any(isinstance(notice, LocalStep) for notice in told)
    asking.send_signal(number)
    stdout, stderr = asking.communicate(timeout=30)
    cancelled_s = time.monotonic()
    assert asking.returncode == 130
    assert json.loads(stdout) == {"error": "Cancelled."}
    assert the_sentence(stderr) == "Cancelled."
    assert list(told)[-1] == Failed(reason="cancelled")
    ask(node, "a short walk", steps=1, shared=0).finished()
    assert time.monotonic() - cancelled_s < steps * step_s / 2, "the long one was given up"
    end(node)
    assert open_requests_of(node) == []


# ---- files -----------------------------------------------------------------------------------------------------


def test_a_damaged_state_file_is_set_aside_and_the_next_start_begins_anew(node: NodeProcess) -> None:
    restart(node)
    me = node.client.view().id
    end(node)
    state = node.home / "state.sqlite"
    rubbish = b"not a database at all " * 400
    state.write_bytes(rubbish)
    code, sentence = up(node, **TOY)
    assert code == 1
    assert "damaged" in sentence
    assert "set aside as state.sqlite.damaged-1" in sentence
    assert (node.home / "state.sqlite.damaged-1").read_bytes() == rubbish
    restart(node)
    assert node.client.view().id == me
    ask(node, "apple on table", steps=1, shared=0).finished()


def test_a_damaged_identity_stops_the_start_and_is_never_replaced(node: NodeProcess) -> None:
    restart(node)
    end(node)
    identity = node.home / "identity.key"
    whole = identity.read_bytes()
    for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        identity.write_bytes(damaged)
        code, sentence = up(node, **TOY)
        assert (code, "is damaged" in sentence) == (1, True), sentence
        assert identity.read_bytes() == damaged


def test_keys_that_others_may_read_are_refused(node: NodeProcess) -> None:
    restart(node)
    end(node)
    for name in ("identity.key", "cluster.key"):
        secret = node.home / name
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        secret.chmod(0o644)
        code, sentence = up(node, **TOY)
        assert code == 1
        assert f"chmod 600 {secret}" in sentence
        secret.chmod(0o600)
    restart(node)
    assert stat.S_IMODE((node.home / "api.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((node.home / "state.sqlite").stat().st_mode) == 0o600
    assert stat.S_IMODE(node.home.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("[node]\nnmae = 'ada'\n", "nmae"),
        ("[node]\nmodel = '/nowhere'\n", "There is no folder /nowhere"),
    ],
)
def test_settings_that_mean_nothing_are_one_sentence(node: NodeProcess, settings: str, said: str) -> None:
    node.home.mkdir(parents=True)
    (node.home / "config.toml").write_text(settings)
    code, sentence = up(node, **TOY)
    assert code == 1
    assert said in sentence
