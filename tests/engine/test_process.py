"""The engine's process: stopped when idle, never outliving its daemon, and the only one with torch."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from peerd.engine.process import SLOWDOWN_VARIABLE, EngineConfig, ProcessEngine, slowdown_from_environment
from peerd_protocol.errors import EngineError
from peerd_protocol.plan import Call
from tests.engine.stories import PATIENCE_S, Model, engine_of, runs


async def until(happened: Callable[[], bool]) -> None:
    """Wait for what no event tells."""
    async with asyncio.timeout(PATIENCE_S):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_an_idle_engine_is_stopped_and_comes_back(small_model: Model) -> None:
    engine = engine_of(small_model, keep_alive_s=0.0)
    pids = set()
    for _ in range(2):
        order = asyncio.create_task(engine.prepare("n" * 64))
        await until(lambda: engine.pid is not None)
        pids.add(engine.pid)
        with pytest.raises(EngineError, match="not a model"):
            await asyncio.wait_for(order, PATIENCE_S)
        await until(lambda: engine.pid is None)
    assert len(pids) == 2
    await engine.close()


async def test_finding_a_models_folder_keeps_nobody_waiting(small_model: Model) -> None:
    """It may have to be read whole first."""
    begun, go_on = threading.Event(), threading.Event()

    def folder_of(_: str) -> Path:
        begun.set()
        assert go_on.wait(PATIENCE_S), "the daemon stood still while the folder was read"
        return small_model.folder

    model = small_model.call().model
    engine = ProcessEngine(EngineConfig(folder_of=folder_of, model=model))
    order = asyncio.create_task(engine.prepare(model))
    await until(begun.is_set)
    assert engine.loaded == ""
    go_on.set()
    await asyncio.wait_for(order, PATIENCE_S)
    assert engine.loaded == model
    await engine.close()
    assert engine.loaded == ""


async def test_a_child_does_not_outlive_a_daemon_that_is_killed(small_model: Model) -> None:
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.engine.doomed", str(small_model.folder), str(small_model.size),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert daemon.stdout is not None
    child = int(await asyncio.wait_for(daemon.stdout.readline(), PATIENCE_S))
    assert runs(child)
    daemon.kill()
    await until(lambda: not runs(child))
    await daemon.communicate()


async def test_closing_ends_an_order_that_runs(small_model: Model) -> None:
    engine = engine_of(small_model)
    order = asyncio.create_task(engine.prepare(small_model.call().model))
    await until(lambda: engine.pid is not None)
    pid = engine.pid
    assert pid is not None
    await asyncio.wait_for(engine.close(), PATIENCE_S)
    assert not runs(pid)
    with pytest.raises(EngineError, match="was stopped"):
        await order


async def test_an_engine_that_is_closed_while_it_starts_leaves_no_process(small_model: Model) -> None:
    engine = engine_of(small_model)
    order = asyncio.create_task(engine.prepare(small_model.call().model))
    # One turn of the loop: the order has begun, the child is not there yet.
    await asyncio.sleep(0)
    await engine.close()
    with pytest.raises(EngineError, match="closed"):
        await order
    assert engine.pid is None


async def test_an_engine_that_says_nothing_is_stopped(small_model: Model) -> None:
    engine = engine_of(small_model, silence_s_max=0.01)
    with pytest.raises(EngineError, match="said nothing for"):
        await engine.prepare(small_model.call().model)
    assert engine.pid is None
    await engine.close()


def test_the_daemon_side_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, peerd.engine.port, peerd.engine.process, peerd.engine.toy, peerd.engine.model_folder;"
        "print(sorted({'torch', 'numpy', 'diffusers', 'transformers', 'safetensors', 'PIL'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("text", "slowdown"), [("4", 4.0), ("", 1.0), ("fast", 1.0), ("0.5", 1.0), ("nan", 1.0)])
def test_the_slowdown_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, slowdown: float) -> None:
    monkeypatch.setenv(SLOWDOWN_VARIABLE, text)
    assert slowdown_from_environment() == slowdown


def test_a_slowed_engine_measures_itself_slower(small_model: Model) -> None:
    from peerd.engine import dialogue
    from peerd.engine.worker import Worker

    def speed(slowdown: float, call: Call) -> float:
        said: list[dialogue.Answer] = []
        worker = Worker(said.append, threads=1, slowdown=slowdown)
        worker.obey(dialogue.Measure(1, str(small_model.folder), call), lambda: False)
        assert isinstance(said[-1], dialogue.Measured), said[-1]
        return said[-1].calls_per_second

    # Half the nominal factor, since other work on this machine hits one of the two.
    assert speed(1.0, small_model.call()) > 8 * speed(16.0, small_model.call()) / 2
