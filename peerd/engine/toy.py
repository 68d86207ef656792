"""An engine in a few lines of plain Python, shipped beside the real one: deterministic, splittable, and fast.

It keeps the whole contract (checkpoints in the same format, refusals, one order at a time, cancelling within a step),
so whatever works with it is plumbed rightly. Its pictures are coloured squares. Never here: torch, or a process.
"""

import asyncio
import hashlib
import math
import struct
from collections.abc import AsyncGenerator, Sequence

from peerd.engine.departures import Departures
from peerd.engine.port import EngineEvent, Halted, Order, Painted, Saved, Stepped
from peerd.engine.spare import is_due
from peerd_protocol.checkpoint import (
    Checkpoint,
    Facts,
    Random,
    Shape,
    Template,
    Tensor,
    digest_of,
    pack,
    prompt_digest_of,
    refuse_misfit,
    scheduler_digest_of,
    unpack,
)
from peerd_protocol.commitment import step_digest
from peerd_protocol.errors import CheckpointError, EngineError, LocalError
from peerd_protocol.plan import Call
from peerd_protocol.schedulers import calls_per_run

SIDE = 8
"""Squares a side of every toy picture."""
_NUMBERS = SIDE * SIDE * 3
_LATENT = Shape(dtype="int32", sizes=(1, SIDE, SIDE, 3), strides=(_NUMBERS, SIDE * 3, 3, 1))
_ONE = 1 << 8
_EMBEDDING_NUMBERS = 64


class ToyEngine:
    """An Engine without a model. `seconds_per_step` makes it as slow as a test's story wants.

    `die_at_step` breaks the first run that comes to that step, as a crashed process would; the next one works.
    """

    def __init__(self, seconds_per_step: float = 0.0, *, die_at_step: int | None = None) -> None:
        self._seconds_per_step = seconds_per_step
        self._die_at_step = die_at_step
        self._turn = asyncio.Lock()
        self._warm, self._model = False, ""
        self.denoiser_calls = 0
        """All of them, in all orders."""
        self.probe_calls = 0.0

    @property
    def warm(self) -> bool:
        """Whether it was used since it was made or closed."""
        return self._warm

    @property
    def loaded(self) -> str:
        """The model that it was used with last: any will do."""
        return self._model if self._warm else ""

    @property
    def busy(self) -> bool:
        """Whether an order has its turn: nothing else takes any time."""
        return self._turn.locked()

    async def run(self, order: Order) -> AsyncGenerator[EngineEvent, None]:
        """Carry out one order. Closing the iterator cancels it within one step."""
        async with self._turn:
            self._warm, self._model = True, order.call.model
            call, total, done = order.call, _total(order), 0
            latent = _noise(call)
            if order.start is not None:
                latent, done = _resume(order, total)
            words = tuple(dict.fromkeys(order.blend)) if len(set(order.blend)) > 1 else (call.prompt,)
            own = call.prompt if len(words) == 1 else ""
            departures = Departures(own, order.leaves, order.probe, done, total)
            if order.start is not None and departures.early:
                yield Saved(done, order.start, departures.early)
            calls, probe_calls, unsaved_s = 0, 0.0, 0.0
            while done < (departures.last or order.stop or total):
                await asyncio.sleep(self._seconds_per_step)
                if self._die_at_step == done:
                    self._die_at_step, self._warm = None, False
                    raise EngineError("The toy engine died, as it was told to; the next order starts a new one.")
                asked = departures.asked(done + 1)
                if asked:
                    departures.learn(done + 1, {prompt: _difference(words, prompt) for prompt in asked})
                    probe_calls += len(asked) / 2
                    self.probe_calls += len(asked) / 2
                latent = _denoise(latent, call, words, done, total)
                calls, done = calls + 1, done + 1
                self.denoiser_calls += 1
                preview, side = (_pixels(latent), SIDE) if order.previews else (b"", 0)
                digest = step_digest(done, _packed(latent))
                yield Stepped(done, total, self._seconds_per_step, preview, side, calls, digest)
                unsaved_s += self._seconds_per_step
                due = done < total and is_due(unsaved_s, self._seconds_per_step, order.spare_s)
                passing = order.checkpoint_every and done % order.checkpoint_every == 0 and done < total
                leaving, last = departures.at(done), departures.last or order.stop
                if leaving or done == last or passing or due:
                    unsaved_s = 0.0
                    yield Saved(done, _checkpoint(order, latent, done, total), leaving)
            if departures.last is not None or order.stop is not None:
                yield Halted(calls, probe_calls)
            else:
                yield Painted(call.width, call.height, _picture(latent, call), calls, exact=True)

    async def prepare(self, model: str) -> None:
        """There is nothing to load."""
        self._warm, self._model = True, model

    async def embed(self, prompts: Sequence[str]) -> list[bytes]:
        """Bags of hashed words, normalised: prompts with common words are near."""
        self._warm = True
        return [_embedding(prompt) for prompt in prompts]

    async def measure(self, call: Call) -> float:
        """The speed that it was told to have; a thousand a second if none."""
        self._warm, self._model = True, call.model
        return 1.0 / max(self._seconds_per_step, 1e-3)

    async def close(self) -> None:
        """There is no process to end."""
        self._warm = False


