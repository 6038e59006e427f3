"""Pooled HTTP clients, one per way out: egress proxy, origin, pinned address.

A client is leased for the length of a call and never closed under it (PAINS 35: a cache that closes
clients in use fails the calls); idle ones are dropped after a while, which closes their connections. Bytes
pass untouched: no decompression, no redirects, no cookies, no referer, no proxy from the environment.
HTTP/1.1 with lower-case header names.
"""

from dataclasses import dataclass
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.http import Url
from pyreqwest.proxy import ProxyBuilder

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.kit.clock import Clock, SystemClock
from headgate.kit.secret import Secret
from headgate.settings import GatewaySettings
from headgate.upstream.guard import AddressGuard, UrlProblem
from headgate.upstream.http1 import ConnectionPool

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_POOL_IDLE = timedelta(seconds=55)
"""Below the 60 s after which common load balancers close, so that a request seldom meets a closing
connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to an origin. `address` is empty for literal hosts and where the egress proxy resolves the
    name."""

    proxy: Secret | None
    host: str
    port: int
    address: str


@dataclass(slots=True)
class Lease:
    client: Client
    users: int
    last_used: float


class ClientPool:
    """The guard and the pool: everything an upstream call needs from its process. Built once by `app`."""

    def __init__(
        self,
        guard: AddressGuard,
        settings: GatewaySettings,
        *,
        clock: Clock | None = None,
        idle_ttl_s: float = 300,
    ) -> None:
        self.guard = guard
        self.header_timeout_s = settings.response_header_timeout_s
        self.life_limit = timedelta(seconds=settings.stream_total_timeout_s)
        """After this the HTTP client gives up by itself, should everything else have lost hold of a call."""
        self._clock = clock or SystemClock()
        self.connections = ConnectionPool(self._clock, connect_timeout_s=settings.connect_timeout_s)
        """Direct connections; the clients of this pool serve calls through egress proxies."""
        self._connect_timeout = timedelta(seconds=settings.connect_timeout_s)
        self._idle_ttl_s = idle_ttl_s
        self._entries: dict[Route, Lease] = {}
        self._next_sweep = 0.0

    async def routes(self, url: Url, proxy: Secret | None) -> list[Route]:
        """The ways to try, best first. Raises `RelayError` when the guard or the proxy's address says no."""
        host, port = url.host_str or "", url.port_or_known_default or 0
        if proxy is not None:
            self.guard.check(url)
            return [Route(proxy=_usable(proxy), host=host, port=port, address="")]
        addresses = await self.guard.admit(url) or ("",)
        return [Route(proxy=None, host=host, port=port, address=address) for address in addresses[:3]]

    def take(self, route: Route) -> Lease:
        """The client of a route, kept until `give_back`."""
        now = self._clock.monotonic()
        if now >= self._next_sweep:
            self._sweep(now)
        entry = self._entries.get(route)
        if entry is None:
            entry = self._entries[route] = Lease(self._build(route), 0, now)
        entry.users += 1
        return entry

    def give_back(self, entry: Lease) -> None:
        entry.users -= 1
        entry.last_used = self._clock.monotonic()

    def users(self) -> int:
        """Calls that are open now."""
        return sum(entry.users for entry in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    async def close(self) -> None:
        """Close every connection; calls still open end with a SHUTTING_DOWN fault."""
        self.connections.close()
        entries, self._entries = list(self._entries.values()), {}
        for entry in entries:
            await entry.client.close()

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + self._idle_ttl_s / 10
        stale = [
            r for r, e in self._entries.items() if e.users == 0 and now - e.last_used >= self._idle_ttl_s
        ]
        for route in stale:
            del self._entries[route]

    def _build(self, route: Route) -> Client:
        builder = (
            ClientBuilder()
            .runtime_multithreaded(False)
            .gzip(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .follow_redirects(False)
            .referer(False)
            .default_cookie_store(False)
            .no_proxy()
            .http1_only()
            .http1_lower_case_headers()
            .connect_timeout(self._connect_timeout)
            .pool_idle_timeout(_POOL_IDLE)
            .tcp_keepalive(timedelta(seconds=60))
        )
        if route.proxy is not None:
            builder = builder.proxy(ProxyBuilder.all(route.proxy.reveal()))
        if route.address:
            builder = builder.resolve(route.host, route.address, route.port)
        return builder.build()


def check_proxy_url(url: str) -> str | UrlProblem:
    """Normalise an egress proxy URL: `socks5` becomes `socks5h` so that names are resolved at the proxy
    (spec 5)."""
    try:
        parsed = Url(url)
    except ValueError:
        return UrlProblem("the egress proxy is not an absolute URL such as socks5://host:1080")
    if parsed.scheme not in _PROXY_SCHEMES:
        return UrlProblem(f"the egress proxy's scheme must be one of {', '.join(_PROXY_SCHEMES)}")
    if not parsed.host_str:
        return UrlProblem("the egress proxy needs a host")
    return "socks5h" + url[len("socks5") :] if parsed.scheme == "socks5" else url


def _usable(proxy: Secret) -> Secret:
    checked = check_proxy_url(proxy.reveal())
    if isinstance(checked, UrlProblem):
        raise RelayError(
            Fault(kind=FaultKind.UPSTREAM_UNREACHABLE, message=f"Upstream is not reachable: {checked.reason}")
        )
    return Secret(checked)
