"""What a run of shared steps took on this device, as its receipts tell it: which steps, what they left, how long.

Never here: the engine, or a receipt (`receipts`).
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ran:
    """The steps from `first` to `step` of `run`, which left the checkpoint with this SHA-256.

    `steps` are the digests of the latents after each, one after the other; `seconds` what the engine took for them,
    `joules` those seconds at the watts that this device draws while it works.
    """

    digest: bytes
    run: str
    model: str
    first: int
    step: int
    steps: bytes
    seconds: float
    joules: float


@dataclass(slots=True)
class Trace:
    """A run as it goes."""

    run: str
    model: str
    _first: int = 0
    _digests: list[bytes] = field(default_factory=list)
    _seconds: float = 0.0

    def stepped(self, step: int, seconds: float, digest: bytes) -> None:
        if not self._digests:
            self._first = step - 1
        self._digests.append(digest)
        self._seconds += seconds

    def ran(self, digest: bytes, watts: float) -> Ran | None:
        """Up to here; None where no step was run: a checkpoint that is passed on as it came is nobody's work here."""
        if not self._digests:
            return None
        return Ran(
            digest=digest,
            run=self.run,
            model=self.model,
            first=self._first,
            step=self._first + len(self._digests),
            steps=b"".join(self._digests),
            seconds=self._seconds,
            joules=self._seconds * watts,
        )