def _total(order: Order) -> int:
    try:
        total = calls_per_run(order.call.scheduler, order.call.steps)
    except LocalError as error:
        raise EngineError(str(error)) from None
    if order.stop is not None and not 1 <= order.stop <= total:
        raise EngineError(f"The call takes {total} scheduler steps; it can not stop at step {order.stop}.")
    return total


def _resume(order: Order, total: int) -> tuple[list[int], int]:
    checkpoint = unpack(order.start or b"")
    refuse_misfit(checkpoint.facts, order.call, _scheduler(order.call), total)
    if checkpoint.latent.shape != _LATENT:
        raise CheckpointError("The checkpoint's latent is not the toy engine's.")
    if order.stop is not None and not order.leaves and checkpoint.facts.step >= order.stop:
        raise CheckpointError(f"The checkpoint is at step {checkpoint.facts.step} already; this order stops there.")
    return list(struct.unpack(f"<{_NUMBERS}i", checkpoint.latent.data)), checkpoint.facts.step


def _noise(call: Call) -> list[int]:
    return [byte * _ONE for byte in hashlib.shake_256(f"noise {call.seed}".encode()).digest(_NUMBERS)]


def _denoise(latent: list[int], call: Call, words: Sequence[str], done: int, total: int) -> list[int]:
    """Move each number a part of the way to the prompts' mean picture; the part grows, so early steps weigh less."""
    goals = [hashlib.shake_256(f"{call.negative}\0{prompt}".encode()).digest(_NUMBERS) for prompt in words]
    left = total - done + 1
    means = (sum(each) * _ONE // len(goals) for each in zip(*goals, strict=True))
    return [now + (wanted - now) // left for now, wanted in zip(latent, means, strict=True)]


def _difference(run: Sequence[str], prompt: str) -> float:
    """The share of words that a prompt does not have in common with those of the run: the toy's probe."""
    one, two = set(" ".join(run).lower().split()), set(prompt.lower().split())
    return 1 - len(one & two) / max(1, len(one | two))


def _checkpoint(order: Order, latent: list[int], done: int, total: int) -> bytes:
    call = order.call
    facts = Facts(
        step=done,
        total=total,
        model=call.model,
        call=digest_of(call),
        prompt="" if order.hide_prompt or len(set(order.blend)) > 1 else prompt_digest_of(call),
        scheduler=_scheduler(call),
        guidance=float(call.guidance),
        width=call.width,
        height=call.height,
        seed=call.seed,
        dtype="int32",
        threads=1,
        device="toy",
        software="toy 1",
        noise="toy",
    )
    state = hashlib.sha256(f"toy {call.seed}".encode()).digest()
    return pack(
        Checkpoint(
            facts=facts,
            outputs=(Tensor(shape=_LATENT, data=_packed(latent)),),
            output_keys=(),
            output_count=1,
            template=Template(shapes=(_LATENT,)),
            solver=(("_step_index", done),),
            generator=Random(start=state, at_step=state),
        )
    )


def _scheduler(call: Call) -> str:
    return scheduler_digest_of("toy", call.scheduler)


def _packed(latent: list[int]) -> bytes:
    return struct.pack(f"<{_NUMBERS}i", *latent)


def _pixels(latent: list[int]) -> bytes:
    return bytes(min(255, max(0, number // _ONE)) for number in latent)


def _picture(latent: list[int], call: Call) -> bytes:
    """The squares, enlarged to the picture's size."""
    pixels, rows = _pixels(latent), []
    for y in range(SIDE):
        row = pixels[y * SIDE * 3 : (y + 1) * SIDE * 3]
        columns = (row[x * SIDE // call.width * 3 :][:3] for x in range(call.width))
        rows.append(b"".join(columns))
    return b"".join(rows[y * SIDE // call.height] for y in range(call.height))


def _embedding(prompt: str) -> bytes:
    numbers = [0.0] * _EMBEDDING_NUMBERS
    for word in prompt.lower().split():
        for byte in hashlib.sha256(word.encode()).digest()[:4]:
            numbers[byte % _EMBEDDING_NUMBERS] += 1.0
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return struct.pack(f"<{_EMBEDDING_NUMBERS}e", *(number / length for number in numbers))
