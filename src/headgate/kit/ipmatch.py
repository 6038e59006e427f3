"""Sets of IP addresses and networks, compiled once, matched in a microsecond.

IPv4 addresses that arrive mapped into IPv6 (`::ffff:192.0.2.1`, from dual-stack sockets) are matched as IPv4.
"""

import ipaddress
from collections.abc import Iterable
from typing import Self


class IpSet:
    """Addresses and CIDR networks of both families. Immutable."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[tuple[int, int, int]]) -> None:
        """(version, network, mask) triples; use `parse`."""
        self._networks = tuple(networks)

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """Compile entries such as `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`. Raises `ValueError` naming the
        bad one."""
        return cls(_network(entry) for entry in entries)

    def __contains__(self, address: object) -> bool:
        """Whether a textual address lies in the set; text that is no address lies in none."""
        try:
            ip = ipaddress.ip_address(str(address).strip())
        except ValueError:
            return False
        if ip.version == 6 and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        version, number = ip.version, int(ip)
        return any(version == family and number & mask == network for family, network, mask in self._networks)

    def __len__(self) -> int:
        return len(self._networks)

    def __repr__(self) -> str:
        return f"IpSet({len(self._networks)} networks)"


def _network(entry: str) -> tuple[int, int, int]:
    text = entry.strip()
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"{entry!r} is no IP address or network; write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32"
        ) from None
    if network.version == 6 and network.network_address.ipv4_mapped is not None and network.prefixlen >= 96:
        network = ipaddress.ip_network(
            (network.network_address.ipv4_mapped, network.prefixlen - 96), strict=False
        )
    return network.version, int(network.network_address), int(network.netmask)
