"""Time in one thread: what is to happen and when, and a clock that jumps from one happening to the next.

Never here: what happens.
"""

import heapq
from collections.abc import Callable


class Clockwork:
    """`now_s` is the world's own time; no device ever sees it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.happened = 0
        self._queue: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = 0

    def at(self, time_s: float, what: Callable[..., None], *about: object) -> None:
        """Of two things at one time the one that was said first comes first."""
        self._order += 1
        heapq.heappush(self._queue, (time_s, self._order, what, about))

    def after(self, seconds: float, what: Callable[..., None], *about: object) -> None:
        self._order += 1
        heapq.heappush(self._queue, (self.now_s + seconds, self._order, what, about))

    def run(self, until_s: float) -> None:
        """Let everything happen that is due by then."""
        queue = self._queue
        while queue and queue[0][0] <= until_s:
            self.now_s, _, what, about = heapq.heappop(queue)
            what(*about)
            self.happened += 1
        self.now_s = until_s
