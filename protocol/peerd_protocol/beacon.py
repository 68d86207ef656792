"""What a node shows of itself on the local network: enough for members to recognise it, nothing for anyone else.

The TXT record holds the protocol's version, a random nonce, the addresses that the packet names anyway, and a code over
all of it and the port, that only holders of the cluster's discovery secret can make or check. No name, device id, model
or cluster; instance and host names are random. A record that somebody copies leads where it always led: with another
address or port it is nobody's. Never here: multicast itself.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from peerd_protocol.ids import NodeId
from peerd_protocol.messages import PROTOCOL_VERSION

SERVICE_TYPE: Final = "_peerd._tcp.local."
NONCE_BYTES: Final = 16
CODE_BYTES: Final = 16
"""A truncated HMAC: 128 bits are beyond guessing, and a TXT record stays in one packet."""
HOSTS_MAX: Final = 8
"""A device has a few interfaces; eight addresses of 15 characters keep the text below a TXT string's 255 bytes."""
_DOMAIN: Final = b"peerd beacon 2\0"


def beacon(discovery_secret: bytes, nonce: bytes, node: NodeId, hosts: Sequence[str], port: int) -> dict[str, str]:
    """The TXT record of `node`, which listens on these IPv4 addresses."""
    shown = ",".join(hosts[:HOSTS_MAX])
    code = _code(discovery_secret, nonce, node, shown, port)
    return {"v": str(PROTOCOL_VERSION), "n": nonce.hex(), "a": shown, "c": code.hex()}


def recognise(
    discovery_secret: bytes, members: Iterable[NodeId], txt: Mapping[bytes, bytes | None], port: int
) -> tuple[NodeId, tuple[str, ...]] | None:
    """The member that made this TXT record for this port, and where it listens.

    None for a stranger's, another version's, one that was changed, or a malformed one.
    """
    if txt.get(b"v") != str(PROTOCOL_VERSION).encode():
        return None
    nonce, code = _unhex(txt.get(b"n"), NONCE_BYTES), _unhex(txt.get(b"c"), CODE_BYTES)
    try:
        shown = (txt.get(b"a") or b"").decode("ascii")
        hosts = tuple(str(ipaddress.IPv4Address(host)) for host in shown.split(","))
    except ValueError:
        return None
    if nonce is None or code is None or len(hosts) > HOSTS_MAX:
        return None
    for node in members:
        if hmac.compare_digest(code, _code(discovery_secret, nonce, node, shown, port)):
            return node, hosts
    return None


def _code(discovery_secret: bytes, nonce: bytes, node: NodeId, shown: str, port: int) -> bytes:
    """The nonce and the port have a fixed length and an id holds no NUL, so nothing is ambiguous."""
    said = _DOMAIN + nonce + port.to_bytes(2, "big") + node.encode() + b"\0" + shown.encode()
    return hmac.new(discovery_secret, said, hashlib.sha256).digest()[:CODE_BYTES]


def _unhex(digits: bytes | None, length: int) -> bytes | None:
    if digits is None or len(digits) != 2 * length:
        return None
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return None
