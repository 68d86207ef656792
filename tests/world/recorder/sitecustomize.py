"""Writes down every byte that a Python process hands to a socket that leaves it, before anything is encrypted.

Put this folder on a daemon's PYTHONPATH and name a file in RECORD_SENT_TO. Each entry is who can read it, and what was
sent, each after its length in four bytes. Who can read it: of an encrypted socket the key that it pins, in hexadecimal;
of any other its address; nothing where it isn't known, as of an answer to whoever asked.

The engine's socket pair and the local API are Unix sockets and stay on the device, so they are left out. Never here:
what the bytes mean.
"""

import os
import socket
import struct
import threading
from pathlib import Path
from typing import Any

_lock = threading.Lock()


def _write(path: str, receiver: str, data: bytes) -> None:
    parts = (part for each in (receiver.encode(), data) for part in (struct.pack("<I", len(each)), each))
    with _lock, Path(path).open("ab") as file:
        file.write(b"".join(parts))


def _record_sockets(path: str) -> None:
    def record(at: socket.socket, data: bytes, address: Any) -> None:
        if at.family == socket.AF_UNIX:
            return
        try:
            receiver = address or at.getpeername()
        except OSError:
            receiver = ""
        _write(path, str(receiver), data)

    plain = {name: getattr(socket.socket, name) for name in ("send", "sendall", "sendto", "sendmsg")}

    def send(self: socket.socket, data: Any, *more: Any) -> Any:
        record(self, bytes(data), None)
        return plain["send"](self, data, *more)

    def sendall(self: socket.socket, data: Any, *more: Any) -> Any:
        record(self, bytes(data), None)
        return plain["sendall"](self, data, *more)

    def sendto(self: socket.socket, data: Any, *more: Any) -> Any:
        record(self, bytes(data), more[-1])
        return plain["sendto"](self, data, *more)

    def sendmsg(self: socket.socket, buffers: Any, *more: Any) -> Any:
        parts = [bytes(part) for part in buffers]
        record(self, b"".join(parts), more[2] if len(more) > 2 else None)
        return plain["sendmsg"](self, parts, *more)

    for recorded in (send, sendall, sendto, sendmsg):
        setattr(socket.socket, recorded.__name__, recorded)


def _record_zmq(path: str) -> None:
    import zmq

    plain_set, plain_send = zmq.Socket.setsockopt, zmq.Socket.send
    pinned: dict[int, str] = {}
    """Each socket's own address in memory, which its shadows share, and the key that it pins."""

    def setsockopt(self: Any, option: int, value: Any) -> None:
        if option == zmq.CURVE_SERVERKEY:
            pinned[self.underlying] = value.hex()
        plain_set(self, option, value)

    def send(self: Any, data: Any, *more: Any, **options: Any) -> Any:
        _write(path, pinned.get(self.underlying, ""), bytes(data))
        return plain_send(self, data, *more, **options)

    zmq.Socket.setsockopt = setsockopt  # type: ignore[method-assign]
    zmq.Socket.send = send  # type: ignore[method-assign]


if os.environ.get("RECORD_SENT_TO"):
    _record_sockets(os.environ["RECORD_SENT_TO"])
    _record_zmq(os.environ["RECORD_SENT_TO"])
