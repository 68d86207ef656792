"""How far promises were from what came of them. Pure numbers; where they are kept is the store's.

Never here: a correction. A promise is made of what devices measured, and an error that stays is to be seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Score:
    """Errors are relative to what really was: 0.1 is a tenth. `bias` is signed: above 0, promises were too late."""

    count: int
    median: float
    ninth_of_ten: float
    bias: float


def relative_error(promised_s: float, real_s: float) -> float:
    """Signed: above 0, it was promised later than it came."""
    return (promised_s - real_s) / real_s


def score(pairs: Iterable[tuple[float, float]]) -> Score | None:
    """Of pairs (promised seconds, real seconds). What was not promised, or took no time, says nothing."""
    errors = [relative_error(promised_s, real_s) for promised_s, real_s in pairs if promised_s > 0.0 and real_s > 0.0]
    if not errors:
        return None
    sizes = sorted(map(abs, errors))
    return Score(len(errors), median(sizes), sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))], median(errors))
