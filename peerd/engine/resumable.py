"""Replay and skip: split any diffusers pipeline's own `__call__` at a step, or go on from there, bit for bit.

Both sides run the pipeline's unmodified call. For its length the scheduler's class is swapped for a subclass that
overrides only `set_timesteps` and `step`, and the denoiser's `forward` is wrapped. The sender stops after step k; the
receiver replays: the first k steps return the received latent, the denoiser calls before them zeros, and at call k-1
the solver and the random state are put back. All else happens in the pipeline's own code at its own place.

Never here: which pipeline, which scheduler, what a prompt is, or where the bytes go.
"""

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from peerd.engine import solver_state
from peerd.engine.blend import Blend
from peerd.engine.conditioning import Inputs, arguments_of, inputs_of
from peerd.engine.departures import Departures
from peerd.engine.probe import Probe
from peerd.engine.spare import is_due
from peerd.engine.tensors import DTYPES, from_wire, outputs_of, shape_of, to_wire
from peerd_protocol.checkpoint import Checkpoint, Facts, Random, Template
from peerd_protocol.errors import CheckpointError, EngineError

OUTPUT_TIMES_INPUT_MAX = 4
"""A denoiser's output against its input: learned sigma doubles it. Bounds what a peer's template may allocate."""


class Stopped(BaseException):
    """The run came to its stop step. Not an Exception, so that no pipeline's own handler swallows it."""


class Cancelled(BaseException):
    """Nobody wants this run any more."""


@dataclass(frozen=True, slots=True)
class Step:
    """One real scheduler step, just made."""

    number: int
    total: int
    seconds: float
    denoiser_calls: int
    latent: torch.Tensor


def _ignore(_: Any) -> None:
    return None


