"""Header allow-lists both ways (spec 2.4, 9.3) and the client's address."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

RawHeaders = Iterable[tuple[bytes, bytes]]

_JOINED = frozenset(
    {"anthropic-beta", "accept", "accept-encoding", "cache-control", "via", "x-forwarded-for"}
)
"""Repeated list-valued headers are joined; of any other repeated header the last one counts (clients/README
4)."""

_RESPONSE_ALLOWED = frozenset(
    {
        "content-type",
        "content-language",
        "etag",
        "last-modified",
        "expires",
        "vary",
        "retry-after",
        "retry-after-ms",
        "request-id",
        "openai-processing-ms",
        "openai-version",
        "openai-model",
        "x-should-retry",
    }
)
_CODINGS = ("gzip", "deflate", "br", "zstd")


def collapse(raw: RawHeaders) -> dict[str, str]:
    """Lower-case names to one value each."""
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
        if name in headers and name in _JOINED:
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def for_upstream(headers: Mapping[str, str], allowed: frozenset[str]) -> dict[str, str]:
    """The client headers that the provider may see."""
    return {name: value for name, value in headers.items() if name in allowed}


def for_client(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """The provider headers that the client may see. Not the limits of the account (`x-ratelimit-*`,
    `anthropic-ratelimit-*`): many clients share it, and none may learn how it stands. A client's own
    limits are announced in the same names (relay/rate_gate.py)."""
    passed = []
    for name, value in headers.items():
        wire_name = _known_names.get(name)
        if wire_name is None:
            wire_name = _learn(name)
        if wire_name:
            passed.append((wire_name, value.encode("latin-1")))
    return passed


_known_names: dict[str, bytes] = {}
"""Verdict per header name: its bytes, or empty when it stays here. Providers send few names, over and
over."""
_MOST_NAMES = 1024


def _learn(name: str) -> bytes:
    allowed = name in _RESPONSE_ALLOWED
    if len(_known_names) < _MOST_NAMES:
        _known_names[name] = name.encode("latin-1") if allowed else b""
    return name.encode("latin-1") if allowed else b""


def accepted_codings(headers: Mapping[str, str]) -> str:
    """`accept-encoding` for the provider: what the client takes and we can meter; `identity` when nothing."""
    offered = headers.get("accept-encoding", "").lower()
    return ", ".join(coding for coding in _CODINGS if coding in offered) or "identity"


def client_ip(
    peer: str, headers: Mapping[str, str], trusted: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> str:
    """The peer's address, or behind a trusted proxy the first untrusted one of X-Forwarded-For from the
    right (spec 9.3)."""
    if not trusted or not _is_in(peer, trusted):
        return peer
    for hop in reversed([h.strip() for h in headers.get("x-forwarded-for", "").split(",") if h.strip()]):
        if not _is_in(hop, trusted):
            return hop if _is_address(hop) else peer
    return peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(text: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    if not _is_address(text):
        return False
    address = ipaddress.ip_address(text)
    return any(address in network for network in networks)
