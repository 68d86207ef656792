"""Announcements of services that nobody offers, as packets: what anybody on a network may send by multicast.

Never here: what comes of them.
"""

import secrets
import socket
from collections.abc import Iterator

from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSService, DNSText, const

from peerd_protocol.beacon import SERVICE_TYPE

GROUP, PORT = "224.0.0.251", 5353
SERVICES_A_PACKET = 5
TTL_S = 4_500


def socket_on_loopback() -> socket.socket:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sender.bind(("127.0.0.1", 0))
    return sender


def packets(count: int, txt: dict[str, str] | None = None, host: str = "10.66.6.6", port: int = 666) -> Iterator[bytes]:
    """`count` services of our type; with `txt` all show this record, else each a beacon of random bytes."""
    for start in range(0, count, SERVICES_A_PACKET):
        out = DNSOutgoing(const._FLAGS_QR_RESPONSE | const._FLAGS_AA)
        for _ in range(start, min(start + SERVICES_A_PACKET, count)):
            for record in service(txt or random_beacon(), host, port):
                out.add_answer_at_time(record, 0)
        yield from out.packets()


def service(txt: dict[str, str], host: str, port: int) -> list[DNSPointer | DNSService | DNSText | DNSAddress]:
    label = secrets.token_hex(8)
    name, server = f"{label}.{SERVICE_TYPE}", f"{label}.local."
    text = b"".join(bytes([len(each)]) + each for each in (f"{key}={value}".encode() for key, value in txt.items()))
    kind, unique = const._CLASS_IN, const._CLASS_IN | const._CLASS_UNIQUE
    return [
        DNSPointer(SERVICE_TYPE, const._TYPE_PTR, kind, TTL_S, name),
        DNSService(name, const._TYPE_SRV, unique, TTL_S, 0, 0, port, server),
        DNSText(name, const._TYPE_TXT, unique, TTL_S, text),
        DNSAddress(server, const._TYPE_A, unique, TTL_S, socket.inet_aton(host)),
    ]


def random_beacon() -> dict[str, str]:
    return {"v": "1", "n": secrets.token_hex(16), "c": secrets.token_hex(16)}
