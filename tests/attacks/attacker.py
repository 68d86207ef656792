"""A bare socket that speaks the wire format, with whatever keys somebody has. Never here: what it says."""

import asyncio

import zmq
import zmq.asyncio

from peerd.network.sockets import Lane, sending_patiently
from peerd_protocol import codec
from peerd_protocol.messages import AnyFrame
from peerd_protocol.sequence import pack_header
from tests.peerd.network.station import WAIT_S_MAX, Station

CHANNEL = b"attackers channel"[:16]


def keys_of(station: Station) -> tuple[bytes, bytes]:
    return station.identity.curve_key, station.identity.curve_secret


class Attacker:
    def __init__(
        self, context: zmq.asyncio.Context, target: Station, keys: tuple[bytes, bytes], lane: Lane = Lane.CONTROL
    ) -> None:
        self.socket = sending_patiently(context, lane, keys, target.identity.curve_key)
        self.socket.setsockopt(zmq.LINGER, 0)
        self._cut = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.number = 0
        self._hello = codec.encode(target.transport._hello(1, 2))

    def connect(self, target: Station, lane: Lane = Lane.CONTROL) -> "Attacker":
        port = target.port if lane is Lane.CONTROL else target.transport.bulk_port
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        return self

    async def hello(self) -> None:
        await self.frame(self._hello)

    async def say(self, message: AnyFrame) -> None:
        await self.frame(codec.encode(message))

    async def frame(self, body: bytes) -> None:
        self.number += 1
        async with asyncio.timeout(WAIT_S_MAX):
            await self.socket.send(pack_header(CHANNEL, self.number) + body)

    async def is_cut(self) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            await self._cut.recv_multipart()

    def close(self) -> None:
        self.socket.disable_monitor()
        self._cut.close(0)
        self.socket.close(0)
