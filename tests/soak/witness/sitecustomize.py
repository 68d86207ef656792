"""Writes down what a daemon claims, obeys, reveals, puts on disk, binds and delivers: one line of JSON each, with the
boot-time clock, which all processes of a machine share.

Put this folder on a daemon's PYTHONPATH and name a file in WITNESS_TO. What a full disk refuses is kept and written
later, so that a witness needs more memory and loses nothing, unless it is killed meanwhile. Never here: whether any of
it was right (`tests/soak/checker.py`).
"""

import hashlib
import json
import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from bent_clock import bend

OWED_MAX = 100_000
"""Lines that wait for the disk: minutes of the liveliest cluster."""
TERM_KEY = "term/accepted"
STALL_S = 0.5
"""A loop that turns ten times a second, or a write that takes milliseconds, was held up by then."""


class Pen:
    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file = -1
        self._owed: deque[bytes] = deque([b"\n"], maxlen=OWED_MAX)
        """An earlier life may have been killed in the middle of a line."""

    def write(self, what: str, **told: Any) -> None:
        line = {"t": time.clock_gettime(time.CLOCK_BOOTTIME), "is": what, **told}
        self._owed.append(json.dumps(line).encode() + b"\n")
        self.flush()

    def flush(self) -> None:
        try:
            if self._file < 0:
                self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            while self._owed:
                os.write(self._file, self._owed[0])
                self._owed.popleft()
        except OSError:
            pass


def _plain(term: Any) -> list[Any] | None:
    return None if term is None else [term.counter, term.leader, term.boot]


def _term_of(command: Any) -> Any:
    """Offer, PlanTold and Standby each name an attempt somewhere."""
    for name in ("plan", "offer"):
        command = getattr(command, name, command)
    return command.attempt.term


def _watch_node(pen: Pen) -> None:
    from peerd_protocol.actions import Send
    from peerd_protocol.events import Delivered, PeerClosed, PeerConnected
    from peerd_protocol.messages import Fenced, HandoffBegin, Offer, PlanTold, Standby
    from peerd_protocol.node import Node

    begin, step, receive = Node.__init__, Node.step, Node._receive
    seen: dict[str, Any] = {"state": None, "living": frozenset(), "turn": (time.monotonic(), time.process_time())}

    def born(self: Any, me: Any, boot: Any, recalled: Any, *more: Any) -> None:
        begin(self, me, boot, recalled, *more)
        seen["turn"] = (time.monotonic(), time.process_time())
        pen.write("born", node=me, boot=boot, term=_plain(self.term))

    def look(self: Any, event: Any) -> Any:
        before, seen["turn"] = seen["turn"], (time.monotonic(), time.process_time())
        gap_s, worked_s = (now - then for now, then in zip(seen["turn"], before, strict=True))
        if gap_s > STALL_S:
            pen.write("stalled", seconds=round(gap_s, 2), worked_s=round(worked_s, 2))
        actions = step(self, event)
        state = (self.role, self.term)
        if state != seen["state"]:
            seen["state"] = state
            pen.write("turned", role=str(self.role), term=_plain(self.term), leader=self.leader)
        if self._living is not seen["living"]:
            living, before = self._living, seen["living"]
            seen["living"] = living
            for peer in sorted(before - living):
                known = self._membership.known(peer)
                ended = None if known is None or known.ended is None else str(known.ended)
                pen.write("lost", peer=peer, cause=ended or "silence")
            for peer in sorted(living - before):
                pen.write("found", peer=peer)
        match event:
            case PeerConnected(peer):
                pen.write("connected", peer=peer)
            case PeerClosed(peer, refused):
                pen.write("closed", peer=peer, refused=refused)
            case Delivered(request, path, pixels):
                pen.write("delivered", request=request, path=path, pixels=pixels)
        pen.flush()
        return actions

    def hear(self: Any, sender: Any, message: Any) -> Any:
        listens = sender == self.me or self._handshakes.hears(sender)
        moves = list(receive(self, sender, message))
        if listens and isinstance(message, Offer | PlanTold | Standby):
            if not any(isinstance(move, Send) and isinstance(move.message, Fenced) for move in moves):
                pen.write("obeyed", sender=sender, term=_plain(_term_of(message)), accepted=_plain(self.term))
        elif listens and isinstance(message, HandoffBegin) and message.what == "checkpoint":
            attempt = [_plain(message.attempt.term), message.attempt.number]
            told = {"group": message.group, "attempt": attempt, "digest": message.digest.hex()}
            pen.write("offered", request=message.request, **told)
        return moves

    Node.__init__, Node.step, Node._receive = born, look, hear  # type: ignore[assignment,method-assign]


def _watch_hands(pen: Pen) -> None:
    """What is really done: nothing of it is, while a disk owes a write."""
    from peerd.hands import DaemonHands
    from peerd.runtime import Runtime
    from peerd_protocol.actions import Denoise, Forget, Predict, Remember, Send, Tell
    from peerd_protocol.messages import Heartbeat, Offer, PlanTold, Standby, Submit
    from peerd_protocol.notices import Failed, Finished

    write, do = DaemonHands.write, Runtime._do
    revealed: list[Any] = [None]

    def written(self: Any, batch: Any) -> None:
        began_s = time.monotonic()
        write(self, batch)
        if (took_s := time.monotonic() - began_s) > STALL_S:
            pen.write("slow disk", seconds=round(took_s, 2))
        for each in batch:
            if isinstance(each, Predict):
                continue
            kind, _, name = each.key.partition("/")
            if isinstance(each, Remember) and each.key == TERM_KEY:
                pen.write("kept term", term=json.loads(each.value))
            elif isinstance(each, Remember) and kind == "bound":
                pen.write("bound", request=name, digest=each.value.decode())
            elif kind == "request":
                pen.write("closed request" if isinstance(each, Forget) else "kept request", request=name)

    def done(self: Any, action: Any, *more: Any) -> None:
        match action:
            case Send(_, Heartbeat() as heartbeat):
                if heartbeat.term is not None and heartbeat.term != revealed[0]:
                    revealed[0] = heartbeat.term
                    pen.write("revealed", term=_plain(heartbeat.term))
            case Send(_, Offer() | PlanTold() | Standby() as command):
                pen.write("commanded", term=_plain(_term_of(command)))
            case Send(_, Submit(request=request)):
                pen.write("announced", request=request.id, origin=request.origin)
            case Denoise(stop=None):
                asked = action.work.partition("/")[2]
                part = self.node._runner._parts[asked]
                start = "alone" if action.start is None else hashlib.sha256(action.start).hexdigest()
                attempt = [_plain(part.attempt.term), part.attempt.number]
                told = {"group": part.group, "attempt": attempt, "start": start, "resumes": action.resumes}
                pen.write("begun", request=asked, **told)
            case Tell(request, Finished() | Failed() as ending):
                pen.write("told", request=request, ending=type(ending).__name__.lower())
        do(self, action, *more)

    DaemonHands.write, Runtime._do = written, done  # type: ignore[assignment,method-assign]


# Only the daemon itself: neither who starts it nor its engine.
if os.environ.get("WITNESS_TO") and sys.orig_argv[1:4] == ["-m", "peerd", "up"]:
    if clock := os.environ.get("WALL_CLOCK_OFF_BY"):
        bend(clock)
    _pen = Pen(os.environ["WITNESS_TO"])
    _watch_node(_pen)
    _watch_hands(_pen)
