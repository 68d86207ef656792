"""This device's own addresses. Never here: a peer's."""

import ipaddress
import os
from typing import Final

import ifaddr

VARIABLE: Final = "PEERD_MDNS_INTERFACES"
"""Names the interface addresses to use, with commas between: 127.0.0.1 alone keeps everything on this device."""
LOOPBACK: Final = "127.0.0.1"


def own_addresses() -> list[str]:
    """The IPv4 addresses that peers may reach this device at; loopback alone where there is no other."""
    if named := os.environ.get(VARIABLE):
        return [address.strip() for address in named.split(",") if address.strip()]
    found = {
        str(address.ip)
        for adapter in ifaddr.get_adapters()
        for address in adapter.ips
        if address.is_IPv4 and not ipaddress.ip_address(str(address.ip)).is_loopback
    }
    return sorted(found) or [LOOPBACK]


def reachable_hosts(bound: str) -> list[str]:
    """The hosts to name to others for a socket bound to `bound`."""
    return own_addresses() if bound in ("0.0.0.0", "::", "*") else [bound]
