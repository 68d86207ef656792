"""The loop: events in, actions out, carried out in order.

Here lives the clock of the daemon, and the tasks that long actions run in. Whatever happens becomes an event;
`Node.step` answers with actions; `Hands` carry them out. What is to be remembered, and what a plan promises, is on
disk before anything that follows it.

A hand that fails as nobody foresaw fails alone: the traceback is logged, and the node hears that this action failed,
as it would of a broken engine. Two defects still end the daemon, since nothing true could be told of them: one in
`Node.step`, and a write that fails otherwise than by a full disk.

A full disk owes those writes. While it does, this node says nothing to peers, who go on without it as if it were
away, and runs nothing; its own people hear why. Never here: a rule of the protocol, or how one action is done.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, assert_never

from peerd.inbox import Inbox
from peerd.state_file import NoRoomError
from peerd_protocol.actions import (
    Action,
    Consider,
    Deliver,
    Denoise,
    Forget,
    Halt,
    Keep,
    MakePlan,
    MergeRoster,
    Predict,
    Recall,
    Remember,
    Send,
    ShareRoster,
    Tell,
    Warn,
)
from peerd_protocol.errors import LocalError
from peerd_protocol.events import Considered, DeliveryFailed, Event, Leaving, Planned, Ticked, WorkFailed
from peerd_protocol.node import Node

log = logging.getLogger("peerd.runtime")

TICK_S = 0.1
"""The coarsest clock that the election's stagger of 0.25 s bears; an idle daemon stays below 1 % of a core with it."""
DISK_RETRY_S = 0.5
"""Between two tries of a disk that was full."""
BUG = "a bug of peerd"
"""Whose fault it is, in logs and reasons; no story with real daemons ends well if one of them logged this."""


