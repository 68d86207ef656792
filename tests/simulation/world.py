"""Devices, links and time put together, and what can happen to them: boot, crash, sleep, part.

Never here: when it happens (`faults`), or that the world settles afterwards (`settling`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from peerd_protocol import codec
from peerd_protocol.actions import Action, Forget, Remember, Send
from peerd_protocol.errors import PeerdError
from peerd_protocol.events import CacheChanged, Event, PeerClosed, PeerConnected, Profiled, Received
from peerd_protocol.ids import BootNonce, NodeId, Term
from peerd_protocol.messages import PROTOCOL_VERSION, AnyMessage, Heartbeat, Hello, PreclaimAnswer
from tests.simulation.clockwork import Clockwork
from tests.simulation.device import Device, Disk
from tests.simulation.hands import Hands
from tests.simulation.invariants import Command, Terms, Violation
from tests.simulation.links import Links
from tests.simulation.process import Process, Write
from tests.simulation.requests import Requests
from tests.simulation.telling import words

NOTICED_S_MAX = 0.6
"""Until a peer's refused re-dial is known."""
DIALLED_S_MAX = 1.0
BATTERY_S = 2.0
"""How often a device that is not plugged in looks at its battery."""


class World:
    """All that happens goes through here, so that `terms` and `requests` see it. `say` is for whoever reads along."""

    def __init__(self, seed: str, devices: Iterable[Device]) -> None:
        self.clockwork = Clockwork()
        self.links = Links(seed, self.clockwork, self._arrive)
        self.devices = {device.name: device for device in devices}
        self.processes: dict[NodeId, Process] = {}
        self.terms = Terms()
        self.requests = Requests(frozenset(name for name, device in self.devices.items() if device.temper.engine))
        self.steps = 0
        """So many were made by all engines."""
        self.say: Callable[[str], None] | None = None
        self.hands = Hands(seed, self.clockwork)
        self._boots = dict.fromkeys(self.devices, 0)
        for device in self.devices.values():
            self.clockwork.at(device.chance.uniform(0, BATTERY_S), self._drain, device)

    @property
    def now_s(self) -> float:
        return self.clockwork.now_s

    # ---- lives ----

    def boot(self, device: Device) -> None:
        """Start a process, unless there is one."""
        if device.name in self.processes:
            return
        self._boots[device.name] += 1
        self.tell(f"{device.name} boots")
        boot = BootNonce(f"{device.name[:16]}-{self._boots[device.name]:06}")
        device.asleep_until_s = 0.0
        process = self.processes[device.name] = Process(device, boot, self)
        self.requests.booted(device)
        process.start()
        if device.disk.kept:
            process.post(CacheChanged(device.disk.entries))
        for other in self.processes.values():
            if other is not process:
                self._dial(process, other.device)
                self._dial(other, device)

    def crash(self, device: Device, refuses: bool, loses_disk: bool = False) -> None:
        """The process ends now. `refuses`: its device lives on and refuses re-dials; else there is only silence."""
        process = self.processes.pop(device.name, None)
        if process is None:
            return
        process.end()
        self.tell(f"{device.name} dies" + (" and loses its disk" if loses_disk else ""))
        if loses_disk:
            device.disk = Disk()
            self.terms.disk_lost(device)
            self.requests.disk_lost(device)
        self.terms.ended(device)
        for other in self.processes.values():
            if refuses:
                self.clockwork.after(device.chance.uniform(0.01, NOTICED_S_MAX), self._notice, other, device)
        self.terms.changed()

    def sleep(self, device: Device, seconds: float) -> None:
        """The process stands still; what is sent to it waits."""
        device.asleep_until_s = self.now_s + seconds
        if (process := self.processes.get(device.name)) is not None:
            self.clockwork.at(device.asleep_until_s, process.go_on)

    def profiled(self, device: Device) -> None:
        """The device was measured again."""
        if (process := self.processes.get(device.name)) is not None:
            process.post(Profiled(device.profile()))

    def _drain(self, device: Device) -> None:
        battery = device.battery
        if not battery.mains and battery.drain_per_s:
            battery.charge -= BATTERY_S * battery.drain_per_s
            if battery.charge <= 0:
                self.crash(device, refuses=False)
                battery.charge, battery.mains = 0.1, True
                self.clockwork.after(BATTERY_S, self.boot, device)
            else:
                self.profiled(device)
        self.clockwork.after(BATTERY_S, self._drain, device)

    # ---- links ----

    def part(self, sides: Mapping[NodeId, int], deaf: frozenset[tuple[NodeId, NodeId]] = frozenset()) -> None:
        """Part the network into sides, and ears from mouths; some channels close, and those that can open again."""
        self.links.sides, self.links.deaf = dict(sides), deaf
        for one in self.processes.values():
            for other in self.processes.values():
                if one is other:
                    continue
                if self.links.connects(one.device.name, other.device.name):
                    self._dial(one, other.device)
                elif one.device.chance.random() < 0.5:
                    one.post(PeerClosed(other.device.name, False))

    def _dial(self, process: Process, other: Device) -> None:
        self.clockwork.after(process.device.chance.uniform(0.01, DIALLED_S_MAX), self._connect, process, other)

    def _connect(self, process: Process, other: Device) -> None:
        """A channel opens, and the other's first word on it is its hello."""
        peer = self.processes.get(other.name)
        if peer is None or not self.links.connects(process.device.name, other.name):
            return
        hello = Hello(version=PROTOCOL_VERSION, name=other.name, boot=peer.boot, control_port=1, bulk_port=2)
        process.greeted[other.name] = peer.boot
        process.post(PeerConnected(other.name))
        process.post(Received(other.name, hello))

    def _notice(self, process: Process, other: Device) -> None:
        if other.name not in self.processes and self.links.reaches(process.device.name, other.name):
            process.post(PeerClosed(other.name, True))

    def _arrive(self, to: NodeId, sender: NodeId, boot: BootNonce, message: AnyMessage) -> None:
        """Words of another life than the one that said hello last are dropped, as `sequence` has it."""
        process = self.processes.get(to)
        if process is not None and process.greeted.get(sender) == boot:
            process.post(Received(sender, message))

    # ---- what processes live in ----

    def disk_s(self, device: Device) -> float:
        return device.chance.uniform(0.0, self.links.weather.disk_s_max)

    def made(self, latent: bytes) -> None:
        self.steps += 1
        self.requests.made.add(latent)

    def heard(self, process: Process, sender: NodeId, message: AnyMessage, fenced: bool) -> None:
        if isinstance(message, Command) and not fenced:
            self.terms.accepted(process, sender, message)
        self.requests.heard(process, sender, message)

    def turned(self, process: Process, event: Event | None) -> None:
        before = process.led_before = process.led
        self.terms.turned(process)
        if process.led is not before and process.led != before:
            self.tell(f"{process.device.name} " + (f"claims {process.led}" if process.led else "leads no more"))
        if event is not None:
            self.requests.turned(event)

    def wrote(self, process: Process, batch: Collection[Write]) -> None:
        device = process.device
        for write in batch:
            if isinstance(write, Remember):
                device.disk.remember(write.key, write.value)
            elif isinstance(write, Forget):
                device.disk.memory.pop(write.key, None)
        self.requests.wrote(process, batch)
        if device.temper.tears:
            device.temper.tears = False
            self.crash(device, refuses=True)

    def do(self, process: Process, action: Action) -> None:
        if not isinstance(action, Send):
            if self.say is not None and (text := words(action)):
                self.tell(f"{process.device.name} {text}")
            self.requests.does(process, action)
            self.hands.do(process, action)
        elif isinstance(action.message, Heartbeat):
            self.terms.reveals(process.device, action.message)
            self.links.send(process.device.name, process.boot, action.to, action.message)
        else:
            self.requests.does(process, action)
            _check_frame(action.message)
            if isinstance(action.message, Command):
                self.terms.commands(process, action.message)
            elif isinstance(action.message, PreclaimAnswer) and action.message.granted:
                self.terms.answers(process, action.to)
            self.links.send(process.device.name, process.boot, action.to, action.message)

    def tell(self, text: str) -> None:
        if self.say is not None:
            self.say(f"{self.now_s:7.2f}  {text}")

    # ---- looking ----

    def leaders(self, side: int | None = None) -> list[Device]:
        """Devices that lead at the moment, on one side or anywhere."""
        sides = self.links.sides
        return [p.device for p in self.processes.values() if p.led and side in (None, sides.get(p.device.name))]

    def one_leader(self, side: int | None = None) -> Term | None:
        """The term that everyone on this side obeys, or None."""
        sides = self.links.sides
        members = [name for name in self.devices if side in (None, sides.get(name))]
        nodes = [self.processes[name].node if name in self.processes else None for name in members]
        terms = {node.term if node is not None and node.leader else None for node in nodes}
        return next(iter(terms)) if len(terms) == 1 and len(self.leaders(side)) == 1 else None


def _check_frame(message: AnyMessage) -> None:
    """Nothing is ever said that no peer would take."""
    try:
        codec.encode(message)
    except PeerdError as error:
        raise Violation("frame", f"{message} is no message: {error}") from error
