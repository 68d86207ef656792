"""The doorkeeper: libzmq asks it about every CURVE key that finishes a handshake, and it names the key's owner.

libzmq (4.3.5) lets every key in where a domain is set but nobody answers, unless `zap_enforce_domain` is set; all
our sockets set it, so that a doorkeeper that died means a closed door. Never here: what a member may say once it is
in, which is checked again on every message.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import zmq
import zmq.asyncio

log = logging.getLogger(__name__)

_ENDPOINT: Final = "inproc://zeromq.zap.01"
_VERSION: Final = b"1.0"
_PARTS: Final = 7
"""version, request id, domain, address, identity, mechanism, and for CURVE one credential: the client's key."""


class Doorkeeper:
    """Answers libzmq's questions in one context. `name_of` gives the owner of a CURVE key, or None to refuse it."""

    def __init__(self, context: zmq.asyncio.Context, domain: bytes, name_of: Callable[[bytes], str | None]) -> None:
        self._domain, self._name_of = domain, name_of
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ENDPOINT)
        self._task = asyncio.get_running_loop().create_task(self._answer(), name="peerd doorkeeper")
        self.refused = 0
        self.is_tested = False
        """While our own stranger tries the doors: who is refused then is expected and neither told nor counted."""

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self._socket.close()

    async def _answer(self) -> None:
        while True:
            question: list[bytes] = await self._socket.recv_multipart()
            await self._socket.send_multipart(self._judge(question))

    def _judge(self, question: list[bytes]) -> list[bytes]:
        request = question[1] if len(question) > 1 else b""
        name: str | None = None
        if len(question) == _PARTS:
            _, _, domain, address, _, mechanism, key = question
            if domain == self._domain and mechanism == b"CURVE":
                name = self._name_of(key)
            if name is None:
                self.refused += not self.is_tested
                if (
                    not self.is_tested and self.refused.bit_count() == 1
                ):  # 1, 2, 4, 8, ...: a flood does not fill the log
                    log.info(
                        "refused an unknown key from %s (%d so far)", address.decode("ascii", "replace"), self.refused
                    )
        if name is None:
            return [_VERSION, request, b"400", b"unknown key", b"", b""]
        return [_VERSION, request, b"200", b"", name.encode(), b""]
