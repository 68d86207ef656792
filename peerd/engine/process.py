"""The engine as the daemon sees it: a child process that is started when needed, restarted when it dies, stopped when
idle.

Here live the child's life and the conversation with it, one order at a time; every wait has a bound. Never here: torch,
or what is done with an order (worker.py).
"""

import asyncio
import contextlib
import logging
import math
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, assert_never

import peerd
import peerd_protocol
from peerd.engine import dialogue
from peerd.engine.port import EngineEvent, Halted, Order, Painted, Saved, Stepped
from peerd_protocol.errors import CheckpointError, EngineError
from peerd_protocol.plan import Call

log = logging.getLogger(__name__)

SILENCE_S_MAX = 900.0
"""The longest that a living engine says nothing: loading a large model from a slow card, or one step of it."""
EXIT_S_MAX = 5.0
"""After SIGKILL only a process stuck in the kernel takes longer."""
LOG_BYTES_MAX = 1024 * 1024
LAST_WORDS_CHARS_MAX = 200
_READ_BYTES = 64 * 1024
SLOWDOWN_VARIABLE = "PEERD_ENGINE_SLOWDOWN"


def slowdown_from_environment() -> float:
    """By how much tests want this engine slowed; 1.0 unless the variable says otherwise."""
    try:
        slowdown = float(os.environ.get(SLOWDOWN_VARIABLE, "1"))
    except ValueError:
        return 1.0
    return slowdown if math.isfinite(slowdown) and slowdown >= 1.0 else 1.0


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """`folder_of` finds a model's folder by its digest (EngineError or LocalError if it is not here).

    `model` is what `embed` uses while no other is loaded. `keep_alive_s` None keeps an idle engine for ever.
    """

    folder_of: Callable[[str], Path]
    model: str
    threads: int = 1
    keep_alive_s: float | None = 300.0
    log_path: Path | None = None
    slowdown: float = field(default_factory=slowdown_from_environment)
    silence_s_max: float = SILENCE_S_MAX


class ProcessEngine:
    """An Engine in a child process. Orders run one at a time, first come first served."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._turn = asyncio.Lock()
        self._child: _Child | None = None
        self._number = 0
        self._model = config.model
        self._retirement: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def warm(self) -> bool:
        """Whether a model is loaded."""
        return self._child is not None and self._child.alive and self._child.loaded

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._child.pid if self._child is not None and self._child.alive else None

    async def run(self, order: Order) -> AsyncGenerator[EngineEvent, None]:
        """Carry out one order. Closing the iterator cancels it within one step."""
        self._number += 1
        number = self._number
        folder = str(self._config.folder_of(order.call.model))
        command = dialogue.Run(
            number, folder, order.call, order.start, order.stop, order.checkpoint_every, order.previews
        )
        async with contextlib.aclosing(self._converse(command)) as answers:
            async for answer in answers:
                match answer:
                    case dialogue.Step(_, step, total, seconds, preview, preview_side):
                        yield Stepped(step, total, seconds, preview, preview_side)
                    case dialogue.Save(_, step, data):
                        yield Saved(step, data)
                    case dialogue.Picture(_, width, height, rgb, denoiser_calls, exact):
                        self._model = order.call.model
                        yield Painted(width, height, rgb, denoiser_calls, exact)
                    case dialogue.Halt(_, denoiser_calls):
                        self._model = order.call.model
                        yield Halted(denoiser_calls)
                    case _:
                        raise EngineError("The engine answered another question than it was asked.")

    async def prepare(self, model: str) -> None:
        """Start the engine and load the model, so that the next order finds it warm."""
        self._number += 1
        command = dialogue.Prepare(self._number, str(self._config.folder_of(model)))
        async with contextlib.aclosing(self._converse(command)) as answers:
            async for _ in answers:
                pass
        self._model = model

    async def embed(self, prompts: Sequence[str]) -> list[bytes]:
        """Pooled, normalised text embeddings as little-endian float16 bytes, one a prompt. Starts the engine."""
        self._number += 1
        folder = str(self._config.folder_of(self._model))
        answer = await self._ask(dialogue.Embed(self._number, folder, tuple(prompts)))
        if not isinstance(answer, dialogue.Embedded):
            raise EngineError("The engine answered another question than it was asked.")
        return list(answer.vectors)

    async def measure(self, call: Call) -> float:
        """Denoiser calls per second, timed on two real calls of this call's shape. Starts the engine."""
        self._number += 1
        answer = await self._ask(dialogue.Measure(self._number, str(self._config.folder_of(call.model)), call))
        if not isinstance(answer, dialogue.Measured):
            raise EngineError("The engine answered another question than it was asked.")
        return answer.calls_per_second

    async def close(self) -> None:
        """End the child process; returns when it is gone."""
        self._closed = True
        self._stay()
        child, self._child = self._child, None
        if child is not None:
            await child.end()

    async def _ask(self, command: dialogue.Command) -> dialogue.Answer:
        async with contextlib.aclosing(self._converse(command)) as answers:
            async for answer in answers:
                return answer
        raise EngineError("The engine ended without an answer.")

    async def _converse(self, command: dialogue.Command) -> AsyncGenerator[dialogue.Answer, None]:
        """The answers to one command, in its turn; the last one ends it."""
        async with self._turn:
            self._stay()
            child = await self._living_child()
            ended = False
            try:
                await child.tell(command)
                while not ended:
                    answer = await child.answer(command.number, self._config.silence_s_max)
                    match answer:
                        case dialogue.Refused(_, text, checkpoint):
                            ended = True
                            raise CheckpointError(text) if checkpoint else EngineError(text)
                        case dialogue.Loaded():
                            child.loaded = True
                            ended = isinstance(command, dialogue.Prepare)
                        case dialogue.Step() | dialogue.Save():
                            yield answer
                        case dialogue.Picture() | dialogue.Halt() | dialogue.Embedded() | dialogue.Measured():
                            ended = True
                            yield answer
                        case dialogue.Gone():
                            ended = True
                        case _ as never:
                            assert_never(never)
            finally:
                if not ended and child.alive:
                    # Not waited for: the child drops it within a step, and answers of old numbers are dropped here.
                    child.give_up(command.number)
                self._retire_later()

    async def _living_child(self) -> "_Child":
        if self._closed:
            raise EngineError("The engine is closed; start the daemon again.")
        if self._child is None or not self._child.alive:
            if self._child is not None:
                await self._child.end()
            self._child = await _Child.start(self._config)
        return self._child

    def _retire_later(self) -> None:
        if self._config.keep_alive_s is not None and not self._closed:
            loop = asyncio.get_running_loop()
            self._retirement = loop.call_later(self._config.keep_alive_s, self._retire)

    def _retire(self) -> None:
        if self._child is not None and not self._turn.locked():
            log.info("The engine was idle for %.0f s and is stopped.", self._config.keep_alive_s)
            self._child.kill()

    def _stay(self) -> None:
        if self._retirement is not None:
            self._retirement.cancel()
            self._retirement = None


