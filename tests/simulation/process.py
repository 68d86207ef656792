"""One life of a node: events wait their turn, actions are carried out in order, and a write takes its time.

This is the daemon's loop on simulated time: every event is preceded by a tick, and nothing that follows a write is
done, nor another event looked at, before the write is on disk. Never here: what the world does with an action.
"""

from collections import deque
from collections.abc import Callable, Collection
from typing import Protocol

from peerd_protocol.actions import Action, Forget, Predict, Remember, Send
from peerd_protocol.election import Role
from peerd_protocol.events import Event, Ticked
from peerd_protocol.ids import BootNonce, NodeId, RequestId, Term
from peerd_protocol.membership import Rank
from peerd_protocol.messages import AnyMessage, Fenced, Heartbeat
from peerd_protocol.node import Moves, Node
from peerd_protocol.timing import TICK_S_MAX
from tests.simulation.clockwork import Clockwork
from tests.simulation.device import Device
from tests.simulation.engine import Engine

Write = Remember | Forget | Predict


class World(Protocol):
    """What a process lives in. `heard`, `turns` and `wrote` may raise `Violation`."""

    clockwork: Clockwork

    def disk_s(self, device: Device) -> float: ...
    def made(self, latent: bytes) -> None: ...
    def do(self, process: "Process", action: Action) -> None: ...
    def heard(self, process: "Process", sender: NodeId, message: AnyMessage, fenced: bool) -> None: ...
    def turned(self, process: "Process", event: Event | None) -> None: ...
    def wrote(self, process: "Process", batch: Collection[Write]) -> None: ...


class WatchedNode(Node):
    """The shipped node, with a window on what it hears, from itself too."""

    hear: Callable[[NodeId, AnyMessage, bool], None]

    def _receive(self, sender: NodeId, message: AnyMessage) -> Moves:
        if isinstance(message, Heartbeat):
            return super()._receive(sender, message)
        listens = sender == self.me or self._handshakes.hears(sender)
        moves = list(super()._receive(sender, message))
        if listens:
            fenced = any(isinstance(move, Send) and isinstance(move.message, Fenced) for move in moves)
            self.hear(sender, message, fenced)
        return moves


class Process:
    """What ends with a crash. `led` is the term that it claims at the moment."""

    def __init__(self, device: Device, boot: BootNonce, world: World) -> None:
        self.device, self.boot, self.dead = device, boot, False
        self.led: Term | None = None
        self.led_before: Term | None = None
        """What it claimed before its last turn."""
        self.seen: tuple[Role, Term | None, int] | None = None
        """Role, term and the number of claims as they were last looked at."""
        self.gap_s = 0.0
        """How long, by its own clock, it had no turn before the last one."""
        self.leave: tuple[Rank, float] | None = None
        """Whom it gave its leave to lead last, and when."""
        self.yielded: tuple[float, float] | None = None
        """When it gave its leave as a candidate, and its interval then, if it is the same candidate still."""
        self.greeted: dict[NodeId, BootNonce] = {}
        """Which life of each peer said hello last."""
        self.delivering: set[RequestId] = set()
        self._world, self._clockwork = world, world.clockwork
        self._inbox: deque[Event] = deque()
        self._todo: deque[Action] = deque()
        self._writing = self._going = False
        self.turned_s = self._clockwork.now_s
        self.engine = Engine(device, self._clockwork, self.post, world.made)
        recalled = dict(device.disk.memory)
        self.node = WatchedNode(device.name, boot, recalled, device.profile(), device.interval_s, self.clock_s())
        self.node.hear = lambda sender, message, fenced: world.heard(self, sender, message, fenced)

    def clock_s(self) -> float:
        """The device's boot-time clock: it counts through sleep."""
        return 1000.0 + self._clockwork.now_s * self.device.rate

    def start(self) -> None:
        self._turn(None)
        self.go_on()
        self._tick()

    def post(self, event: Event) -> None:
        """Something happened; it is looked at as soon as the node has time."""
        if not self.dead:
            self._inbox.append(event)
            self.go_on()

    def go_on(self) -> None:
        """Do what is to be done, and look at what happened, unless this process stands still or waits for its disk."""
        if self._going:
            return  # what an action led to at once waits until the actions before it are done
        self._going = True
        todo, inbox = self._todo, self._inbox
        while (todo or inbox) and not (self.dead or self._writing or self._stands_still()):
            if todo:
                self._do_next()
            else:
                self._turn(inbox.popleft())
        self._going = False

    def end(self) -> None:
        self.dead = self.engine.dead = True

    # ---- turns ----

    def _stands_still(self) -> bool:
        return self._clockwork.now_s < self.device.asleep_until_s

    def _tick(self) -> None:
        """A turn without an event, where none came for so long."""
        if self.dead:
            return
        now_s, wait_s = self._clockwork.now_s, TICK_S_MAX / self.device.rate
        if now_s < self.turned_s + 0.99 * wait_s:
            self._clockwork.at(self.turned_s + wait_s, self._tick)
            return
        if not (self._writing or self._stands_still()):
            self._turn(None)
            if self._todo or self._inbox:
                self.go_on()
        self._clockwork.after(wait_s, self._tick)

    def _turn(self, event: Event | None) -> None:
        now_s = self._clockwork.now_s
        self.gap_s, self.turned_s = (now_s - self.turned_s) * self.device.rate, now_s
        actions = self.node.step(Ticked(self.clock_s()))
        if event is not None:
            actions += self.node.step(event)
        self._todo.extend(actions)
        self._world.turned(self, event)

    # ---- actions, in order ----

    def _do_next(self) -> None:
        action = self._todo.popleft()
        if not isinstance(action, Write):
            self._world.do(self, action)
            return
        batch: list[Write] = [action]
        while self._todo and isinstance(self._todo[0], Write):
            batch.append(self._todo.popleft())  # type: ignore[arg-type]
        self._writing = True
        self._clockwork.after(self._world.disk_s(self.device), self._written, batch)

    def _written(self, batch: list[Write]) -> None:
        """The batch is on disk, and what follows it may be done; if this process lives to do it."""
        if not self.dead:
            self._writing = False
            self._world.wrote(self, batch)
            self.go_on()