@dataclass(slots=True)
class Run:
    """One pipeline call: what it starts from, where it stops, and who listens.

    `facts` writes down whose checkpoint it is, from (step, total, dtype). `same_prompt` keeps the multistep history.
    With `departures` it stops where the last one leaves; what `probe` sees, if there is one, may make that sooner.
    `blend` puts the mean of several prompts in the place of the call's own.
    `spare_s` is the longest that it works without a checkpoint (0: as long as it takes).
    `slowdown` stretches every denoiser call by real waiting, so that tests can make one device slow.
    """

    generator: torch.Generator
    facts: Callable[[int, int, str], Facts]
    start: Checkpoint | None = None
    same_prompt: bool = True
    stop: int | None = None
    departures: Departures | None = None
    probe: Probe | None = None
    blend: Blend | None = None
    checkpoint_every: int = 0
    spare_s: float = 0.0
    slowdown: float = 1.0
    on_step: Callable[[Step], None] = _ignore
    on_save: Callable[[Checkpoint], None] = _ignore
    cancelled: Callable[[], bool] = lambda: False

    denoiser_calls: int = 0
    denoiser_seconds: list[float] = field(default_factory=list)
    total: int = 0
    _done: int = 0
    _looked: set[int] = field(default_factory=set)
    _since: float = 0.0
    _saved_s: float = 0.0
    _template: Template | None = None
    _start_states: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def skip(self) -> int:
        """How many steps are replayed."""
        return self.start.facts.step if self.start is not None else 0

    @property
    def ends(self) -> int | None:
        """The step after which it stops, as far as is known now; None: with the picture."""
        return self.stop if self.departures is None or self.departures.last is None else self.departures.last

    def carry_out(self, pipeline: Any, denoisers: list[Any], arguments: dict[str, Any]) -> Any:
        """Call the pipeline; its result, or None if it came to its stop step."""
        if self.start is not None:
            self._template = self.start.template
            _set_state(self.generator, self.start.generator.start)
            if self.start.world is not None:
                _set_state(torch.default_generator, self.start.world.start)
        self._start_states = (self.generator.get_state(), torch.default_generator.get_state())
        self._since = self._saved_s = time.perf_counter()
        with _watched_scheduler(pipeline.scheduler, self), _watched_denoisers(denoisers, self):
            try:
                return pipeline(**arguments, generator=self.generator)
            except Stopped:
                return None

    def timesteps_set(self, scheduler: Any) -> None:
        """The scheduler has laid out its steps: now their number is known, and whether the checkpoint fits."""
        self.total, self._done = len(scheduler.timesteps), 0
        if self.ends is not None and self.ends > self.total:
            raise EngineError(f"The call takes {self.total} scheduler steps; it can not stop at step {self.ends}.")
        if self.start is not None and self.start.facts.total != self.total:
            raise CheckpointError(
                f"The checkpoint counts {self.start.facts.total} scheduler steps in all, this call takes {self.total}."
            )
        if self.ends is not None and self.skip >= self.ends:
            raise CheckpointError(f"The checkpoint is at step {self.skip}, beyond where this run stops.")

    def step(self, original: Callable[..., Any], scheduler: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One call of `scheduler.step`: replayed up to the checkpoint, real after it."""
        if self._done < self.skip:
            return self._replay(scheduler, args[2] if len(args) > 2 else kwargs["sample"])
        if self.start is not None and not self.same_prompt:
            result = solver_state.step_after_drop(original, scheduler, self._done - self.skip, args, kwargs)
        else:
            result = original(scheduler, *args, **kwargs)
        self._done += 1
        seconds = time.perf_counter() - self._since
        latent = outputs_of(result)[0][0]
        if not bool(torch.isfinite(latent).all()):
            # It would become a black picture, and a checkpoint that every receiver refuses.
            raise EngineError(
                f"The latent is not finite after step {self._done} of {self.total}; choose another scheduler or model."
            )
        self.on_step(Step(self._done, self.total, seconds, self.denoiser_calls, latent))
        ends = self._done == self.ends
        leaving = self.departures is not None and self.departures.at(self._done)
        passing = self.checkpoint_every and self._done % self.checkpoint_every == 0 and self._done < self.total
        due = self._done < self.total and is_due(time.perf_counter() - self._saved_s, seconds, self.spare_s)
        if ends or leaving or passing or due:
            self.on_save(self._capture(scheduler, result))
            self._saved_s = time.perf_counter()
        if ends:
            raise Stopped
        # What listeners take (a preview, a checkpoint) is no part of the next step's seconds.
        self._since = time.perf_counter()
        return result

    def denoise(self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One call of the denoiser's forward: zeros while replaying, else the original, counted."""
        if self._done < self.skip:
            return _zeros(self._template, next(t for t in (*args, *kwargs.values()) if isinstance(t, torch.Tensor)))
        if self.denoiser_calls == 0:
            # The first step's seconds begin here, not with the text encoder.
            self._since = time.perf_counter()
        self.denoiser_calls += 1
        if self.blend is not None:
            args, kwargs = arguments_of(self.blend.put(inputs_of(args, kwargs)))
        output, seconds = self._forward(original, args, kwargs)
        self.denoiser_seconds.append(seconds)
        if self._template is None:
            self._template = _template_of(output)
        if self.departures is not None and self.probe is not None:
            self._look(self.departures, self.probe, original, inputs_of(args, kwargs), output)
        return output

    def _forward(self, original: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, float]:
        """One pass through the denoiser, and its seconds."""
        if self.cancelled():
            raise Cancelled
        began = time.perf_counter()
        output = original(*args, **kwargs)
        if self.slowdown > 1.0:
            time.sleep((time.perf_counter() - began) * (self.slowdown - 1.0))
        return output, time.perf_counter() - began

    def _look(
        self, departures: Departures, probe: Probe, original: Callable[..., Any], inputs: Inputs, output: Any
    ) -> None:
        """Let the probe look during this step, once, if it is to; its time is no part of the step's."""
        step = self._done + 1
        asked = departures.asked(step)
        if not asked or step in self._looked:
            return
        self._looked.add(step)
        began = time.perf_counter()
        differences = probe.differences(
            asked, lambda *args, **kwargs: self._forward(original, args, kwargs)[0], inputs, output
        )
        departures.learn(step, differences)
        self._since += time.perf_counter() - began

    def _replay(self, scheduler: Any, sample: torch.Tensor) -> Any:
        assert self.start is not None
        checkpoint = self.start
        if self._done == 0:
            self._check(scheduler, sample)
        self._done += 1
        last = self._done == self.skip
        sent = checkpoint.outputs if last else checkpoint.outputs[:1]
        outputs = [from_wire(tensor).to(device=sample.device, dtype=sample.dtype) for tensor in sent]
        if last:
            solver_state.restore(scheduler, checkpoint.solver, sample, keep_history=self.same_prompt)
            _set_state(self.generator, checkpoint.generator.at_step)
            if checkpoint.world is not None:
                _set_state(torch.default_generator, checkpoint.world.at_step)
        # Results beside the latent only matter after the last step; before it the pipeline overwrites them.
        outputs += [outputs[0]] * (checkpoint.output_count - len(outputs))
        return _Output(checkpoint.output_keys, outputs) if checkpoint.output_keys else tuple(outputs)

    def _check(self, scheduler: Any, sample: torch.Tensor) -> None:
        assert self.start is not None
        for tensor in self.start.outputs:
            if tensor.shape.sizes != tuple(sample.shape):
                raise CheckpointError(
                    f"The checkpoint's latent has the shape {tensor.shape.sizes}, the call's {tuple(sample.shape)}."
                )
            if not bool(torch.isfinite(from_wire(tensor)).all()):
                raise CheckpointError("The checkpoint's latent holds numbers that are not finite.")
        solver_state.check(scheduler, self.start.solver, sample, self.skip)

    def _capture(self, scheduler: Any, result: Any) -> Checkpoint:
        if self._start_states is None or self._template is None:
            raise EngineError("The pipeline never called its denoiser; it can not be split.")
        generator, world = self._start_states
        world_now = torch.default_generator.get_state()
        outputs, keys = outputs_of(result)
        # Before the last step the pipeline overwrites all but the latent, so only that travels.
        kept = outputs if self._done == self.total else outputs[:1]
        return Checkpoint(
            facts=self.facts(self._done, self.total, str(outputs[0].dtype).removeprefix("torch.")),
            outputs=tuple(to_wire(tensor) for tensor in kept),
            output_keys=keys,
            output_count=len(outputs),
            template=self._template,
            solver=solver_state.capture(scheduler),
            generator=Random(start=_bytes(generator), at_step=_bytes(self.generator.get_state())),
            world=None if torch.equal(world, world_now) else Random(start=_bytes(world), at_step=_bytes(world_now)),
        )


class _Output(dict[str, Any]):
    """Stands for an output object of diffusers: fields by name, by key and by position."""

    def __init__(self, keys: tuple[str, ...], values: list[Any]) -> None:
        super().__init__(zip(keys, values, strict=False))
        self.__dict__.update(self)

    def __getitem__(self, key: Any) -> Any:
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


@contextmanager
def _watched_scheduler(scheduler: Any, run: Run) -> Iterator[None]:
    original = type(scheduler)

    @functools.wraps(original.set_timesteps)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original.set_timesteps(self, *args, **kwargs)
        run.timesteps_set(self)
        return result

    @functools.wraps(original.step)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        return run.step(original.step, self, args, kwargs)

    # Pipelines look at the class's name, module and signatures, so all of them stay as they were.
    body = {"set_timesteps": set_timesteps, "step": step, "__module__": original.__module__}
    scheduler.__class__ = type(original.__name__, (original,), body)
    try:
        yield
    finally:
        scheduler.__class__ = original


@contextmanager
def _watched_denoisers(denoisers: list[Any], run: Run) -> Iterator[None]:
    instance_own: list[bool] = []

    def watch(denoiser: Any) -> None:
        original = denoiser.forward
        instance_own.append("forward" in vars(denoiser))

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            return run.denoise(original, args, kwargs)

        denoiser.forward = forward

    for denoiser in denoisers:
        watch(denoiser)
    try:
        yield
    finally:
        for denoiser, own in zip(denoisers, instance_own, strict=True):
            if own:
                # Offloading hooks put a forward of their own there; it goes back where it was.
                denoiser.forward = denoiser.forward.__wrapped__
            else:
                del denoiser.forward


def _template_of(output: Any) -> Template:
    tensors, keys = outputs_of((output,) if isinstance(output, torch.Tensor) else output)
    return Template(keys=keys, shapes=tuple(shape_of(tensor) for tensor in tensors))


def _zeros(template: Template | None, taken: torch.Tensor) -> Any:
    assert template is not None
    if sum(math.prod(shape.sizes) for shape in template.shapes) > OUTPUT_TIMES_INPUT_MAX * taken.numel():
        raise CheckpointError("The checkpoint's denoiser returns more numbers than this model's.")
    values = [torch.zeros(shape.sizes, dtype=DTYPES[shape.dtype], device=taken.device) for shape in template.shapes]
    return _Output(template.keys, values) if template.keys else tuple(values)


def _set_state(generator: torch.Generator, state: bytes) -> None:
    try:
        generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
    except (RuntimeError, ValueError):
        raise CheckpointError("The checkpoint's random state is not one that this device's generator takes.") from None


def _bytes(state: torch.Tensor) -> bytes:
    return state.numpy().tobytes()
