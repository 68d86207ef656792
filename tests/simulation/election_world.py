"""A world of devices in one thread, replayed from one seed: the shipped membership and election under every fault.

Devices have clocks that run fast or slow, disks that take their time, and links that lose, double, delay and reorder.
They crash with and without their disk, in the middle of a list of actions too, they sleep and starve, and the network
parts into sides or goes deaf in one direction. After every event the invariants are checked; then all heals and the
world must settle. Never here: requests and plans.

    I1  a term is claimed once.             I2  an accepted term never falls, and is on disk before it is revealed.
    I3  a node obeys at most one leader.    I4  no command of an older term is accepted.
    I5  every side has a leader soon.       I6  it has only one, which stays.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

import msgspec

from peerd_protocol.actions import Action, Remember, Send
from peerd_protocol.election import Election, Role
from peerd_protocol.ids import BootNonce, NodeId, Term
from peerd_protocol.membership import Membership
from peerd_protocol.messages import Fenced, Heartbeat, Preclaim, PreclaimAnswer, Resign
from peerd_protocol.profile import PowerClass, Profile
from peerd_protocol.terms import ACCEPTED_KEY
from peerd_protocol.timing import TICK_S_MAX

SKEW = 0.05
"""How much faster or slower a device's clock may run."""


class Violation(AssertionError):
    """An invariant broke; the text names it and the seed that shows it."""


@dataclass(frozen=True, slots=True)
class Command:
    """Stands for every fenced message of a leader."""

    term: Term


Said = Heartbeat | Preclaim | PreclaimAnswer | Resign | Fenced | Command


@dataclass(eq=False, slots=True)
class Process:
    """One life of a device."""

    boot: BootNonce
    membership: Membership
    election: Election
    busy_until_s: float = 0.0
    """When everything it has remembered so far is on disk; what it does later is done after that."""
    led: Term | None = None


@dataclass(eq=False, slots=True)
class Device:
    """What outlives a process: a disk, a clock, a battery. `revealed` and `commanded` are what others may rely on."""

    name: NodeId
    rate: float
    interval_s: float
    profile: Profile
    disk: dict[str, bytes] = field(default_factory=dict)
    process: Process | None = None
    asleep_until_s: float = 0.0
    unread: list[tuple[NodeId, Said]] = field(default_factory=list)
    revealed: Term | None = None
    commanded: Term | None = None

    @property
    def disk_term(self) -> Term | None:
        raw = self.disk.get(ACCEPTED_KEY)
        return None if raw is None else msgspec.json.decode(raw, type=Term)


@dataclass(slots=True)
class Weather:
    """How the links behave at the moment."""

    loss: float = 0.0
    doubling: float = 0.0
    reordering: float = 0.0
    delay_s_max: float = 0.02
    disk_s_max: float = 0.02


