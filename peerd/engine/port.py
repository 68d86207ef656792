"""The engine's port: what the rest of peerd may ask of a denoiser, and what comes back.

Here live the values and the protocol class alone. Never here: torch, processes, or a decision about whose work to run.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from peerd_protocol.plan import Call, Leave


class Look(msgspec.Struct, frozen=True):
    """One look of a probe: during step `step` (from 1) it predicts the noise for the prompts of those that leave.

    `stays` says, for a difference of the guided predictions up to `bound` (in units of the mean of all that are looked
    at), after which step such a prompt leaves; bounds grow and steps fall. Above the last it leaves after this step.
    """

    step: int
    stays: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class Order:
    """Run `call` from `start` (checkpoint bytes; None: from noise) up to `stop` scheduler steps (None: to the picture).

    `checkpoint_every` scheduler steps a checkpoint comes back on the way (0: only the one at `stop`). Where there are
    `leaves`, a checkpoint comes at the step of each and the run ends with the last of them, whatever `stop` says; a
    leaf at or before `start` gets `start` itself. `probe` may let those that name their prompt leave sooner.
    """

    call: Call
    start: bytes | None = None
    stop: int | None = None
    checkpoint_every: int = 0
    previews: bool = True
    hide_prompt: bool = False
    """Leave the prompt's digest out of checkpoints: who guesses words could recognise them by it."""
    leaves: tuple[Leave, ...] = ()
    probe: tuple[Look, ...] = ()
    blend: tuple[str, ...] = ()
    """Prompts whose mean runs the steps in place of the call's own: a beginning that is nobody's, and so suits all."""
    spare_s: float = 0.0
    """A checkpoint comes back also before the work since the last would take longer than this (0: never)."""
    resumes: bool = False
    """`start` is of this very run, so that what its solver remembers stays true: the run goes on bit for bit."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """One scheduler step is done. `preview` is RGB bytes, `preview_side` squared pixels (empty: none was made).

    `denoiser_calls` are those of this order up to here, for one that never comes to its end. `digest` commits to the
    latent after this step (`peerd_protocol.commitment`).
    """

    step: int
    total: int
    seconds: float
    preview: bytes = b""
    preview_side: int = 0
    denoiser_calls: int = 0
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint: `data` continues the call after `step` scheduler steps. `names` are the leaves that leave here."""

    step: int
    data: bytes
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Painted:
    """The picture, as raw RGB rows. `denoiser_calls` were counted inside the denoiser's forward in this order."""

    width: int
    height: int
    rgb: bytes
    denoiser_calls: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Halted:
    """The order ended at its `stop` step or with its last leaf; its last `Saved` came before this.

    `probe_calls` are a probe's, beside `denoiser_calls` and in their unit: one prompt's prediction without its negative
    half counts a half.
    """

    denoiser_calls: int
    probe_calls: float = 0.0


EngineEvent = Stepped | Saved | Painted | Halted


class Engine(Protocol):
    """One denoiser behind a process boundary. Orders run one at a time, first come first served."""

    @property
    def warm(self) -> bool:
        """Whether a model is loaded, so that embedding a prompt costs milliseconds."""
        ...

    @property
    def loaded(self) -> str:
        """The digest of the model that is loaded, with which `embed` reads prompts; empty while none is."""
        ...

    @property
    def busy(self) -> bool:
        """Whether something has its turn now, an order or anything else, so that what comes next waits."""
        ...

    def run(self, order: Order) -> AsyncGenerator[EngineEvent, None]:
        """Carry out one order. Closing the iterator cancels it within one step.

        Raises EngineError when the engine dies or refuses; the next order starts a fresh engine.
        """
        ...

    async def prepare(self, model: str) -> None:
        """Start the engine and load the model of that digest, so that the next order finds it warm."""
        ...

    async def embed(self, prompts: Sequence[str]) -> list[bytes]:
        """Pooled, normalised text embeddings as little-endian float16 bytes, one a prompt. Starts the engine."""
        ...

    async def measure(self, call: Call) -> float:
        """Denoiser calls per second, timed on two real calls of this call's shape. Starts the engine."""
        ...

    async def close(self) -> None:
        """End the child process; returns when it is gone."""
        ...
