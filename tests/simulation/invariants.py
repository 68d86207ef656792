"""What must hold of terms after every event, whatever is done to the world.

    I1  a term is claimed once.             I2  an accepted term never falls, and is on disk before it is revealed.
    I3  a node obeys at most one leader.    I4  no command of another term than the accepted one is accepted, or given.
    I11 who slept for long leads nobody before it has listened.
    I12 a node gives its leave to one candidate per interval, which only a better one may take over.
    I13 a candidate that gave its leave claims nothing for a while.

Never here: what must hold of requests (`requests`), or after healing (`settling`).
"""

from collections import Counter, deque
from collections.abc import Callable

from peerd_protocol.election import Role
from peerd_protocol.ids import NodeId, Term
from peerd_protocol.membership import rank_of
from peerd_protocol.messages import Heartbeat, Offer, PlanTold, Standby
from peerd_protocol.plan import GroupPlan
from tests.simulation.device import Device
from tests.simulation.process import Process

Command = Offer | PlanTold | Standby
SLEPT_INTERVALS, YIELDS_INTERVALS = 2.5, 0.5
"""What the rules promise, not what the code has."""
SLACK = 1e-6
RECENT = 16
"""Claims that a node might obey by mistake."""


class Violation(AssertionError):
    """An invariant broke. `invariant` is its name, the text says how."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant} {text}")
        self.invariant, self.text = invariant, text

    def __reduce__(self) -> tuple[type["Violation"], tuple[str, str]]:
        """As it is made, so that a process of a campaign can tell the others."""
        return Violation, (self.invariant, self.text)


class Terms:
    """`changes` counts passages between roles. `changed` is called whenever a node's role or term did."""

    def __init__(self) -> None:
        self.claims: dict[Term, NodeId] = {}
        self.changes: Counter[tuple[Role, Role]] = Counter()
        self.changed: Callable[[], None] = lambda: None
        self._recent: deque[Term] = deque(maxlen=RECENT)
        self._revealed: dict[NodeId, Term] = {}
        """What others may rely on; `_commanded` too."""
        self._commanded: dict[NodeId, Term] = {}

    def disk_lost(self, device: Device) -> None:
        self._revealed.pop(device.name, None)
        self._commanded.pop(device.name, None)

    def ended(self, device: Device) -> None:
        """A process died: what others may rely on must be on its disk."""
        for relied in (self._revealed.get(device.name), self._commanded.get(device.name)):
            if relied is not None and (device.disk.term is None or device.disk.term < relied):
                raise Violation("I2", f"{device.name} has forgotten {relied}; its disk has {device.disk.term}")

    def reveals(self, device: Device, heartbeat: Heartbeat) -> None:
        """A heartbeat leaves the device."""
        term, known = heartbeat.term, self._revealed.get(device.name)
        if term is None or term is known:
            return
        if device.disk.term is None or device.disk.term < term:
            raise Violation("I2", f"{device.name} reveals {term}, its disk has {device.disk.term}")
        if known is None or known < term:
            self._revealed[device.name] = term

    def commands(self, process: Process, command: Command) -> None:
        """A leader keeps nothing over a term, so all that it orders is of the one that it claims."""
        if (term := _term_of(command)) not in (process.led, process.led_before):
            raise Violation("I4", f"{process.device.name} commands in {term}, and claims {process.led}")

    def answers(self, process: Process, to: NodeId) -> None:
        """A node gives its leave to a candidate."""
        name, node, now_s = process.device.name, process.node, process.turned_s
        candidate = node._membership.known(to)
        assert candidate is not None, "who is not known gets no leave"
        rank = rank_of(to, candidate.profile)
        if process.leave is not None:
            given, given_s = process.leave
            since_s = (now_s - given_s) * process.device.rate
            if given[-1] != to and rank < given and since_s < node._election.interval_s - SLACK:
                raise Violation("I12", f"{name} gives its leave to {to} {since_s:.2f} s after {given[-1]}")
        process.leave = rank, now_s
        if node.role is Role.CANDIDATE:
            process.yielded = now_s, node._election.interval_s

    def accepted(self, process: Process, sender: NodeId, command: Command) -> None:
        """A command was not fenced."""
        name, term = process.device.name, _term_of(command)
        before = self._commanded.get(name)
        if self.claims.get(term) != sender:
            raise Violation("I4", f"{name} obeys {sender}, who never claimed {term}")
        if term != process.node.term or (before is not None and term < before):
            raise Violation("I4", f"{name} obeys {term} after {before}; it has accepted {process.node.term}")
        self._commanded[name] = term

    def turned(self, process: Process) -> None:
        """A node took a step."""
        node, name = process.node, process.device.name
        role, term = node._election.role, node._election.term
        if process.gap_s > SLEPT_INTERVALS * node._election.interval_s + SLACK and role is Role.LEAD:
            raise Violation("I11", f"{name} leads on after a sleep of {process.gap_s:.1f} s")
        seen = (role, term, len(self.claims))
        before, process.seen = process.seen, seen
        if seen == before:
            return
        if before is not None and before[0] is not role:
            self.changes[before[0], role] += 1
        revealed = self._revealed.get(name)
        if revealed is not None and (term is None or term < revealed):
            raise Violation("I2", f"{name} fell from {revealed} to {term}")
        self._check_yielding(process, role)
        led = term if role is Role.LEAD else None
        if led is not None and led != process.led:
            if led in self.claims or led.leader != name:
                raise Violation("I1", f"{name} claims {led} of {self.claims.get(led)}")
            self.claims[led] = name
            self._recent.append(led)
        process.led = led
        obeyed = [claim for claim in self._recent if node._election.obeys(claim.leader, claim)]
        if len(obeyed) > 1:
            raise Violation("I3", f"{name} obeys {obeyed}")
        if before is None or before[:2] != seen[:2]:
            self.changed()

    @staticmethod
    def _check_yielding(process: Process, role: Role) -> None:
        if process.yielded is None or role is Role.CANDIDATE:
            return
        yielded_s, interval_s = process.yielded
        since_s = (process.turned_s - yielded_s) * process.device.rate
        if role is Role.LEAD and since_s < YIELDS_INTERVALS * interval_s - SLACK:
            raise Violation("I13", f"{process.device.name} claims {since_s:.2f} s after it gave its leave to another")
        process.yielded = None


def _term_of(command: Command) -> Term:
    match command:
        case Offer(attempt=attempt) | PlanTold(plan=GroupPlan(attempt=attempt)) | Standby(offer=Offer(attempt=attempt)):
            return attempt.term