class World:
    """Devices, links and time. `faults` counts what was done to them; `changes` counts passages between roles."""

    def __init__(self, seed: int, nodes: int, mixed: bool = True) -> None:
        self.seed, self.random, self.now_s = seed, Random(f"{seed}/{nodes}"), 0.0
        self.weather = Weather()
        self.sides: dict[NodeId, int] = {}
        self.deaf: set[tuple[NodeId, NodeId]] = set()
        self.claims: dict[Term, NodeId] = {}
        self.recent_claims: deque[Term] = deque(maxlen=16)
        self.faults: Counter[str] = Counter()
        self.changes: Counter[tuple[Role, Role]] = Counter()
        self.events = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self.devices = {name: self._device(name, mixed) for name in (NodeId(f"n{i:02}") for i in range(nodes))}

    def _device(self, name: NodeId, mixed: bool) -> Device:
        rate = 1 + self.random.uniform(-SKEW, SKEW)
        interval_s = self.random.choice((0.5, 1.0, 1.0)) if mixed else 1.0
        return Device(name, rate, interval_s, self.profile(mixed))

    def profile(self, mixed: bool = True) -> Profile:
        """A device's measurements, drawn anew."""
        power = self.random.choice(tuple(PowerClass)) if mixed else PowerClass.MAINS
        return Profile(model="toy", power=power, steps_per_second=self.random.choice((0.5, 2.0, 9.0)))

    # ---- time ----

    def at(self, time_s: float, what: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (time_s, self._order, what))

    def run(self, until_s: float, after_each: Callable[[], None] | None = None) -> None:
        """Let everything happen that is due before `until_s`."""
        while self._queue and self._queue[0][0] <= until_s:
            self.now_s, _, what = heapq.heappop(self._queue)
            what()
            self.events += 1
            if after_each is not None:
                after_each()
        self.now_s = until_s

    def clock_s(self, device: Device) -> float:
        """The device's boot-time clock: it counts through sleep."""
        return 1000.0 + self.now_s * device.rate

    # ---- lives ----

    def boot(self, device: Device) -> None:
        assert device.process is None
        boot = BootNonce(f"{self.random.getrandbits(64):016x}")
        election = Election(device.name, boot, dict(device.disk), device.interval_s, self.clock_s(device))
        device.process = Process(boot, Membership(device.name), election)
        device.unread.clear()
        self._tick(device, device.process)
        for other in self.devices.values():
            if other is not device and other.process is not None:
                self._dial(device, other)
                self._dial(other, device)

    def crash(self, device: Device, refuses: bool, loses_disk: bool) -> None:
        """The process ends now. `refuses`: its device lives on and refuses re-dials; else there is only silence."""
        assert device.process is not None
        device.process, device.asleep_until_s = None, 0.0
        if loses_disk:
            device.disk, device.revealed, device.commanded = {}, None, None
        self._check_disk(device)
        for other in self.devices.values():
            if refuses and other is not device and other.process is not None:
                self.at(self.now_s + self.random.uniform(0.01, 0.6), self._notices(other, device, other.process))

    def sleep(self, device: Device, seconds: float) -> None:
        """The process stands still; what is sent to it waits."""
        process = device.process
        device.asleep_until_s = self.now_s + seconds

        def wake() -> None:
            if device.process is process and process is not None and self.now_s >= device.asleep_until_s:
                self._turn(device, process)
                for sender, message in _emptied(device.unread):
                    self._hear(device, process, sender, message)

        self.at(device.asleep_until_s, wake)

    def _tick(self, device: Device, process: Process) -> None:
        if device.process is not process:
            return
        if self.now_s >= device.asleep_until_s:
            self._turn(device, process)
        wait_s = TICK_S_MAX / device.rate * self.random.uniform(0.9, 1.0)
        self.at(self.now_s + wait_s, lambda: self._tick(device, process))

    def _turn(self, device: Device, process: Process) -> None:
        clock_s = self.clock_s(device)
        process.membership.ticked(clock_s, process.election.interval_s)
        before = process.election.role
        self._perform(device, process, process.election.ticked(clock_s, process.membership, device.profile), before)

    # ---- links ----

    def reaches(self, sender: NodeId, to: NodeId) -> bool:
        return self.sides.get(sender) == self.sides.get(to) and (sender, to) not in self.deaf

    def part(self, sides: dict[NodeId, int]) -> None:
        """Part the network into sides; channels across may close, and those within open again."""
        self.sides = sides
        for a in self.devices.values():
            for b in self.devices.values():
                if a is b or a.process is None or b.process is None:
                    continue
                if self.reaches(a.name, b.name):
                    self._dial(a, b)
                elif self.random.random() < 0.5:
                    a.process.membership.closed(b.name, False, self.clock_s(a))

    def _dial(self, device: Device, other: Device) -> None:
        process = device.process

        def connect() -> None:
            alive = process is not None and device.process is process and other.process is not None
            if alive and process is not None and self.reaches(device.name, other.name):
                process.membership.connected(other.name, self.clock_s(device))

        self.at(self.now_s + self.random.uniform(0.01, 1.0), connect)

    def _notices(self, device: Device, other: Device, process: Process) -> Callable[[], None]:
        def notice() -> None:
            if device.process is process and other.process is None and self.reaches(device.name, other.name):
                process.membership.closed(other.name, True, self.clock_s(device))

        return notice

    def _send(self, sender: NodeId, to: NodeId, message: Said) -> None:
        weather = self.weather
        for _ in range(2 if self.random.random() < weather.doubling else 1):
            if self.random.random() < weather.loss or not self.reaches(sender, to):
                continue
            delay_s = self.random.uniform(0.001, weather.delay_s_max)
            if self.random.random() < weather.reordering:
                delay_s += self.random.uniform(0.0, 2.0)
            self.at(self.now_s + delay_s, lambda: self._arrive(self.devices[to], sender, message))

    def _arrive(self, device: Device, sender: NodeId, message: Said) -> None:
        if device.process is None:
            return
        if self.now_s < device.asleep_until_s:
            device.unread.append((sender, message))
        else:
            self._hear(device, device.process, sender, message)

    def _hear(self, device: Device, process: Process, sender: NodeId, message: Said) -> None:
        clock_s, election, membership = self.clock_s(device), process.election, process.membership
        if isinstance(message, Command):
            if election.obeys(sender, message.term):
                self._later(device, process, lambda: self._obey(device, sender, message.term))
            else:
                self._later(device, process, lambda: self._send(device.name, sender, election.fenced()))
            return
        if isinstance(message, Heartbeat) and not membership.heard(sender, message, clock_s):
            return
        before = election.role
        self._perform(device, process, election.received(sender, message, clock_s, membership), before)

    # ---- actions, in order ----

    def _later(self, device: Device, process: Process, what: Callable[[], None]) -> None:
        """Once all that was remembered before is on disk; never, if the process dies first."""
        if process.busy_until_s <= self.now_s:
            what()
        else:
            self.at(process.busy_until_s, lambda: what() if device.process is process else None)

    def _perform(self, device: Device, process: Process, actions: list[Action], before: Role) -> None:
        for action in actions:
            match action:
                case Remember(key, value):
                    took_s = self.random.uniform(0.0, self.weather.disk_s_max)
                    process.busy_until_s = max(process.busy_until_s, self.now_s) + took_s
                    self._later(device, process, _writing(device, key, value))
                case Send(to, message):
                    assert isinstance(message, Heartbeat | Preclaim | PreclaimAnswer | Resign | Fenced)
                    self._later(device, process, self._revealing(device, to, message))
                case _:
                    raise AssertionError(f"election has no business with {action}")
        self._check(device, process, before)

    def _revealing(self, device: Device, to: NodeId, message: Said) -> Callable[[], None]:
        def reveal() -> None:
            if isinstance(message, Heartbeat) and message.term is not None:
                if device.disk_term is None or device.disk_term < message.term:
                    self.fail(f"I2 {device.name} reveals {message.term}, its disk has {device.disk_term}")
                device.revealed = max(message.term, device.revealed or message.term)
            self._send(device.name, to, message)

        return reveal

    def command(self) -> None:
        """Every leader orders a random device about."""
        for device in self.devices.values():
            process = device.process
            if process is not None and process.led is not None and self.now_s >= device.asleep_until_s:
                to, term = self.random.choice(list(self.devices)), process.led
                if to != device.name:
                    self._later(device, process, partial(self._send, device.name, to, Command(term)))

    # ---- invariants ----

    def _obey(self, device: Device, sender: NodeId, term: Term) -> None:
        if self.claims.get(term) != sender:
            self.fail(f"I4 {device.name} obeys {sender}, who never claimed {term}")
        if device.commanded is not None and term < device.commanded:
            self.fail(f"I4 {device.name} obeys {term} after {device.commanded}")
        device.commanded = term

    def _check_disk(self, device: Device) -> None:
        for relied in (device.revealed, device.commanded):
            if relied is not None and (device.disk_term is None or device.disk_term < relied):
                self.fail(f"I2 {device.name} has forgotten {relied}; its disk has {device.disk_term}")

    def _check(self, device: Device, process: Process, before: Role) -> None:
        election = process.election
        if election.role is not before:
            self.changes[before, election.role] += 1
        if election.term is not None and device.revealed is not None and election.term < device.revealed:
            self.fail(f"I2 {device.name} fell from {device.revealed} to {election.term}")
        led = election.term if election.role is Role.LEAD else None
        if led is not None and led != process.led:
            if led in self.claims or led.leader != device.name:
                self.fail(f"I1 {device.name} claims {led} of {self.claims.get(led)}")
            self.claims[led] = device.name
            self.recent_claims.append(led)
        process.led = led
        obeyed = [claim for claim in self.recent_claims if election.obeys(claim.leader, claim)]
        if len(obeyed) > 1:
            self.fail(f"I3 {device.name} obeys {obeyed}")

    def fail(self, text: str) -> None:
        raise Violation(f"{text} (seed {self.seed}, {len(self.devices)} nodes, {self.now_s:.2f} s)")

    # ---- looking ----

    def leaders(self, side: int | None = None) -> list[Device]:
        """Devices that lead at the moment, on one side or anywhere."""
        return [
            d for d in self.devices.values() if d.process and d.process.led and side in (None, self.sides.get(d.name))
        ]

    def one_leader(self, side: int | None = None) -> Term | None:
        """The term that everyone on this side obeys, or None."""
        members = [d for d in self.devices.values() if side in (None, self.sides.get(d.name))]
        terms = {d.process.election.term if d.process and d.process.election.leader else None for d in members}
        return next(iter(terms)) if len(terms) == 1 and len(self.leaders(side)) == 1 else None


def _writing(device: Device, key: str, value: bytes) -> Callable[[], None]:
    def write() -> None:
        device.disk[key] = value

    return write


def _emptied(unread: list[tuple[NodeId, Said]]) -> list[tuple[NodeId, Said]]:
    taken = list(unread)
    unread.clear()
    return taken
