"""The engine as the daemon sees it: a child started when needed, started again when it died, stopped when idle.

Here live the turns of orders and what each answer means to the port. Never here: the child's pipes (child_process.py),
what is done with an order (worker.py), or torch.
"""

import asyncio
import contextlib
import logging
import math
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from peerd.engine import dialogue
from peerd.engine.child_process import ChildProcess
from peerd.engine.port import EngineEvent, Halted, Order, Painted, Saved, Stepped
from peerd_protocol.errors import CheckpointError, EngineError
from peerd_protocol.plan import Call

log = logging.getLogger(__name__)

SILENCE_S_MAX = 900.0
"""The longest that a living engine says nothing: loading a large model from a slow card, or one step of it. What takes
many steps says after each that it is at work, so that a slow device is never taken for a dead one."""
SLOWDOWN_VARIABLE = "PEERD_ENGINE_SLOWDOWN"

_CLOSED = "The engine is closed; start the daemon again."
_ASTRAY = "The engine answered another question than it was asked; the next order may try again."


def slowdown_from_environment() -> float:
    """By how much tests want this engine slowed; 1.0 unless the variable says otherwise."""
    try:
        slowdown = float(os.environ.get(SLOWDOWN_VARIABLE, "1"))
    except ValueError:
        return 1.0
    return slowdown if math.isfinite(slowdown) and slowdown >= 1.0 else 1.0


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """`folder_of` finds a model's folder by its digest (EngineError or LocalError if it is not here), and may take a
    while: it is called in a thread.

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
        self._child: ChildProcess | None = None
        self._number = 0
        self._model = config.model
        self._retirement: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def warm(self) -> bool:
        """Whether a model is loaded."""
        return bool(self.loaded)

    @property
    def loaded(self) -> str:
        """The digest of the model that is loaded; empty while none is."""
        return self._child.loaded if self._child is not None and self._child.alive else ""

    @property
    def busy(self) -> bool:
        """Whether an order, a load or a question has its turn."""
        return self._turn.locked()

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._child.pid if self._child is not None and self._child.alive else None

    async def run(self, order: Order) -> AsyncGenerator[EngineEvent, None]:
        """Carry out one order. Closing the iterator (`contextlib.aclosing`) cancels it within one step."""

        def command(number: int, folder: str) -> dialogue.Order:
            return dialogue.Run(
                number=number,
                folder=folder,
                call=order.call,
                start=order.start,
                stop=order.stop,
                checkpoint_every=order.checkpoint_every,
                previews=order.previews,
                hide_prompt=order.hide_prompt,
                leaves=order.leaves,
                probe=order.probe,
                blend=order.blend,
                resumes=order.resumes,
                spare_s=order.spare_s,
            )

        async with contextlib.aclosing(self._converse(order.call.model, command)) as answers:
            async for answer in answers:
                match answer:
                    case dialogue.Step(_, step, total, seconds, preview, preview_side, denoiser_calls, digest):
                        yield Stepped(step, total, seconds, preview, preview_side, denoiser_calls, digest)
                    case dialogue.Save(_, step, data, names):
                        yield Saved(step, data, names)
                    case dialogue.Picture(_, width, height, rgb, denoiser_calls, exact):
                        yield Painted(width, height, rgb, denoiser_calls, exact)
                    case dialogue.Halt(_, denoiser_calls, probe_calls):
                        yield Halted(denoiser_calls, probe_calls)
                    case _:
                        raise EngineError(_ASTRAY)

    async def prepare(self, model: str) -> None:
        """Start the engine and load the model, so that the next order finds it warm."""

        def prepare(number: int, folder: str) -> dialogue.Order:
            return dialogue.Prepare(number, folder, model)

        async with contextlib.aclosing(self._converse(model, prepare)) as answers:
            async for _ in answers:
                pass

    async def embed(self, prompts: Sequence[str]) -> list[bytes]:
        """Pooled, normalised text embeddings as little-endian float16 bytes, one a prompt. Starts the engine."""
        model, words = self._model, tuple(prompts)
        answer = await self._ask(model, lambda number, folder: dialogue.Embed(number, folder, model, words))
        if not isinstance(answer, dialogue.Embedded):
            raise EngineError(_ASTRAY)
        return list(answer.vectors)

    async def measure(self, call: Call) -> float:
        """Denoiser calls per second, timed on two real calls of this call's shape. Starts the engine."""
        answer = await self._ask(call.model, lambda number, folder: dialogue.Measure(number, folder, call))
        if not isinstance(answer, dialogue.Measured):
            raise EngineError(_ASTRAY)
        return answer.calls_per_second

    async def compare(self, call: Call, other: str) -> dialogue.Compared:
        """How long the call's prompt and `other` may share a beginning; hours on a slow device."""
        answer = await self._ask(call.model, lambda number, folder: dialogue.Compare(number, folder, call, other))
        if not isinstance(answer, dialogue.Compared):
            raise EngineError(_ASTRAY)
        return answer

    async def close(self) -> None:
        """End the child process; returns when it is gone."""
        self._closed = True
        self._stay()
        child, self._child = self._child, None
        if child is not None:
            await child.end()

    async def _folder_of(self, model: str) -> str:
        """In its turn, so that a folder that takes long to read lets no later order overtake."""
        try:
            return str(await asyncio.to_thread(self._config.folder_of, model))
        except BaseException:
            self._retire_later()
            raise

    async def _ask(self, model: str, command_of: Callable[[int, str], dialogue.Order]) -> dialogue.Answer:
        async with contextlib.aclosing(self._converse(model, command_of)) as answers:
            async for answer in answers:
                return answer
        raise EngineError("The engine ended without an answer.")

    async def _converse(
        self, model: str, command_of: Callable[[int, str], dialogue.Order]
    ) -> AsyncGenerator[dialogue.Answer, None]:
        """The answers to one command, in its turn; the last one ends it. It gets its number and the model's folder."""
        async with self._turn:
            self._stay()
            folder = await self._folder_of(model)
            child = await self._living_child()
            # Numbered in its turn: cancelling a number cancels all before it.
            self._number += 1
            command = command_of(self._number, folder)
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
                            self._model = model
                            ended = isinstance(command, dialogue.Prepare)
                        case dialogue.Unloaded():
                            pass
                        case dialogue.Step() | dialogue.Save():
                            yield answer
                        case (
                            dialogue.Picture()
                            | dialogue.Halt()
                            | dialogue.Embedded()
                            | dialogue.Measured()
                            | dialogue.Compared()
                        ):
                            ended = True
                            yield answer
                        case dialogue.AtWork():
                            pass  # to have heard it is enough
                        case dialogue.Gone():
                            ended = True
                        case _ as never:
                            assert_never(never)
            finally:
                if not ended and child.alive:
                    # Not waited for: the child drops it within a step, and answers of old numbers are dropped here.
                    child.give_up(command.number)
                self._retire_later()

    async def _living_child(self) -> ChildProcess:
        if self._closed:
            raise EngineError(_CLOSED)
        if self._child is None or not self._child.alive:
            if self._child is not None:
                await self._child.end()
            config = self._config
            child = await ChildProcess.start(config.threads, config.slowdown, config.log_path)
            if self._closed:
                # Closed while it started: nobody else knows of it.
                await child.end()
                raise EngineError(_CLOSED)
            self._child = child
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
