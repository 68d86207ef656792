"""Every ZeroMQ socket of the transport is made here, with every option that a measurement or an attack asked for.

Nodes receive on PULL sockets and send from one PUSH socket per peer and lane, which pins the receiver's key. One-way
types were chosen over ROUTER and DEALER with a reason: a ROUTER indexes its peers by a routing id that the peer may
choose, and a member that chose the number our libzmq would give next aborted the whole process (assertion `ok` in
socket_base.cpp, 4.3.5; the numbers start at random, so that it takes some hours of trying). A PULL socket keeps no
ids, and can not be tricked into answering anyone.
"""

import asyncio
import contextlib
import ipaddress
import itertools
import logging
import threading
from enum import Enum
from typing import Final

import zmq
import zmq.asyncio

from peerd_protocol.codec import BULK_BYTES_MAX, CONTROL_BYTES_MAX
from peerd_protocol.errors import LocalError
from peerd_protocol.sequence import HEADER_BYTES

log = logging.getLogger(__name__)

LIBZMQ_LEAST: Final = (4, 3, 3)
"""Earlier versions have known remote memory errors before authentication."""
ZAP_DOMAIN: Final = b"peerd"
CURVE_OVERHEAD_BYTES: Final = 33
"""MAXMSGSIZE counts the encrypted frame."""
HANDSHAKE_MS: Final = 2_000
"""Who does not finish a handshake in time loses its descriptor: 190 idle connections wedged a small daemon."""
CONNECT_TIMEOUT_MS: Final = 1_500
RECONNECT_MS: Final = 250
RECONNECT_MS_MAX: Final = 1_000
"""With these three the first message after a healed partition came after 0.2 s, with the defaults after 17 to 48 s."""
LINGER_MS: Final = 300
"""A Goodbye may still leave when a node closes; nothing waits longer."""
CONTROL_QUEUE_MAX: Final = 512
"""Control messages to one peer: seconds of the liveliest plan. A peer that is slower than that is as good as gone."""
BULK_QUEUE_MAX: Final = 32
"""Four handoff windows of eight chunks; at most 8 MiB for one peer."""
PING_MS: Final = 1_500
PING_TIMEOUT_MS: Final = 5_000
"""ZMQ's heartbeats find half-open connections, on the control lane alone: they cut large messages on slow links."""
SILENT_TCP_MS: Final = 10_000
"""Unacknowledged bytes for this long end a bulk connection, so that it is made anew after a partition."""
BACKLOG: Final = 128
"""Connections waiting to be accepted: four times the members, so that a restarted node is found by all at once."""
DESCRIPTORS_MAX: Final = 1_023
"""ZeroMQ's own default, named: sockets of one context, at most eight for each of 32 peers."""


END_S_MAX: Final = 3.0
"""Ten times the linger."""


class Lane(Enum):
    """Two ways to every peer, so that a long handoff never delays a heartbeat."""

    CONTROL = "control"
    BULK = "bulk"


_FRAME_BYTES_MAX: Final = {Lane.CONTROL: CONTROL_BYTES_MAX, Lane.BULK: BULK_BYTES_MAX}
_QUEUE_MAX: Final = {Lane.CONTROL: CONTROL_QUEUE_MAX, Lane.BULK: BULK_QUEUE_MAX}
_monitors = itertools.count()
_stuck: list[zmq.asyncio.Context] = []


def new_context() -> zmq.asyncio.Context:
    """One context a transport: its ZAP handler is its own."""
    if zmq.zmq_version_info() < LIBZMQ_LEAST:
        wanted = ".".join(map(str, LIBZMQ_LEAST))
        raise LocalError(
            f"libzmq {zmq.zmq_version()} is too old to be safe; install pyzmq with libzmq {wanted} or newer."
        )
    context = zmq.asyncio.Context()
    context.set(zmq.MAX_SOCKETS, DESCRIPTORS_MAX)
    return context


async def end_context(context: zmq.asyncio.Context) -> None:
    """Wait until closed sockets have said their last words. A context that does not end must not hold up the process.

    Ending blocks, so it has a thread of its own: the loop's pool of threads is joined at the end of the process.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        context.term()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=end, name="peerd end of zeromq", daemon=True).start()
    try:
        async with asyncio.timeout(END_S_MAX):
            await ended.wait()
    except TimeoutError:
        log.error("libzmq did not end within %g s: a socket was left open", END_S_MAX)
        _stuck.append(context)  # collecting it would wait for it, for ever


def receiving(context: zmq.asyncio.Context, lane: Lane, curve_secret: bytes) -> zmq.asyncio.Socket:
    """A socket that members may send to. It never sends."""
    socket = context.socket(zmq.PULL)
    _harden(socket, lane)
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, curve_secret)
    socket.setsockopt(zmq.BACKLOG, BACKLOG)
    socket.setsockopt(zmq.RCVHWM, _QUEUE_MAX[lane])
    return socket


def sending(
    context: zmq.asyncio.Context, lane: Lane, curve_keys: tuple[bytes, bytes], receiver_key: bytes
) -> "zmq.Socket[bytes]":
    """A socket to exactly one receiver, whose key it pins. It never receives, and queues nothing while unconnected."""
    socket: zmq.Socket[bytes] = zmq.Context.shadow(context).socket(zmq.PUSH)
    _set_to_send(socket, lane, curve_keys, receiver_key)
    return socket


def sending_patiently(
    context: zmq.asyncio.Context, lane: Lane, curve_keys: tuple[bytes, bytes], receiver_key: bytes
) -> zmq.asyncio.Socket:
    """The same, whose `send` can be awaited until the other side takes it."""
    socket = context.socket(zmq.PUSH)
    _set_to_send(socket, lane, curve_keys, receiver_key)
    return socket


def _set_to_send(
    socket: "zmq.Socket[bytes] | zmq.asyncio.Socket", lane: Lane, curve_keys: tuple[bytes, bytes], receiver_key: bytes
) -> None:
    _harden(socket, lane)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, curve_keys[0])
    socket.setsockopt(zmq.CURVE_SECRETKEY, curve_keys[1])
    socket.setsockopt(zmq.CURVE_SERVERKEY, receiver_key)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.SNDHWM, _QUEUE_MAX[lane])
    socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX)
    if lane is Lane.CONTROL:
        socket.setsockopt(zmq.HEARTBEAT_IVL, PING_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, PING_TIMEOUT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TTL, 2 * PING_TIMEOUT_MS)


def _harden(socket: "zmq.Socket[bytes] | zmq.asyncio.Socket", lane: Lane) -> None:
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.MAXMSGSIZE, HEADER_BYTES + _FRAME_BYTES_MAX[lane] + CURVE_OVERHEAD_BYTES)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.setsockopt(zmq.IPV6, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 30)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 10)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)
    socket.setsockopt(zmq.TCP_MAXRT, SILENT_TCP_MS)


def watch(
    context: zmq.asyncio.Context, socket: "zmq.Socket[bytes] | zmq.asyncio.Socket", events: int
) -> zmq.asyncio.Socket:
    """A socket on which the named connection events of `socket` arrive."""
    address = f"inproc://peerd.monitor.{next(_monitors)}"
    socket.monitor(address, events)
    monitor = context.socket(zmq.PAIR)
    monitor.setsockopt(zmq.LINGER, 0)
    monitor.connect(address)
    return monitor


def endpoint(host: str, port: int) -> str:
    """`tcp://HOST:PORT`, with brackets around an IPv6 address."""
    try:
        if ipaddress.ip_address(host).version == 6:
            host = f"[{host}]"
    except ValueError:
        pass  # a host name
    return f"tcp://{host}:{port}"
