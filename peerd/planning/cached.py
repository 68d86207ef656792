"""Whether a request that comes late may start from a checkpoint that a node has kept, and from which.

A kept checkpoint counts as a request that named its seed and went ahead: whatever forbids two requests to share, and
whatever bounds the steps that they may share, holds between it and the late one too. So a late request with a free seed
takes the checkpoint's seed, one that names another starts from noise, and nobody gets the same picture twice unasked.
Where the mean of several prompts ran the steps, it counts as all of those requests, and is none of their own pictures.
The late prompt itself had no say in those steps, so unless its owner asks for more they decide no more than the layout.
Never here: who runs what follows, what it costs (`forecast`), or what is kept (that is each node's own affair).
"""

from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec

from peerd.planning.grouping import cannot_link
from peerd.planning.nearness import Nearness, asked
from peerd.planning.split import total_of
from peerd_protocol.ids import NodeId, RequestId
from peerd_protocol.plan import CacheEntry, Call, Request

LAYOUT_PART = 3 / 11
"""The part of a run that other words alone may decide.

Measured on 60 near pairs with the embedded model and DDIM: object and place are right in 97 % of the pictures that
began with the other prompt's first 3 of 11 steps (92 % of those made alone), in 73 % after 5, in 42 % after 7.
"""


@dataclass(frozen=True, slots=True)
class Start:
    """The checkpoint at `holder` from which a request may start: it saves `entry.step` denoiser calls."""

    holder: NodeId
    entry: CacheEntry


def best_start(
    request: Request,
    cached: Iterable[tuple[NodeId, CacheEntry]],
    nearness: Nearness,
    fit: Collection[NodeId],
    home: NodeId | None = None,
    drawn: Container[Call] = frozenset(),
) -> Start | None:
    """The kept checkpoint that saves this request most, or None if it may start from none.

    `fit` are the nodes that may be asked for theirs; `home` is who runs the request's own steps. At the same step the
    nearest prompt decides, then whether the checkpoint lies at `home` already, then the lower names. `drawn` are calls
    whose pictures somebody has: a free seed doesn't become one of theirs. (A concept phrase counts as words here.)
    """
    late = asked(request)
    judge = replace(
        nearness, allowed=lambda one, other, near: min(nearness.allowed(one, other, near), layout_steps(one.call))
    )
    best: tuple[float, bool, NodeId, str] | None = None
    start: Start | None = None
    for holder, entry in sorted(cached, key=lambda one: -one[1].step):
        if start is not None and entry.step < start.entry.step:
            break  # the rest saves less
        if holder not in fit or not 1 <= entry.step < late.total:
            continue
        early = list(_as_requests(holder, entry, request))
        if any(cannot_link(request, one) for one in early):
            continue  # told before any word is read
        if request.seed_free and msgspec.structs.replace(request.call, seed=entry.call.seed) in drawn:
            continue
        near = min(judge(late, asked(one)) for one in early)
        if entry.step > int(near):
            continue
        rank = (-near, holder != home, holder, entry.digest)
        if best is None or rank < best:
            best, start = rank, Start(holder, entry)
    return start


def layout_steps(call: Call) -> int:
    """The `scheduler.step` calls in which no more than the layout is decided."""
    return int(LAYOUT_PART * total_of(call) + 1e-9)


def worth_keeping(entry: CacheEntry) -> bool:
    """Whether a late request may ever start there unasked: behind the layout only one that wants its lead's picture."""
    return not entry.blend or entry.step <= layout_steps(entry.call)


def _as_requests(holder: NodeId, entry: CacheEntry, late: Request) -> Iterator[Request]:
    """The requests that a kept checkpoint stands for. They wish what the late one wishes: they have their pictures."""
    for prompt in entry.blend or (entry.call.prompt,):
        yield Request(
            id=RequestId(entry.digest),
            origin=holder,
            call=msgspec.structs.replace(entry.call, prompt=prompt),
            shared=late.shared,
            share=entry.share,
            quality=late.quality,
            seed_free=False,
        )