def boot_time_s() -> float:
    """A clock that goes on while the machine sleeps, so that a sleeper knows it has slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


Write = Remember | Forget | Predict


class Hands(Protocol):
    """How actions are carried out. The short ones return at once; the long ones run as tasks and post their result."""

    def write(self, batch: list[Write]) -> None:
        """Make the whole batch durable. Raises NoRoomError when the disk is full, and then nothing of it is."""
        ...

    def send(self, action: Send) -> None: ...
    def tell(self, action: Tell) -> None: ...
    def share_roster(self, action: ShareRoster) -> None: ...
    def merge_roster(self, action: MergeRoster) -> Event | None: ...
    def consider(self, action: Consider) -> Event: ...
    async def make_plan(self, action: MakePlan) -> None: ...
    async def denoise(self, action: Denoise) -> None: ...
    async def keep(self, action: Keep) -> None: ...
    async def recall(self, action: Recall) -> None: ...
    async def deliver(self, action: Deliver) -> None: ...


class Runtime:
    """Drives one node. `post` may be called from anywhere in the loop's thread."""

    def __init__(self, node: Node, onlooker: Callable[[Event, Sequence[Action]], None] = lambda event, actions: None):
        """`onlooker` is shown each event but time, with what the node does about it, before it is done."""
        self.node, self._onlooker = node, onlooker
        self._inbox = Inbox()
        self._works: dict[str, asyncio.Task[None]] = {}
        self._owed: list[Write] = []
        self._refused = ""
        """The disk's sentence while anything is owed."""
        self._retry_s = 0.0
        self._stopping = asyncio.Event()

    @property
    def dropped_messages(self) -> int:
        """Messages of peers that were lost because too many of them waited."""
        return self._inbox.dropped_messages

    def post(self, event: Event) -> None:
        """Something happened. Never blocks; only messages of peers may be lost (`inbox`)."""
        self._inbox.put(event)

    def stop(self) -> None:
        """Say goodbye and end `run`."""
        self._stopping.set()
        self.post(Leaving())

    async def run(self, hands: Hands) -> None:
        """The loop. Ends after `stop`; every task it started has ended by then."""
        async with asyncio.TaskGroup() as tasks:
            while not (self._stopping.is_set() and self._inbox.empty):
                event = await self._inbox.take(TICK_S)
                actions = self.node.step(Ticked(boot_time_s()))
                if event is not None:
                    moves = self.node.step(event)
                    self._onlooker(event, moves)
                    actions += moves
                self._perform(actions, hands, tasks)
            for work in list(self._works.values()):
                work.cancel()

    def _perform(self, actions: list[Action], hands: Hands, tasks: asyncio.TaskGroup) -> None:
        batch: list[Write] = []
        if self._refused and boot_time_s() >= self._retry_s:
            self._write([], hands)
        for action in actions:
            if isinstance(action, Write):
                batch.append(action)
                continue
            if batch:
                self._write(batch, hands)
                batch = []
            try:
                if self._refused:
                    self._do_without_disk(action, hands, tasks)
                else:
                    self._do(action, hands, tasks)
            except Exception as error:
                self._went_wrong(action, error)
        if batch:
            self._write(batch, hands)

    def _write(self, batch: list[Write], hands: Hands) -> None:
        """Everything that is owed, and then the batch; or all of it is owed."""
        self._owed = _without_outdated([*self._owed, *batch])
        try:
            hands.write(self._owed)
        except NoRoomError as error:
            if not self._refused:
                log.error("this node is silent until its disk takes something again: %s", error)
            self._refused, self._retry_s = str(error), boot_time_s() + DISK_RETRY_S
        else:
            if self._refused:
                log.info("the disk takes something again")
            self._owed, self._refused = [], ""

    def _do_without_disk(self, action: Action, hands: Hands, tasks: asyncio.TaskGroup) -> None:
        """Nothing that follows an owed write may leave or start."""
        match action:
            case Send() | ShareRoster() | MergeRoster() | Keep() | Denoise() | Recall() | Deliver():
                self._give_up(action, self._refused)  # peers say again what they need to
            case _:
                self._do(action, hands, tasks)

    def _do(self, action: Action, hands: Hands, tasks: asyncio.TaskGroup) -> None:
        match action:
            case Remember() | Forget() | Predict():
                self._write([action], hands)
            case Send():
                hands.send(action)
            case Tell():
                hands.tell(action)
            case ShareRoster():
                hands.share_roster(action)
            case MergeRoster():
                try:
                    changed = hands.merge_roster(action)
                except LocalError as error:
                    log.warning("what a peer shared of the roster is not kept: %s", error)  # it shares it again
                else:
                    if changed:
                        self.post(changed)
            case Consider():
                self.post(hands.consider(action))
            case MakePlan():
                self._start(tasks, f"plan/{action.batch}", action, hands.make_plan(action))
            case Denoise():
                self._start(tasks, action.work, action, hands.denoise(action))
            case Keep():
                self._start(tasks, f"keep/{action.entry.digest}", action, hands.keep(action))
            case Recall():
                self._start(tasks, action.work, action, hands.recall(action))
            case Deliver():
                self._start(tasks, f"deliver/{action.request.id}", action, hands.deliver(action))
            case Halt():
                if work := self._works.get(action.work):
                    work.cancel()
            case Warn():
                log.warning("%s", action.text)
            case _:
                assert_never(action)

    def _start(self, tasks: asyncio.TaskGroup, name: str, action: Action, work: Coroutine[Any, Any, None]) -> None:
        task = tasks.create_task(self._to_its_end(action, work), name=name)
        self._works[name] = task
        task.add_done_callback(lambda done: self._works.pop(name, None) if self._works.get(name) is done else None)

    async def _to_its_end(self, action: Action, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self._went_wrong(action, error)

    def _went_wrong(self, action: Action, error: Exception) -> None:
        """Nobody foresaw this, so it is a bug of ours: it is told loudly, and ends this action alone."""
        log.error("%s failed by %s; please report it with what follows", type(action).__name__, BUG, exc_info=error)
        # Only its kind is told: the text of an error may hold words of somebody else's prompt.
        self._give_up(action, f"{BUG} ({type(error).__name__}); the log of that device says more")

    def _give_up(self, action: Action, reason: str) -> None:
        if (event := failure_of(action, reason)) is not None:
            self.post(event)


def looked_after(task: "asyncio.Task[None]") -> "asyncio.Task[None]":
    """A task beside the loop: if a bug of ours ends it, that is told loudly, and the daemon goes on without it."""
    task.add_done_callback(_tell_bug)
    return task


def _tell_bug(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        name = task.get_name()
        log.error("%s ended by %s; please report it with what follows", name, BUG, exc_info=error)


def failure_of(action: Action, reason: str) -> Event | None:
    """What the node hears of an action that could not be done; nothing of one whose result nobody waits for."""
    match action:
        case MakePlan():
            return Planned(action.batch, (), tuple((request.id, reason) for request in action.requests))
        case Denoise() | Recall():
            return WorkFailed(action.work, reason)
        case Deliver():
            return DeliveryFailed(action.request.id, reason)
        case Consider():
            return Considered(action.offer.group, action.offer.attempt, False, reason)
        case _:
            return None


def _without_outdated(owed: list[Write]) -> list[Write]:
    """Of several writes to one place the last, so that what is owed does not grow with time."""
    latest: dict[tuple[str, str], Write] = {}
    for write in owed:
        place = ("plan", str(write.plan.group)) if isinstance(write, Predict) else ("memory", write.key)
        latest.pop(place, None)
        latest[place] = write
    return list(latest.values())
