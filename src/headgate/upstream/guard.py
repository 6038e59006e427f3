"""The address guard: no upstream call reaches a private network unless the operator allowed it (DESIGN 1.6,
spec 9.3).

The pure half judges URLs and addresses; `AddressGuard` resolves names, judges every address, and hands out
the ones to pin, so that a second DNS answer cannot change the destination (rebinding). URLs are read by the
parser of the HTTP client itself: guard and connection can never disagree about the host. Messages name
hosts, never user names, paths or queries.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pyreqwest.http import Url

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.kit.clock import Clock, SystemClock
from headgate.settings import UrlAllowlistSettings

Address = IPv4Address | IPv6Address

_REFUSED_V4 = tuple(ip_network(n) for n in ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24"))
"""Carrier-grade NAT (RFC 6598), protocol assignments (RFC 6890), 6to4 relays (RFC 7526)."""
_REFUSED_V6 = tuple(ip_network(n) for n in ("64:ff9b:1::/48", "100::/64", "2001::/23", "5f00::/16"))
"""Local NAT64 (RFC 8215), discard (RFC 6666), protocol assignments with Teredo (RFC 2928), SRv6 SIDs (RFC
9602)."""
_NAT64 = ip_network("64:ff9b::/96")
_MAX_HOSTS = 4096
_STALE_FACTOR = 10
"""A failing resolver may be bridged with the last good answer for this many TTLs."""


@dataclass(frozen=True, slots=True)
class UrlProblem:
    """Why an address was refused; safe to show to the operator."""

    reason: str


def is_public_address(address: Address) -> bool:
    """Whether an address is reachable on the public internet, looking through IPv4 embedded in IPv6."""
    if isinstance(address, IPv6Address):
        inner = embedded_v4(address)
        if inner is not None:
            return is_public_address(inner)
        if address.is_site_local or any(address in network for network in _REFUSED_V6):
            return False
    elif any(address in network for network in _REFUSED_V4):
        return False
    special = address.is_private or address.is_loopback or address.is_link_local or address.is_unspecified
    return not (special or address.is_multicast or address.is_reserved)


def embedded_v4(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that traffic to this IPv6 address may end at: mapped, 6to4 (RFC 3056), NAT64 (RFC
    6052)."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def check_base_url(url: str, policy: UrlAllowlistSettings) -> str | UrlProblem:
    """Normalise an account's base URL (no trailing slash), or say what is wrong with it. No DNS."""
    parsed = _parse(url)
    if isinstance(parsed, UrlProblem):
        return parsed
    if parsed.query_string or "?" in url:
        return UrlProblem("the base URL must not have a query")
    if parsed.fragment is not None:
        return UrlProblem("the base URL must not have a fragment")
    problem = check_url(parsed, policy)
    return problem if problem is not None else str(parsed).rstrip("/")


def check_url(url: Url, policy: UrlAllowlistSettings) -> UrlProblem | None:
    """Judge scheme, user info, host and port of a parsed URL; literal addresses are judged too."""
    if url.scheme != "https" and not (url.scheme == "http" and policy.allow_insecure_http):
        wanted = (
            "https or http"
            if policy.allow_insecure_http
            else "https (see security.url_allowlist.allow_insecure_http)"
        )
        return UrlProblem(f"the scheme must be {wanted}, not {url.scheme}")
    if url.username or url.password:
        return UrlProblem("the URL must not carry a user name or password")
    host = url.host_str
    if not host or not url.port_or_known_default:
        return UrlProblem("the URL needs a host and a port between 1 and 65535")
    return _check_host(host.lower().rstrip("."), policy)


def _check_host(host: str, policy: UrlAllowlistSettings) -> UrlProblem | None:
    if policy.upstream_hosts and not any(
        _matches(host, pattern.lower()) for pattern in policy.upstream_hosts
    ):
        return UrlProblem(f"host {host} is not in security.url_allowlist.upstream_hosts")
    if policy.allow_private_hosts:
        return None
    literal = _literal(host)
    if (
        host == "localhost"
        or host.endswith(".localhost")
        or (literal is not None and not is_public_address(literal))
    ):
        return UrlProblem(
            f"host {host} is not a public address (see security.url_allowlist.allow_private_hosts)"
        )
    return None


def _parse(url: str) -> Url | UrlProblem:
    if url != url.strip() or any(ord(char) <= 0x20 or char == "\\" for char in url):
        return UrlProblem("the URL must not contain blanks, control characters or backslashes")
    try:
        return Url(url)
    except ValueError:
        return UrlProblem("this is not an absolute URL such as https://api.example.com")


def _matches(host: str, pattern: str) -> bool:
    return host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


