"""The promises about terms and requests, held against what every node's witness wrote, in the order of time.

    I1  a term is claimed once.             I2  an accepted term never falls, and is on disk before it is revealed.
    I3  a node obeys at most one leader.    I4  no command of another term than the accepted one is obeyed, or given.
    I7  no request is announced before it is on disk, and none is removed from there without an end.
    I8  at most one result a request.       I9  a member starts from what it noted: noise, its own steps, or a
                                                checkpoint that was announced for the very attempt of its plan.

Never here: reading (`testimony.py`), or what must come after healing (`healing.py`). That every request ends, in the
right picture (the other half of I7 and I9), is judged where it was asked (`judging.py`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.soak.testimony import Line

Term = tuple[int, str, str]
"""Counter, leader, boot."""
CHECKED = ("I1", "I2", "I3", "I4", "I7", "I8", "I9")
STRAYS_MAX = 20
"""Violations told of one reading; a broken rule repeats itself."""


@dataclass(slots=True)
class _Life:
    """One process of a node."""

    boot: str = ""
    term: Term | None = None
    role: str = ""
    claims: set[Term] = field(default_factory=set)
    leads: Term | None = None
    led_before: Term | None = None
    bound: dict[str, str] = field(default_factory=dict)
    offered: set[tuple[str, str, str, str]] = field(default_factory=set)


@dataclass(slots=True)
class _Node:
    id: str = ""
    on_disk: Term | None = None
    revealed: Term | None = None
    obeyed: Term | None = None
    kept: set[str] = field(default_factory=set)
    told: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    life: _Life = field(default_factory=_Life)


class Checker:
    """Hears all lines once, in order; `judged` counts what each invariant was held against."""

    def __init__(self) -> None:
        self.judged: dict[str, int] = dict.fromkeys(CHECKED, 0)
        self._claims: dict[Term, str] = {}
        self._results: dict[str, tuple[str, str]] = {}
        self._nodes: dict[str, _Node] = {}
        self._found: list[str] = []
        self._hear: dict[str, Callable[[str, _Node, Line], None]] = {
            "born": self._born,
            "turned": self._turned,
            "kept term": self._kept_term,
            "revealed": self._revealed,
            "obeyed": self._obeyed,
            "commanded": self._commanded,
            "kept request": self._kept_request,
            "closed request": self._closed_request,
            "announced": self._announced,
            "offered": self._offered,
            "bound": self._bound,
            "begun": self._begun,
            "told": self._told,
            "delivered": self._delivered,
        }

    def hear(self, lines: Iterable[Line]) -> list[str]:
        """What is wrong with them."""
        self._found = []
        for line in lines:
            if (hear := self._hear.get(line["is"])) is not None:
                hear(line["by"], self._nodes.setdefault(line["by"], _Node()), line)
        found = [*self._found[:STRAYS_MAX]]
        return found if len(self._found) <= STRAYS_MAX else [*found, f"and {len(self._found) - STRAYS_MAX} more"]

    def ended(self) -> list[str]:
        """What is wrong once all is over: who took a request from its disk also told its end, or has its result."""
        return [
            f"I7 {name} has closed {request}, and nobody heard of its end"
            for name, node in self._nodes.items()
            for request in sorted(node.closed - node.told.keys() - self._results.keys())
        ]

    def _judge(self, invariant: str, holds: bool, text: str) -> None:
        self.judged[invariant] += 1
        if not holds:
            self._found.append(f"{invariant} {text}")

    # ---- terms -----------------------------------------------------------------------------------------------------

    def _born(self, name: str, node: _Node, line: Line) -> None:
        node.id, node.life = line["node"], _Life(boot=line["boot"], term=_term(line["term"]))
        known = _greatest(node.revealed, node.obeyed)
        holds = known is None or (node.life.term is not None and node.life.term >= known)
        self._judge("I2", holds, f"{name} has forgotten {known}; it begins with {node.life.term}")

    def _turned(self, name: str, node: _Node, line: Line) -> None:
        life, term, role = node.life, _term(line["term"]), line["role"]
        self._judge("I2", _at_least(term, life.term), f"{name} fell from {life.term} to {term}")
        leader = line["leader"]
        self._judge("I3", leader is None or (term is not None and leader == term[1]), f"{name} follows {leader}")
        leads = term if role == "lead" else None
        if leads is not None and leads != life.leads:
            own = leads[1:] == (node.id, life.boot)
            holds = own and leads not in self._claims
            self._judge("I1", holds, f"{name} claims {leads} of {self._claims.get(leads)}")
            self._claims[leads] = name
            life.led_before = life.leads
        life.term, life.role, life.leads = term, role, leads

    def _kept_term(self, _: str, node: _Node, line: Line) -> None:
        node.on_disk = _term(line["term"])

    def _revealed(self, name: str, node: _Node, line: Line) -> None:
        term = _term(line["term"])
        self._judge("I2", _at_least(node.on_disk, term), f"{name} reveals {term}, its disk has {node.on_disk}")
        self._judge("I2", _at_least(term, node.revealed), f"{name} reveals {term} after {node.revealed}")
        node.revealed = _greatest(node.revealed, term)

    def _obeyed(self, name: str, node: _Node, line: Line) -> None:
        term, accepted, sender = _term(line["term"]), _term(line["accepted"]), line["sender"]
        assert term is not None
        self._judge("I3", sender == term[1], f"{name} obeys {sender} in {term}")
        self._judge("I4", term == accepted, f"{name} obeys {term}, and has accepted {accepted}")
        self._judge("I4", _at_least(term, node.obeyed), f"{name} obeys {term} after {node.obeyed}")
        self._judge("I4", term in self._claims, f"{name} obeys {term}, which nobody has claimed")
        node.obeyed = term

    def _commanded(self, name: str, node: _Node, line: Line) -> None:
        """What it ordered while it led may leave just after."""
        term, life = _term(line["term"]), node.life
        own = term is not None and term[1:] == (node.id, life.boot) and self._claims.get(term) == name
        self._judge("I4", own, f"{name} commands in {term}, and claims {life.leads}")

    # ---- requests --------------------------------------------------------------------------------------------------

    def _kept_request(self, _: str, node: _Node, line: Line) -> None:
        node.kept.add(line["request"])

    def _announced(self, name: str, node: _Node, line: Line) -> None:
        holds = line["request"] in node.kept
        self._judge("I7", holds, f"{name} announces {line['request']} before it is on disk")

    def _told(self, name: str, node: _Node, line: Line) -> None:
        """A later life may tell again what an earlier one told; never otherwise."""
        request, ending = line["request"], line["ending"]
        known = node.told.setdefault(request, ending)
        self._judge("I8", known == ending, f"{name} ends {request} as {known} and as {ending}")

    def _closed_request(self, name: str, node: _Node, line: Line) -> None:
        """It was there; that it has ended is seen later (`ended`), since its end is told in the same turn."""
        node.closed.add(line["request"])
        self._judge("I7", line["request"] in node.kept, f"{name} closes {line['request']}, which it never kept")

    def _delivered(self, name: str, node: _Node, line: Line) -> None:
        request, result = line["request"], (line["path"], line["pixels"])
        known = self._results.setdefault(request, result)
        self._judge("I8", known == result, f"{name} has two results of {request}: {known} and {result}")

    def _offered(self, _: str, node: _Node, line: Line) -> None:
        node.life.offered.add((line["request"], line["group"], str(line["attempt"]), line["digest"]))

    def _bound(self, _: str, node: _Node, line: Line) -> None:
        node.life.bound[line["request"]] = line["digest"]

    def _begun(self, name: str, node: _Node, line: Line) -> None:
        """After two tries that broke it begins from noise; all else is as it was noted."""
        request, start, life = line["request"], line["start"], node.life
        noted = life.bound.get(request)
        self._judge("I9", noted is not None, f"{name} starts {request} before it has noted from what")
        if start == "alone" or line["resumes"]:
            return
        self._judge("I9", noted == start, f"{name} starts {request} from {start}, and has noted {noted}")
        announced = (request, line["group"], str(line["attempt"]), start) in life.offered
        self._judge("I9", announced, f"{name} starts {request} from a checkpoint of another attempt")


def _term(plain: Any) -> Term | None:
    return None if plain is None else (int(plain[0]), str(plain[1]), str(plain[2]))


def _at_least(term: Term | None, known: Term | None) -> bool:
    return known is None or (term is not None and term >= known)


def _greatest(*terms: Term | None) -> Term | None:
    return max((term for term in terms if term is not None), default=None)
