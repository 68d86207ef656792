"""The loop: events in, actions out, carried out in order.

Here lives the one queue of the daemon, its clock, and the tasks that long actions run in. Whatever happens becomes an
event; `Node.step` answers with actions; `Hands` carry them out. A `Remember` is on disk before anything that follows
it. Never here: a rule of the protocol, or how one action is done.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any, Protocol, assert_never

from peerd_protocol.actions import (
    Action,
    Consider,
    Deliver,
    Denoise,
    Forget,
    Halt,
    MakePlan,
    MergeRoster,
    Predict,
    Remember,
    Send,
    ShareRoster,
    Tell,
    Warn,
)
from peerd_protocol.events import Event, Leaving, Ticked
from peerd_protocol.node import Node

log = logging.getLogger("peerd.runtime")

TICK_S = 0.1
"""The coarsest clock that the election's stagger of 0.25 s bears; an idle daemon stays below 1 % of a core with it."""
EVENTS_MAX = 10_000
"""Events waiting for the loop. Beyond it messages of peers are dropped, as a network may drop them."""


def boot_time_s() -> float:
    """A clock that goes on while the machine sleeps, so that a sleeper knows it has slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Hands(Protocol):
    """How actions are carried out. The short ones return at once; the long ones run as tasks and post their result."""

    def write(self, batch: list[Remember | Forget]) -> None:
        """Make the whole batch durable. Raises LocalError when the disk refuses."""
        ...

    def send(self, action: Send) -> None: ...
    def predict(self, action: Predict) -> None: ...
    def tell(self, action: Tell) -> None: ...
    def share_roster(self, action: ShareRoster) -> None: ...
    def merge_roster(self, action: MergeRoster) -> Event | None: ...
    def consider(self, action: Consider) -> Event: ...
    async def make_plan(self, action: MakePlan) -> None: ...
    async def denoise(self, action: Denoise) -> None: ...
    async def deliver(self, action: Deliver) -> None: ...


class Runtime:
    """Drives one node. `post` may be called from anywhere in the loop's thread."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._events: asyncio.Queue[Event] = asyncio.Queue(EVENTS_MAX)
        self._works: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self.dropped_events = 0

    def post(self, event: Event) -> None:
        """Something happened. Never blocks; a full queue drops the event and counts it."""
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            self.dropped_events += 1

    def stop(self) -> None:
        """Say goodbye and end `run`."""
        self._stopping.set()
        self.post(Leaving())

    async def run(self, hands: Hands) -> None:
        """The loop. Ends after `stop`; every task it started has ended by then."""
        async with asyncio.TaskGroup() as tasks:
            while not (self._stopping.is_set() and self._events.empty()):
                event: Event | None
                try:
                    event = await asyncio.wait_for(self._events.get(), TICK_S)
                except TimeoutError:
                    event = None
                actions = self.node.step(Ticked(boot_time_s()))
                if event is not None:
                    actions += self.node.step(event)
                self._perform(actions, hands, tasks)
            for work in list(self._works.values()):
                work.cancel()

    def _perform(self, actions: list[Action], hands: Hands, tasks: asyncio.TaskGroup) -> None:
        batch: list[Remember | Forget] = []
        for action in actions:
            if isinstance(action, Remember | Forget):
                batch.append(action)
                continue
            if batch:
                hands.write(batch)
                batch = []
            self._do(action, hands, tasks)
        if batch:
            hands.write(batch)

    def _do(self, action: Action, hands: Hands, tasks: asyncio.TaskGroup) -> None:
        match action:
            case Remember() | Forget():
                hands.write([action])
            case Send():
                hands.send(action)
            case Predict():
                hands.predict(action)
            case Tell():
                hands.tell(action)
            case ShareRoster():
                hands.share_roster(action)
            case MergeRoster():
                if changed := hands.merge_roster(action):
                    self.post(changed)
            case Consider():
                self.post(hands.consider(action))
            case MakePlan():
                self._start(tasks, f"plan/{action.batch}", hands.make_plan(action))
            case Denoise():
                self._start(tasks, action.work, hands.denoise(action))
            case Deliver():
                self._start(tasks, f"deliver/{action.request.id}", hands.deliver(action))
            case Halt():
                if work := self._works.get(action.work):
                    work.cancel()
            case Warn():
                log.warning("%s", action.text)
            case _:
                assert_never(action)

    def _start(self, tasks: asyncio.TaskGroup, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = tasks.create_task(work, name=name)
        self._works[name] = task
        task.add_done_callback(lambda done: self._works.pop(name, None) if self._works.get(name) is done else None)
