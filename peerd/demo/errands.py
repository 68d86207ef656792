"""Prompts sent to daemons side by side, and their tales as they come in.

Never here: which prompt goes where, or what is shown of it.
"""

import queue
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from peerd.api.desk import Wish
from peerd.demo.cluster import Cluster
from peerd.demo.nodes import DemoFailed, NodeProcess
from peerd.screen.tale import Tale
from peerd_protocol.errors import PeerdError
from peerd_protocol.notices import AnyNotice, Failed, Finished

QUIET_S_MAX = 120.0
"""Without any notice for this long something hangs; a cold engine on a small device needs most of it."""
LOOK_S = 0.2


@dataclass(slots=True)
class Errand:
    """One wish at one node, and what became of it."""

    wish: Wish
    node: NodeProcess
    tale: Tale


def errand(wish: Wish, node: NodeProcess) -> Errand:
    return Errand(wish, node, Tale(wish.prompt))


def run_errands(
    cluster: Cluster, errands: Sequence[Errand], lost: Collection[str] = ()
) -> Iterator[tuple[Errand, AnyNotice]]:
    """Send all at once; yields each notice after the tale has heard it, until every errand has its picture.

    Raises DemoFailed when a daemon ends, a request fails, or nothing happens for too long. Nodes that the caller has
    `lost` on purpose meanwhile are not waited for.
    """
    news: queue.SimpleQueue[tuple[Errand, AnyNotice | PeerdError]] = queue.SimpleQueue()
    for one in errands:
        threading.Thread(target=_tell, args=(one, news), daemon=True).start()
    heard_s = time.monotonic()
    while any(one.tale.ended is None for one in errands if one.node.name not in lost):
        try:
            one, item = news.get(timeout=LOOK_S)
        except queue.Empty:
            cluster.check(lost)
            if time.monotonic() - heard_s > QUIET_S_MAX:
                raise DemoFailed(f"Nothing has happened for {QUIET_S_MAX:g} s; {_who_waits(errands)}") from None
            continue
        if one.node.name in lost:
            continue
        heard_s = time.monotonic()
        if isinstance(item, PeerdError):
            cluster.check(lost)  # a daemon that died says more than a connection that broke
            raise DemoFailed(f"{one.node.name} could not make {one.wish.prompt!r}: {item}")
        one.tale.hear(item)
        yield one, item
        if isinstance(item, Failed):
            raise DemoFailed(f"{one.node.name} could not make {one.wish.prompt!r}: {item.reason}")


def finish_all(cluster: Cluster, errands: Sequence[Errand]) -> None:
    """Run them to their pictures, for whoever only wants those."""
    for _ in run_errands(cluster, errands):
        pass


def _tell(one: Errand, news: "queue.SimpleQueue[tuple[Errand, AnyNotice | PeerdError]]") -> None:
    client = one.node.client
    try:
        one.tale.request = client.submit(one.wish)
        for notice in client.follow(one.tale.request):
            news.put((one, notice))
            if isinstance(notice, Finished | Failed):
                return
        news.put((one, PeerdError("its daemon stopped before the picture was done.")))
    except PeerdError as error:
        news.put((one, error))


def _who_waits(errands: Sequence[Errand]) -> str:
    waiting = [f"{one.node.name} is at step {one.tale.step}" for one in errands if one.tale.ended is None]
    return ", ".join(waiting) + "."
