"""Halves: how far the own steps of a request are, as its origin keeps it.

Whoever runs them, the origin itself or another device for it, leaves its origin a spare checkpoint now and then. The
origin keeps the newest on disk, so that they go on from there after the loss of either: here in its next life, or
wherever the next plan says. Never here: when a spare is due (`leases`), or who goes on (`origin`).
"""

import contextlib
import hashlib
from collections.abc import Mapping

import msgspec

from peerd_protocol.actions import Forget, Remember
from peerd_protocol.coordination.orders import Give
from peerd_protocol.errors import UNREADABLE
from peerd_protocol.ids import Attempt, GroupId, HandoffId, NodeId, RequestId
from peerd_protocol.messages import HandoffBegin

PREFIX = "progress/"


class Half(msgspec.Struct, frozen=True):
    """The newest checkpoint of a request's own steps. `seed` is the one that it is run with, mostly its group's."""

    step: int
    seed: int
    data: bytes


def kept(request: RequestId, half: Half) -> Remember:
    return Remember(PREFIX + request, msgspec.msgpack.encode(half))


def forgotten(request: RequestId) -> Forget:
    return Forget(PREFIX + request)


def halves_in(recalled: Mapping[str, bytes]) -> dict[RequestId, Half]:
    """What an earlier life kept; what another version of peerd kept can not be read, and is begun anew."""
    halves: dict[RequestId, Half] = {}
    for key in kept_in(recalled):
        with contextlib.suppress(*UNREADABLE):
            halves[key] = msgspec.msgpack.decode(recalled[PREFIX + key], type=Half)
    return halves


def kept_in(recalled: Mapping[str, bytes]) -> list[RequestId]:
    """The requests of which anything is kept, readable or not."""
    return [RequestId(key.removeprefix(PREFIX)) for key in recalled if key.startswith(PREFIX)]


def handed_on(runner: NodeId, request: RequestId, group: GroupId, attempt: Attempt, half: Half) -> Give:
    """The half on its way to whoever goes on with it."""
    begin = HandoffBegin(
        handoff=HandoffId(f"half/{group}/{attempt.number}/{request}"),
        what="checkpoint",
        request=request,
        group=group,
        attempt=attempt,
        step=half.step,
        size=len(half.data),
        digest=hashlib.sha256(half.data).digest(),
    )
    return Give(runner, begin, half.data)
