"""The encrypted line between two devices that are not members of one cluster yet, for the length of one pairing.

Each side listens on a port of its own and sends through a socket that pins the other's key, as the transport does.
Never here: what is said, or whether it is true.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import zmq
import zmq.asyncio

from peerd.network.sockets import ZAP_DOMAIN, Lane, end_context, endpoint, new_context, receiving, sending_patiently
from peerd.network.zap import Doorkeeper
from peerd_protocol.errors import FrameError, LocalError
from peerd_protocol.pairing import AnyJoinMessage, decode_join, encode_join

SEND_S_MAX: Final = 4.0
"""Connecting takes 1.5 s at most, and a handshake milliseconds."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, the key that encrypted it, and the address it came from."""

    key: bytes
    host: str
    message: AnyJoinMessage


class JoinLine:
    """One side of a pairing. `admit` says which CURVE keys may connect."""

    def __init__(self, curve_keys: tuple[bytes, bytes], admit: Callable[[bytes], bool]) -> None:
        self._keys = curve_keys
        self._context = new_context()
        self._doorkeeper = Doorkeeper(self._context, ZAP_DOMAIN, lambda key: key.hex() if admit(key) else None)
        self._in = receiving(self._context, Lane.CONTROL, curve_keys[1])
        self._out: dict[tuple[str, int, bytes], zmq.asyncio.Socket] = {}

    def listen(self, host: str) -> int:
        """The port on which the other side is heard."""
        try:
            return self._in.bind_to_random_port(f"tcp://{host}")
        except zmq.ZMQError as error:
            raise LocalError(f"No port on {host} can be opened for pairing: {error.strerror}.") from error

    async def hear(self) -> Heard:
        """The next well-formed message. Raises FrameError for a malformed one."""
        parts: list[zmq.Frame] = await self._in.recv_multipart(copy=False)
        if len(parts) != 1:
            raise FrameError(f"A message in {len(parts)} parts; one is allowed.")
        key, host = parts[0].get("User-Id"), parts[0].get("Peer-Address")
        return Heard(bytes.fromhex(str(key)), str(host).removeprefix("::ffff:"), decode_join(parts[0].buffer))

    async def say(self, host: str, port: int, key: bytes, message: AnyJoinMessage) -> bool:
        """Send to the holder of `key` at this address; False if it does not take it in time."""
        socket = self._out.get((host, port, key))
        if socket is None:
            try:
                socket = sending_patiently(self._context, Lane.CONTROL, self._keys, key)
            except zmq.ZMQError:  # no descriptor is left just now
                return False
            self._out[host, port, key] = socket
            try:
                socket.connect(endpoint(host, port))
            except zmq.ZMQError:
                del self._out[host, port, key]  # it would wait for a receiver that it was never led to
                socket.close(0)
                return False
        try:
            async with asyncio.timeout(SEND_S_MAX):
                await socket.send(encode_join(message))
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """What was just said may still leave for a moment."""
        self._in.close(0)
        for socket in self._out.values():
            socket.close()
        await self._doorkeeper.close()
        await end_context(self._context)
