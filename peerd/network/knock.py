"""One handshake and nothing more: who listens at an address, and does it let this key in?

Used to prove at start that our own door refuses a stranger, and to find out which member listens at an address that
a person gave. Never here: a message.
"""

import asyncio
import contextlib
from enum import Enum
from typing import Final

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from peerd.network.identity import new_curve_keys
from peerd.network.sockets import Lane, endpoint, sending, watch
from peerd_protocol.errors import LocalError

KNOCK_S_MAX: Final = 3.0
"""A connection in 1.5 s and a handshake that takes milliseconds where both are awake."""
SELF_TEST_S_MAX: Final = 10.0
"""The door is on this very device; only a starved one takes longer, and then it had better not open."""

_EVENTS: Final = (
    zmq.EVENT_CLOSED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)


class Knock(Enum):
    LET_IN = "it holds the key we named, and knows ours"
    TURNED_AWAY = "it holds the key we named, and refuses ours"
    WRONG_KEY = "something listens, but it does not hold the key we named"
    NOBODY = "nothing answered"


async def knock(
    context: zmq.asyncio.Context,
    host: str,
    port: int,
    receiver_key: bytes,
    curve_keys: tuple[bytes, bytes],
    lane: Lane = Lane.CONTROL,
    seconds: float = KNOCK_S_MAX,
) -> Knock:
    """Shake hands once. Never waits longer than `seconds`. Where no socket can be had just now, nobody answered."""
    with contextlib.ExitStack() as closing:
        try:
            socket = sending(context, lane, curve_keys, receiver_key)
            closing.callback(socket.close, 0)
            monitor = watch(context, socket, int(_EVENTS))
            closing.callback(monitor.close, 0)
            closing.callback(socket.disable_monitor)
            socket.connect(endpoint(host, port))
            async with asyncio.timeout(seconds):
                event = zmq.Event(parse_monitor_message(await monitor.recv_multipart())["event"])
        except (TimeoutError, zmq.ZMQError):  # no descriptor left, or a host name that can't be resolved
            return Knock.NOBODY
    if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        return Knock.LET_IN
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        return Knock.TURNED_AWAY
    return Knock.NOBODY if event == zmq.EVENT_CLOSED else Knock.WRONG_KEY


async def prove_door_is_shut(context: zmq.asyncio.Context, host: str, port: int, own_key: bytes, lane: Lane) -> None:
    """Knock at our own door with a throw-away key. Raises LocalError unless it is refused."""
    outcome = await knock(context, host, port, own_key, new_curve_keys(), lane, SELF_TEST_S_MAX)
    if outcome is Knock.TURNED_AWAY:
        return
    if outcome is Knock.LET_IN:
        raise LocalError("The self-test failed: a stranger's key was let in. Do not use this build of libzmq.")
    raise LocalError(f"The self-test could not reach {endpoint(host, port)}: check this device's firewall and load.")
