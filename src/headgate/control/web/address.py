"""Whose address is it: the peer's, unless the peer is a proxy that the operator trusts (PAINS S14)."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import Request

from headgate.kit.ipmatch import IpSet

MAX_HOPS = 20


def client_address(peer: str, forwarded_for: str, trusted: Sequence[str]) -> str:
    """The right-most address of the chain that is no trusted proxy; entries beyond it are whatever a client
    wrote."""
    proxies = IpSet.parse(trusted)
    current = peer
    for hop in reversed([part.strip() for part in forwarded_for.split(",")][-MAX_HOPS:]):
        if current not in proxies or not _is_address(hop):
            return current
        current = hop
    return current


def address_of(request: Request, trusted: Sequence[str]) -> str:
    """The address of whoever sent this request."""
    peer = request.client.host if request.client else ""
    return client_address(peer, request.headers.get("x-forwarded-for", ""), trusted)


def is_https(request: Request, trusted: Sequence[str], *, public_url: str) -> bool:
    """Whether the browser speaks TLS: with us, with a trusted proxy that says so, or by the configured public
    address. A stranger's header counts for nothing."""
    if public_url.startswith("https://") or request.url.scheme == "https":
        return True
    peer = request.client.host if request.client else ""
    return request.headers.get("x-forwarded-proto", "") == "https" and peer in IpSet.parse(trusted)


def throttle_name(address: str) -> str:
    """What one attacker controls at once: an IPv4 address, or a whole IPv6 /64."""
    if not _is_address(address):
        return address[:40] or "unknown"
    parsed = ip_address(address)
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed) >> 64 << 64, 64)).network_address)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
