"""The child's hands: carries out one command after the other with torch, and answers.

Never here: processes, threads or sockets (child.py); answers leave through the `say` that is handed in.
"""

import gc
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch

from peerd.engine import conditioning, dialogue, pipelines, resumable
from peerd.engine.blend import Blend
from peerd.engine.departures import Departures
from peerd.engine.previews import Previewer
from peerd.engine.probe import Probe
from peerd.engine.tensors import rows_of
from peerd.engine.trial import Trial
from peerd_protocol.checkpoint import (
    Checkpoint,
    Facts,
    digest_of,
    pack,
    prompt_digest_of,
    refuse_misfit,
    unpack,
)
from peerd_protocol.commitment import step_digest
from peerd_protocol.errors import CheckpointError, EngineError, PeerdError
from peerd_protocol.plan import Call
from peerd_protocol.schedulers import calls_per_run

log = logging.getLogger(__name__)

NOISE = "torch-cpu"
MEASURED_CALLS = 2
ONEDNN_NO_MEMORY = "could not create a primitive"
"""All that oneDNN says where the system gives it no memory; what it can not do it names."""


class Worker:
    """One loaded model at a time, and the orders made with it."""

    def __init__(self, say: Callable[[dialogue.Answer], None], threads: int, slowdown: float = 1.0) -> None:
        self._say = say
        self.threads = threads
        self._slowdown = slowdown
        self._loaded: pipelines.Pipeline | None = None
        self._source = Path(), ""
        """The folder of the loaded model, and the digest that it was loaded as."""
        self._previewer: Previewer | None = None
        self._tried = False
        """Whether any model was loaded yet, or failed to be."""
        self._unblended: Path | None = None

    def obey(self, command: dialogue.Order, cancelled: Callable[[], bool]) -> None:
        """Carry out one command to its last answer, whatever happens."""
        number = command.number
        try:
            match command:
                case dialogue.Run():
                    self._run(command, cancelled)
                case dialogue.Prepare():
                    began = time.perf_counter()
                    self.load(command, quiet=True)
                    self._say(dialogue.Loaded(number, time.perf_counter() - began, command.model))
                case dialogue.Embed():
                    vectors = self.load(command).embed(list(command.prompts))
                    self._say(dialogue.Embedded(number, tuple(vectors)))
                case dialogue.Measure():
                    self._measure(command, cancelled)
                case dialogue.Compare():
                    self._compare(command, cancelled)
        except resumable.Cancelled:
            self._say(dialogue.Gone(number))
        except CheckpointError as error:
            self._say(dialogue.Refused(number, str(error), checkpoint=True))
        except PeerdError as error:
            self._say(dialogue.Refused(number, str(error)))
        except Exception as error:
            self._say(dialogue.Refused(number, _sentence(error)))

    def load(self, command: dialogue.Order, *, quiet: bool = False) -> pipelines.Pipeline:
        """The model that the command is for, loaded now if it is not the last one."""
        # A folder whose files were changed holds another model under the same name.
        source = Path(command.folder), command.model
        if self._loaded is None or self._source != source:
            began = time.perf_counter()
            self._let_go(command.number)
            # Loading imports thousands of modules more; what they leave is here to stay and need not be looked through.
            gc.disable()
            try:
                self._loaded = pipelines.load(Path(command.folder))
                gc.freeze()
            finally:
                gc.enable()
            self._source = source
            self._previewer = Previewer(self._loaded.pipe)
            if not quiet:
                self._say(dialogue.Loaded(command.number, time.perf_counter() - began, command.model))
        return self._loaded

    def _let_go(self, number: int) -> None:
        """The old model goes first: two at once may not fit. What a load that failed has left goes too."""
        if self._loaded is not None:
            self._say(dialogue.Unloaded(number))
        self._loaded = self._previewer = None
        if self._tried:
            # A model holds itself in circles, and what is frozen is never looked through: it would stay for ever.
            gc.unfreeze()
            gc.collect()
        self._tried = True

    def _run(self, command: dialogue.Run, cancelled: Callable[[], bool]) -> None:
        call, number = command.call, command.number
        total = calls_per_run(call.scheduler, call.steps)
        if command.stop is not None and not 1 <= command.stop <= total:
            raise EngineError(f"The call takes {total} scheduler steps; it can not stop at step {command.stop}.")
        start = None if command.start is None else unpack(command.start)
        loaded = self.load(command)
        scheduler = loaded.set_scheduler(call.scheduler)
        if start is not None:
            refuse_misfit(start.facts, call, scheduler, total)
        skip = 0 if start is None else start.facts.step
        blended = tuple(dict.fromkeys(command.blend))
        own = call.prompt if len(blended) < 2 else ""
        departures = Departures(own, command.leaves, command.probe, skip, total)
        if command.start is not None and departures.early:
            self._say(dialogue.Save(number, skip, command.start, departures.early))
        if departures.last is not None and departures.last <= skip:
            self._say(dialogue.Halt(number, 0))
            return
        if departures.last is None and command.stop is not None and skip >= command.stop:
            raise CheckpointError(f"The checkpoint is at step {skip} already; this order stops there.")
        words = self._conditioning(loaded, call, (*(blended if len(blended) > 1 else ()), *departures.prompts))
        blend = self._blend(call, blended, words)
        hidden = command.hide_prompt or blend is not None
        facts = partial(self._facts, loaded, call, scheduler, "" if hidden else prompt_digest_of(call))
        here = facts(1, total, loaded.dtype)
        run = resumable.Run(
            generator=seeded(call.seed),
            facts=facts,
            start=start,
            same_prompt=command.resumes
            or (blend is None and start is not None and start.facts.prompt == prompt_digest_of(call)),
            stop=command.stop,
            departures=departures,
            probe=None if words is None or not departures.prompts else Probe(words),
            blend=blend,
            checkpoint_every=command.checkpoint_every,
            spare_s=command.spare_s,
            slowdown=self._slowdown,
            on_step=partial(self._stepped, number, command.previews),
            on_save=partial(self._saved, number, departures),
            cancelled=cancelled,
        )
        result = run.carry_out(loaded.pipe, loaded.denoisers, loaded.arguments(call))
        if result is None:
            self._say(dialogue.Halt(number, run.denoiser_calls, 0.0 if run.probe is None else run.probe.calls))
            return
        if not hasattr(result, "images"):
            raise EngineError(f"The model in {command.folder} makes no pictures; choose one that does.")
        if any(getattr(result, "nsfw_content_detected", None) or ()):
            # What it returns is black, which would pass for a picture.
            raise EngineError(
                f"The safety checker in {command.folder} blacked this picture out; change the prompt or the seed."
            )
        picture = result.images[0].convert("RGB")
        exact = blend is None and (
            start is None
            or all(
                getattr(start.facts, name) == getattr(here, name)
                for name in ("dtype", "threads", "device", "software", "noise")
            )
        )
        self._say(dialogue.Picture(number, picture.width, picture.height, picture.tobytes(), run.denoiser_calls, exact))

    def _conditioning(
        self, loaded: pipelines.Pipeline, call: Call, prompts: Sequence[str]
    ) -> conditioning.Conditioning | None:
        """What these prompts are to the model; None where they are one, or where its family gives no way to tell."""
        different = tuple(dict.fromkeys((call.prompt, *prompts)))
        if len(different) < 2:
            return None
        try:
            return conditioning.read(
                loaded.pipe,
                loaded.denoisers,
                lambda prompt: loaded.arguments(msgspec.structs.replace(call, prompt=prompt)),
                different,
            )
        except EngineError as error:
            self._say_unblended(error)
            return None

    def _blend(self, call: Call, prompts: Sequence[str], words: conditioning.Conditioning | None) -> Blend | None:
        if words is None or len(prompts) < 2:
            return None
        try:
            return Blend(words, call.prompt, prompts)
        except EngineError as error:
            self._say_unblended(error)
            return None

    def _say_unblended(self, error: EngineError) -> None:
        """Once a model: each of its orders would say the same."""
        if self._loaded is not None and self._unblended != self._loaded.folder:
            self._unblended = self._loaded.folder
            log.warning("%s One prompt runs shared steps, and who leaves them is not probed.", error)

    def _measure(self, command: dialogue.Measure, cancelled: Callable[[], bool]) -> None:
        call = command.call
        loaded = self.load(command)
        scheduler = loaded.set_scheduler(call.scheduler)
        # The first call of a shape pays for its buffers, so it is not timed.
        stop = min(1 + MEASURED_CALLS, calls_per_run(call.scheduler, call.steps))
        run = resumable.Run(
            generator=seeded(call.seed),
            facts=partial(self._facts, loaded, call, scheduler, ""),
            stop=stop,
            slowdown=self._slowdown,
            cancelled=cancelled,
        )
        run.carry_out(loaded.pipe, loaded.denoisers, loaded.arguments(call))
        # A crowded host makes calls slower and none faster, so the fastest is what this device can do.
        self._say(dialogue.Measured(command.number, 1 / min(run.denoiser_seconds[1:] or run.denoiser_seconds)))

    def _compare(self, command: dialogue.Compare, cancelled: Callable[[], bool]) -> None:
        loaded = self.load(command)
        loaded.set_scheduler(command.call.scheduler)
        at_work = partial(self._say, dialogue.AtWork(command.number))
        trial = Trial(loaded, command.call, command.other, seeded, cancelled, at_work)
        sides = trial.sides()
        first, second = (side.differences for side in sides)
        largest = (sides[0].largest, sides[1].largest)
        self._say(dialogue.Compared(command.number, largest, (first, second), trial.denoiser_calls))

    def _facts(
        self, loaded: pipelines.Pipeline, call: Call, scheduler: str, prompt: str, step: int, total: int, dtype: str
    ) -> Facts:
        return Facts(
            step=step,
            total=total,
            model=call.model,
            call=digest_of(call),
            prompt=prompt,
            scheduler=scheduler,
            guidance=float(call.guidance),
            width=call.width,
            height=call.height,
            seed=call.seed,
            dtype=dtype,
            threads=self.threads,
            device=device_kind(loaded.device),
            software=software(),
            noise=NOISE,
        )

    def _stepped(self, number: int, previews: bool, step: resumable.Step) -> None:
        preview, side = b"", 0
        if previews and self._previewer is not None:
            preview, side = self._previewer.thumbnail(step.latent)
        digest = step_digest(step.number, rows_of(step.latent))
        self._say(
            dialogue.Step(number, step.number, step.total, step.seconds, preview, side, step.denoiser_calls, digest)
        )

    def _saved(self, number: int, departures: Departures, checkpoint: Checkpoint) -> None:
        step = checkpoint.facts.step
        self._say(dialogue.Save(number, step, pack(checkpoint), departures.at(step)))


def seeded(seed: int) -> torch.Generator:
    """The call's generator, as a plain call makes it; the global one is seeded too, for families that draw from it."""
    torch.default_generator.manual_seed(seed)
    return torch.Generator("cpu").manual_seed(seed)


def device_kind(device: str) -> str:
    """What decides the bits of an operation: the kind of device and its instruction set."""
    return f"{device} {torch.backends.cpu.get_cpu_capability()}".lower() if device == "cpu" else device


def software() -> str:
    """The versions that decide the bits."""
    import diffusers

    return f"torch {torch.__version__} diffusers {diffusers.__version__}"


def _sentence(error: Exception) -> str:
    memory: tuple[Any, ...] = (MemoryError, torch.OutOfMemoryError)
    text = str(error).strip()
    if isinstance(error, memory) or "allocate memory" in text or text == ONEDNN_NO_MEMORY:
        return "The engine ran out of memory; choose a smaller size, or free some and try again."
    if isinstance(error, ValueError):
        return f"The model does not take this call: {pipelines.one_line(error)}."
    return f"The engine failed with {type(error).__name__}: {pipelines.one_line(error)}."
