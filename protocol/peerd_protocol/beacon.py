"""What a node shows of itself on the local network: enough for members to recognise it, nothing for anyone else.

The TXT record holds the protocol's version, a random nonce, and a code over it that only holders of the cluster's
discovery secret can check. No name, device id, model or cluster; instance and host names are random. A copied record
leads to a wrong address at worst, and the channel's pinned key ends that. Never here: multicast itself.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

from peerd_protocol.ids import NodeId
from peerd_protocol.messages import PROTOCOL_VERSION

SERVICE_TYPE: Final = "_peerd._tcp.local."
NONCE_BYTES: Final = 16
CODE_BYTES: Final = 16
"""A truncated HMAC: 128 bits are beyond guessing, and a TXT record stays in one packet."""
_DOMAIN: Final = b"peerd beacon 1\0"


def beacon(discovery_secret: bytes, nonce: bytes, node: NodeId) -> dict[str, str]:
    """The TXT record of `node`."""
    return {"v": str(PROTOCOL_VERSION), "n": nonce.hex(), "c": _code(discovery_secret, nonce, node).hex()}


def recognise(discovery_secret: bytes, members: Iterable[NodeId], txt: Mapping[bytes, bytes | None]) -> NodeId | None:
    """The member that made this TXT record, or None for a stranger's, another version's or a malformed one."""
    if txt.get(b"v") != str(PROTOCOL_VERSION).encode():
        return None
    nonce, code = _unhex(txt.get(b"n"), NONCE_BYTES), _unhex(txt.get(b"c"), CODE_BYTES)
    if nonce is None or code is None:
        return None
    for node in members:
        if hmac.compare_digest(code, _code(discovery_secret, nonce, node)):
            return node
    return None


def _code(discovery_secret: bytes, nonce: bytes, node: NodeId) -> bytes:
    return hmac.new(discovery_secret, _DOMAIN + nonce + node.encode(), hashlib.sha256).digest()[:CODE_BYTES]


def _unhex(digits: bytes | None, length: int) -> bytes | None:
    if digits is None or len(digits) != 2 * length:
        return None
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return None
