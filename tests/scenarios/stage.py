"""The stage that stories are played on: whole nodes in a little world, and the time that passes between two lines.

Whatever the story, these hold after every moment: a term has one claimant, nobody's accepted term falls while its disk
is whole, and of a request at most one picture becomes visible. Never here: how a line is read (`language`), or what
it does (`deeds`) and asks (`facts`).
"""

from peerd_protocol.election import Role
from peerd_protocol.events import Asked, Event
from peerd_protocol.ids import BootNonce, NodeId, RequestId, Term
from peerd_protocol.notices import Failed, Finished
from peerd_protocol.plan import Request
from tests.protocol.little_world import TICK_S, LittleWorld, Place
from tests.scenarios.language import Kind, Line, When


class Stage:
    """A little world, and what its people asked for."""

    def __init__(self) -> None:
        self.world = LittleWorld()
        self.asked: dict[RequestId, str] = {}
        """What can still end: the request, and who asked."""
        self._claims: dict[Term, BootNonce] = {}
        self._terms: dict[NodeId, Term] = {}

    def play(self, line: Line) -> None:
        try:
            self._play(line)
        except AssertionError as error:
            raise AssertionError(f"line {line.number}: {line.text}\n{error}\n{self.seen()}") from None

    def _play(self, line: Line) -> None:
        ends_s = self.world.now_s + line.seconds - TICK_S / 2
        holds = line.when is When.FOR

        def is_true() -> bool:
            return line.sentence.does(self, *line.values) is True

        while self.world.now_s < ends_s and (line.when is When.AFTER or is_true() is holds):
            self.pass_time()
        if line.sentence.kind is Kind.DEED:
            line.sentence.does(self, *line.values)
        else:
            assert is_true(), "It is not so."

    def pass_time(self) -> None:
        """One tick, and what must hold after each."""
        self.world.run(TICK_S)
        for name, place in self.world.places.items():
            if not place.alive:
                continue
            term, before = place.node.term, self._terms.get(name)
            assert before is None or (term is not None and term >= before), f"{name} fell from {before} to {term}."
            if term is not None:
                self._terms[name] = term
                if place.node.role is Role.LEAD:
                    assert self._claims.setdefault(term, place.boot) == place.boot, f"{term} was claimed twice."
            for request, pictures in place.pictures.items():
                assert len(set(pictures)) == 1, f"{request} became visible more than once: {pictures}."

    def seen(self) -> str:
        """How it stands, for whoever looks for the reason."""
        lines = [f"After {self.world.now_s - 100.0:.1f} s:"]
        for name, place in self.world.places.items():
            state = "dead" if not place.alive else "asleep" if place.asleep else str(place.node.role)
            lines.append(f"  {name} is {state}, obeys {place.node.leader}, works on {list(place.works)}")
            lines += [f"    {request}: {notices[-1]}" for request, notices in place.notices.items()]
        return "\n".join(lines)

    # ---- what sentences do ----

    def ask(self, name: str, request: Request) -> None:
        """A person asks; the node has it on disk when the next line begins."""
        assert request.id not in self.asked, f"{request.id} was asked for before."
        self.tell(name, Asked(request))
        self.asked[request.id] = name

    def tell(self, name: str, event: Event) -> None:
        """Something happens to a node at this moment."""
        self.awake(name)
        self.world.tell(name, event)
        self.world.run(0.0)

    def forget(self, name: str) -> None:
        """The disk is gone, and with it what was promised on it."""
        self._terms.pop(NodeId(name), None)
        lost = [request for request, origin in self.asked.items() if origin == name and self.ending(request) is None]
        for request in lost:
            del self.asked[request]

    # ---- who is meant ----

    def living(self, name: str) -> Place:
        place = self.world[name]
        assert place.alive, f"{name} is dead."
        return place

    def dead(self, name: str) -> Place:
        place = self.world[name]
        assert not place.alive, f"{name} lives."
        return place

    def awake(self, name: str) -> Place:
        place = self.living(name)
        assert not place.asleep, f"{name} is asleep."
        return place

    def everyone(self) -> list[str]:
        return [str(name) for name, place in self.world.places.items() if place.alive and not place.asleep]

    def ending(self, request: str) -> Finished | Failed | None:
        """The last word about a request, if it has been spoken."""
        notices = self.world[self.asked[RequestId(request)]].notices.get(RequestId(request), [])
        endings = [notice for notice in notices if isinstance(notice, Finished | Failed)]
        assert len(endings) <= 1, f"{request} ended {len(endings)} times: {endings}"
        return endings[0] if endings else None

    def beginning(self, request: str) -> bytes:
        """What the picture of a request was begun with, as the little world's engine tells."""
        pictures = self.world[self.asked[RequestId(request)]].pictures.get(RequestId(request), [])
        return pictures[0].partition(b"->")[0] if pictures else b""

    def works(self, name: str, kind: str) -> bool:
        return any(work.startswith(kind) for work in self.awake(name).works)
