"""A paired member that says whatever it likes: frames, one after the other, to a whole node in the middle of its work.

Every frame that decodes is a step of the real `Node`; none may raise, and what comes out must be fit to send. Never
here: how frames decode (`codec`).
"""

import functools
from typing import Final

from peerd_protocol import codec
from peerd_protocol.actions import Send
from peerd_protocol.errors import FrameError
from peerd_protocol.events import Asked, PeerConnected, Received, Ticked
from peerd_protocol.ids import BootNonce, NodeId, RequestId
from peerd_protocol.messages import PROTOCOL_VERSION, Countersignature, Heartbeat, Hello, Receipt
from peerd_protocol.node import Node
from peerd_protocol.plan import Call, Request
from peerd_protocol.profile import Profile

ME, MEMBER = NodeId("ADA"), NodeId("BOB")
FRAMES_MAX: Final = 12
"""Of one conversation; each is a step and a tick."""
LENGTH_BYTES: Final = 2
TICK_S: Final = 0.4

_CALL = Call(model="m", prompt="apple on table", steps=11, seed=1, guidance=3.0, scheduler="ddim", width=64, height=64)
_PROFILE = Profile(model="m", engine=True, steps_per_second=5.0, memory_free_mib=4_000)


def conversation(*frames: bytes) -> bytes:
    """Frames as one piece of bytes."""
    return b"".join(len(frame).to_bytes(LENGTH_BYTES, "little") + frame for frame in frames)


def knock(data: bytes) -> None:
    node = Node(ME, BootNonce("00" * 16), {}, _PROFILE, interval_s=1.0, now_s=0.0)
    node.step(PeerConnected(MEMBER))
    node.step(Received(MEMBER, _hello()))
    node.step(Received(MEMBER, _heartbeat()))
    node.step(Asked(Request(id=RequestId("r" * 16), origin=ME, call=_CALL)))
    now_s = 0.0
    for frame in _frames(data):
        now_s += TICK_S
        actions = node.step(Ticked(now_s))
        try:
            message = codec.decode(frame)
        except FrameError:
            continue
        if isinstance(message, Receipt | Countersignature):
            continue  # they go beside the node
        actions += node.step(Received(MEMBER, message))
        for action in actions:
            if isinstance(action, Send):
                codec.encode(action.message)


@functools.cache
def _hello() -> Hello:
    return Hello(version=PROTOCOL_VERSION, name="bob", boot=BootNonce("11" * 16), control_port=1, bulk_port=2)


@functools.cache
def _heartbeat() -> Heartbeat:
    return Heartbeat(
        boot=BootNonce("11" * 16), sequence=1, interval_ms=1_000, term=None, leading=False, following=False, highest=0,
        followers=0, profile=_PROFILE, roster_digest=b"",
    )  # fmt: skip


def _frames(data: bytes) -> list[bytes]:
    frames: list[bytes] = []
    while len(data) > LENGTH_BYTES and len(frames) < FRAMES_MAX:
        end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
        frames.append(data[LENGTH_BYTES:end])
        data = data[end:]
    return frames