Resolver = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to address strings, in order of preference. Raises OSError."""


async def system_resolver(host: str, port: int) -> list[str]:
    """Ask the system (hosts file, DNS); order as of RFC 6724."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(slots=True)
class _Answer:
    addresses: tuple[str, ...]
    fresh_until: float
    usable_until: float


class AddressGuard:
    """Resolves, judges and remembers the addresses of upstream hosts. One per process."""

    def __init__(
        self,
        policy: UrlAllowlistSettings,
        *,
        clock: Clock | None = None,
        resolver: Resolver = system_resolver,
    ) -> None:
        self._policy = policy
        self._clock = clock or SystemClock()
        self._resolver = resolver
        self._answers: dict[str, _Answer] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def check(self, url: Url) -> None:
        """The static judgement alone: for calls whose name the egress proxy resolves. Raises `RelayError`."""
        problem = check_url(url, self._policy)
        if problem is not None:
            raise _refused(problem.reason)

    async def admit(self, url: Url) -> tuple[str, ...]:
        """Addresses to pin, best first; empty for a literal address. Raises `RelayError`."""
        answer = self._answers.get(url.origin_ascii)
        if answer is not None and self._clock.monotonic() < answer.fresh_until and not url.username:
            return answer.addresses
        self.check(url)
        host, port = url.host_str or "", url.port_or_known_default or 0
        if _literal(host) is not None:
            return self._remember(url.origin_ascii, ())
        return await self._refresh(url.origin_ascii, host, port)

    async def problem_with(self, base_url: str) -> str | None:
        """Why an account's base URL cannot be used, name lookup included; None when it can."""
        checked = check_base_url(base_url, self._policy)
        if isinstance(checked, UrlProblem):
            return checked.reason
        try:
            await self.admit(Url(checked))
        except RelayError as error:
            return error.fault.message
        return None

    def demote(self, url: Url, address: str) -> None:
        """An address did not answer: try it last from now on."""
        answer = self._answers.get(url.origin_ascii)
        if answer is not None and answer.addresses[:1] == (address,):
            answer.addresses = (*answer.addresses[1:], address)

    async def _refresh(self, origin: str, host: str, port: int) -> tuple[str, ...]:
        lock = self._locks.setdefault(origin, asyncio.Lock())
        async with lock:
            known = self._answers.get(origin)
            if known is not None and self._clock.monotonic() < known.fresh_until:
                return known.addresses
            try:
                async with asyncio.timeout(self._policy.dns_timeout_s):
                    addresses = await self._resolver(host, port)
            except (OSError, UnicodeError) as error:
                return self._bridge(host, known, timed_out=isinstance(error, TimeoutError))
            return self._remember(origin, self._judge(host, addresses))

    def _judge(self, host: str, addresses: list[str]) -> tuple[str, ...]:
        """One private address among public ones refuses the host: the answer is not to be trusted."""
        parsed = [
            address
            for address in (_literal(text.partition("%")[0]) for text in addresses)
            if address is not None
        ]
        if not parsed:
            raise RelayError(
                Fault(kind=FaultKind.UPSTREAM_UNREACHABLE, message=f"Upstream host {host} has no address")
            )
        if not self._policy.allow_private_hosts and not all(is_public_address(address) for address in parsed):
            raise _refused(f"host {host} resolves to an address that is not public")
        return tuple(str(address) for address in parsed)

    def _remember(self, origin: str, found: tuple[str, ...]) -> tuple[str, ...]:
        """Keep the pin while it is still part of the answer, so that rotating DNS does not empty the pool."""
        known = self._answers.get(origin)
        if known is not None and known.addresses and known.addresses[0] in found:
            pinned = known.addresses[0]
            found = (pinned, *(address for address in found if address != pinned))
        if len(self._answers) >= _MAX_HOSTS:
            self._answers.clear()
            self._locks.clear()
        now, ttl = self._clock.monotonic(), self._policy.dns_ttl_s
        self._answers[origin] = _Answer(found, now + ttl, now + ttl * _STALE_FACTOR)
        return found

    def _bridge(self, host: str, known: _Answer | None, *, timed_out: bool) -> tuple[str, ...]:
        now = self._clock.monotonic()
        if known is not None and now < known.usable_until:
            known.fresh_until = now + self._policy.dns_ttl_s / _STALE_FACTOR
            return known.addresses
        cause = "name lookup timed out" if timed_out else "name lookup failed"
        raise RelayError(Fault(kind=FaultKind.UPSTREAM_UNREACHABLE, message=f"Upstream host {host}: {cause}"))


def _refused(reason: str) -> RelayError:
    return RelayError(
        Fault(kind=FaultKind.UPSTREAM_ADDRESS_REFUSED, message=f"Upstream address refused: {reason}")
    )