class _Child:
    """One child process and our end of its socket."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        log_path: Path | None,
    ) -> None:
        self.loaded = False
        self._process = process
        self._reader = reader
        self._writer = writer
        self._length: int | None = None
        self._last_words = ""
        self._killed = False
        self._listener = asyncio.create_task(self._keep_log(log_path))

    @classmethod
    async def start(cls, config: EngineConfig) -> "_Child":
        """Start a child; it imports while we go on."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                # -P: what lies in the current folder is not ours to import.
                sys.executable, "-P", "-m", "peerd.engine.child",
                "--fd", str(theirs.fileno()), "--parent", str(os.getpid()),
                "--threads", str(config.threads), "--slowdown", str(config.slowdown),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(config.threads),
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise EngineError(f"The engine could not be started: {error.strerror}.") from error
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=_READ_BYTES)
        return cls(process, reader, writer, config.log_path)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._killed and self._process.returncode is None and not self._reader.at_eof()

    async def tell(self, command: dialogue.Command) -> None:
        """Send one command; EngineError if the child is gone."""
        try:
            self._writer.write(dialogue.frame(command))
            await asyncio.wait_for(self._writer.drain(), SILENCE_S_MAX)
        except (OSError, TimeoutError):
            raise await self._death() from None

    async def answer(self, number: int, silence_s_max: float) -> dialogue.Answer:
        """The next answer to command `number`; those to given-up commands are dropped."""
        while True:
            try:
                answer = await asyncio.wait_for(self._next(), silence_s_max)
            except TimeoutError:
                self.kill()
                raise EngineError(f"The engine said nothing for {silence_s_max:.0f} s and was stopped.") from None
            except (OSError, asyncio.IncompleteReadError):
                raise await self._death() from None
            if answer.number == number:
                return answer
            if isinstance(answer, dialogue.Loaded):
                self.loaded = True

    def give_up(self, number: int) -> None:
        """Tell the child that nobody waits for this order; it ends within a step."""
        with contextlib.suppress(OSError):
            self._writer.write(dialogue.frame(dialogue.Cancel(number)))

    def kill(self) -> None:
        """End the child now; it has nothing to save."""
        self._killed = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._writer.close()

    async def end(self) -> None:
        """End the child and wait until it is gone."""
        self.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), EXIT_S_MAX)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._listener, EXIT_S_MAX)

    async def _next(self) -> dialogue.Answer:
        # Cancelling between head and body must not lose the place, so the length outlives this call.
        if self._length is None:
            self._length = dialogue.frame_length(await self._reader.readexactly(dialogue.LENGTH_BYTES))
        body = await self._reader.readexactly(self._length)
        self._length = None
        return dialogue.read_answer(body)

    async def _death(self) -> EngineError:
        await self.end()
        code = self._process.returncode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        hint = " (perhaps for want of memory)" if code == -9 else ""
        words = f" Its last words: {self._last_words}" if self._last_words else ""
        return EngineError(f"The engine {how}{hint}; the next order starts a new one.{words}")

    async def _keep_log(self, path: Path | None) -> None:
        """Keep the child's stderr in a bounded file, and its last line for an error's text."""
        assert self._process.stderr is not None
        room = LOG_BYTES_MAX
        if path is not None:
            # A new child's log replaces the last one's, so that neither grows for ever.
            _write(path, "wb", b"")
        while chunk := await self._process.stderr.read(_READ_BYTES):
            lines = chunk.decode(errors="replace").strip().splitlines()
            self._last_words = lines[-1].strip()[:LAST_WORDS_CHARS_MAX] if lines else self._last_words
            if path is not None and room > 0:
                _write(path, "ab", chunk[:room])
                room -= len(chunk)


def _write(path: Path, mode: Literal["wb", "ab"], chunk: bytes) -> None:
    # A log that can not be written is no reason to stop an engine.
    with contextlib.suppress(OSError), path.open(mode) as file:
        file.write(chunk)


def _environment(threads: int) -> dict[str, str]:
    """The child's environment. Spinning OpenMP threads under contention made eleven steps forty times slower."""
    roots = {str(Path(package.__file__ or "").resolve().parents[1]) for package in (peerd, peerd_protocol)}
    inherited = os.environ.get("PYTHONPATH", "")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*sorted(roots), *([inherited] if inherited else [])]),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DIFFUSERS_VERBOSITY": "error",
        "TRANSFORMERS_VERBOSITY": "error",
    }
