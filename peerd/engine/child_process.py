"""One engine child and our end of its socket: starting it, talking with it, ending it; every wait has a bound.

Never here: whose turn it is, when an idle child is stopped (process.py), or torch.
"""

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Literal

import peerd
import peerd_protocol
from peerd.engine import dialogue
from peerd_protocol.errors import EngineError, FrameError

SEND_S_MAX = 60.0
"""The child's ear hears at once, in the middle of a step too; only a dying one takes longer."""
EXIT_S_MAX = 5.0
"""After SIGKILL only a process stuck in the kernel takes longer."""
LOG_BYTES_MAX = 1024 * 1024
LAST_WORDS_CHARS_MAX = 200
_READ_BYTES = 64 * 1024


class ChildProcess:
    """One child process and our end of its socket."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        log_path: Path | None,
    ) -> None:
        self._loaded = self._asked = ""
        self._process = process
        self._reader = reader
        self._writer = writer
        self._length: int | None = None
        self._last_words = ""
        self._killed = False
        self._listener = asyncio.create_task(self._keep_log(log_path))

    @classmethod
    async def start(cls, threads: int, slowdown: float, log_path: Path | None) -> "ChildProcess":
        """Start a child; it imports while we go on."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                # -P: what lies in the current folder is not ours to import.
                sys.executable, "-P", "-m", "peerd.engine.child",
                "--fd", str(theirs.fileno()), "--parent", str(os.getpid()),
                "--threads", str(threads), "--slowdown", str(slowdown),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(threads),
            )  # fmt: skip
            reader, writer = await asyncio.open_connection(sock=ours, limit=_READ_BYTES)
        except BaseException as error:
            # Cancelled while starting: a child that is there already ends when it finds its socket closed.
            ours.close()
            if isinstance(error, OSError):
                raise EngineError(f"The engine could not be started: {error.strerror}.") from error
            raise
        finally:
            theirs.close()
        return cls(process, reader, writer, log_path)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._killed and self._process.returncode is None and not self._reader.at_eof()

    @property
    def loaded(self) -> str:
        """The digest of the model that the child has; empty while it has none, or may be about to change it."""
        return self._loaded if self._loaded == self._asked else ""

    async def tell(self, order: dialogue.Order) -> None:
        """Send one order; EngineError if the child is gone."""
        self._asked = order.model
        # What it said during an earlier order is no reason for it to die in this one.
        self._last_words = ""
        try:
            self._writer.write(dialogue.frame(order))
            async with asyncio.timeout(SEND_S_MAX):
                await self._writer.drain()
        except (OSError, TimeoutError):
            raise await self._death() from None

    async def answer(self, number: int, silence_s_max: float) -> dialogue.Answer:
        """The next answer to command `number`; those to given-up commands are dropped."""
        while True:
            try:
                # Not `wait_for`: before Python 3.12 it swallows a cancellation that comes just after the answer.
                async with asyncio.timeout(silence_s_max):
                    answer = await self._next()
            except TimeoutError:
                self.kill()
                raise EngineError(f"The engine said nothing for {silence_s_max:.0f} s and was stopped.") from None
            except FrameError as error:
                self.kill()
                raise EngineError(f"{error} The engine was stopped; the next order starts a new one.") from None
            except (OSError, asyncio.IncompleteReadError):
                raise await self._death() from None
            # A given-up order's switch is one too.
            if isinstance(answer, dialogue.Unloaded):
                self._loaded = ""
            elif isinstance(answer, dialogue.Loaded):
                self._loaded = answer.model
            if answer.number == number:
                return answer

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
            async with asyncio.timeout(EXIT_S_MAX):
                await self._process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_S_MAX):
                await self._listener

    async def _next(self) -> dialogue.Answer:
        # Cancelling between head and body must not lose the place, so the length outlives this call.
        if self._length is None:
            self._length = dialogue.frame_length(await self._reader.readexactly(dialogue.LENGTH_BYTES))
        body = await self._reader.readexactly(self._length)
        self._length = None
        return dialogue.read_answer(body)

    async def _death(self) -> EngineError:
        if self._killed:
            return EngineError("The engine was stopped; the next order starts a new one.")
        # It is dying by itself. A signal now would reap it before the loop learns how it died.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_S_MAX):
                await self._process.wait()
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
