"""The engine's own process: `python -m peerd.engine.child`, the only one of ours that imports torch.

A thread listens to the daemon, the main thread works. Whatever ends the daemon ends this process: the kernel kills it
when its parent dies, and the socket's end is heard in any case. Never here: what an order means (worker.py).
"""

import argparse
import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
import threading
from collections import deque

from peerd.engine import dialogue

_PR_SET_PDEATHSIG = 1
COMMANDS_MAX = 64
"""The daemon waits for one order before it gives the next, and cancelled ones leave; so many are a daemon gone mad."""


class Ear:
    """Hears commands while the main thread works: queues orders, lets go those that are cancelled."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._waiting: deque[dialogue.Order] = deque()
        self._heard = threading.Condition()
        self._cancelled_up_to = 0

    def listen(self) -> None:
        """Hear until the daemon is gone, and then end this process at once, in the middle of a step too."""
        with contextlib.suppress(Exception):
            self.hear()
        os._exit(0)

    def hear(self) -> None:
        """Take in commands until the daemon is gone, or says more than any daemon would."""
        while (command := dialogue.receive_command(self._wire)) is not None:
            with self._heard:
                if isinstance(command, dialogue.Cancel):
                    # Orders come in growing numbers and end in that order, so the highest says it all.
                    self._cancelled_up_to = max(self._cancelled_up_to, command.number)
                    # A long step outlasts any number of them, and nobody waits for an answer.
                    while self._waiting and self.cancelled(self._waiting[0].number):
                        self._waiting.popleft()
                elif len(self._waiting) == COMMANDS_MAX:
                    return
                else:
                    self._waiting.append(command)
                    self._heard.notify()

    def next(self) -> dialogue.Order:
        """The oldest order that waits, or the first that comes."""
        with self._heard:
            while not self._waiting:
                self._heard.wait()
            return self._waiting.popleft()

    def cancelled(self, number: int) -> bool:
        """Whether the daemon gave this order up."""
        return number <= self._cancelled_up_to


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies; leave now if that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def main() -> None:
    """Work until the daemon is gone."""
    parser = argparse.ArgumentParser(prog="peerd.engine.child")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--slowdown", type=float, default=1.0)
    options = parser.parse_args()
    die_with(options.parent)
    # Ctrl-C reaches the whole group; the daemon decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wire = socket.socket(fileno=options.fd)
    ear = Ear(wire)
    threading.Thread(target=ear.listen, name="ear", daemon=True).start()
    # Three thousand modules make millions of objects and no garbage: collecting while importing costs a second of four.
    gc.disable()
    import torch

    from peerd.engine.worker import Worker

    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    worker = Worker(lambda answer: wire.sendall(dialogue.frame(answer)), options.threads, options.slowdown)
    while True:
        order = ear.next()
        number = order.number
        if ear.cancelled(number):
            wire.sendall(dialogue.frame(dialogue.Gone(number)))
        else:
            worker.obey(order, lambda number=number: ear.cancelled(number))  # type: ignore[misc]


if __name__ == "__main__":
    main()
