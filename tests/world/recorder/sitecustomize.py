"""Writes down every byte that a Python process hands to a socket that leaves it, before anything is encrypted.

Put this folder on a daemon's PYTHONPATH and name a file in RECORD_SENT_TO. The engine's socket pair and the local API
are Unix sockets and stay on the device, so they are left out. Never here: what the bytes mean.
"""

import os
import socket
import threading
from pathlib import Path
from typing import Any

_lock = threading.Lock()


def _write(path: str, data: Any) -> None:
    with _lock, Path(path).open("ab") as file:
        file.write(bytes(data) + b"\n")


def _record_sockets(path: str) -> None:
    for name in ("send", "sendall", "sendto"):
        plain = getattr(socket.socket, name)

        def recorded(self: socket.socket, data: Any, *more: Any, plain: Any = plain) -> Any:
            if self.family != socket.AF_UNIX:
                _write(path, data)
            return plain(self, data, *more)

        setattr(socket.socket, name, recorded)


def _record_zmq(path: str) -> None:
    import zmq

    plain = zmq.Socket.send

    def recorded(self: Any, data: Any, *more: Any, **options: Any) -> Any:
        _write(path, data)
        return plain(self, data, *more, **options)

    zmq.Socket.send = recorded  # type: ignore[method-assign]


if os.environ.get("RECORD_SENT_TO"):
    _record_sockets(os.environ["RECORD_SENT_TO"])
    _record_zmq(os.environ["RECORD_SENT_TO"])
