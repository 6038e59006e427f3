"""Calls to services around people: identity providers, Turnstile, receivers of webhooks. Bounded in size and
time, never redirected, through the address guard.

Foreign exceptions end here, as `WebFailed`; it never quotes a body, a query or a header.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from headgate.core.faults import FaultKind, RelayError
from headgate.kit.secret import Secret
from headgate.settings import Settings
from headgate.upstream.call import UpstreamAnswer, open_call
from headgate.upstream.clients import ClientPool
from headgate.upstream.guard import AddressGuard
from headgate.upstream.request import GATEWAY_AGENT, UpstreamRequest

MAX_BYTES = 1024 * 1024
"""Key sets of large providers have some tens of KiB."""


class WebFailed(OSError):
    """No answer that could be used; the message says why, `kind` the same as a stable code."""

    def __init__(self, message: str, kind: FaultKind = FaultKind.UPSTREAM_UNREACHABLE) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class WebAnswer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case names."""


@dataclass(frozen=True, slots=True)
class WebRequest:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"WebRequest({self.method} {urlsplit(self.url).hostname})"


def get(url: str, *, bearer: str = "") -> WebRequest:
    headers = {"accept": "application/json"}
    return WebRequest("GET", url, headers | ({"authorization": f"Bearer {bearer}"} if bearer else {}))


def post_form(url: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> WebRequest:
    sent = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
    return WebRequest("POST", url, sent | dict(headers or {}), urlencode(fields).encode())


class WebClient:
    """`auth.private_identity_hosts` and `webhooks.private_hosts` may be on private networks and without TLS;
    nobody else."""

    def __init__(self, settings: Settings) -> None:
        policy = settings.security.url_allowlist
        self._timeout_s = settings.auth.identity_timeout_s
        named = (*settings.auth.private_identity_hosts, *settings.webhooks.private_hosts)
        self._private_hosts = frozenset(host.lower() for host in named)
        public = policy.model_copy(
            update={"upstream_hosts": (), "allow_private_hosts": False, "allow_insecure_http": False}
        )
        private = policy.model_copy(
            update={
                "upstream_hosts": tuple(self._private_hosts),
                "allow_private_hosts": True,
                "allow_insecure_http": True,
            }
        )
        self._public = ClientPool(AddressGuard(public), settings.gateway)
        self._private = ClientPool(AddressGuard(private), settings.gateway)
        plain = public.model_copy(update={"allow_insecure_http": True})
        self._proxied = ClientPool(AddressGuard(plain), settings.gateway)

    async def problem_with(self, url: str) -> str | None:
        """Why an address cannot be used, name lookup included; None when it can. A path or query does not
        matter."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return "this is no URL; write it like https://id.example.com"
        return await self._pool(url).guard.problem_with(f"{parts.scheme}://{parts.netloc}")

    async def send(
        self,
        request: WebRequest,
        *,
        proxy: Secret | None = None,
        timeout_s: float | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> WebAnswer:
        """Through the egress proxy when one is given; plain HTTP is allowed there. Raises `WebFailed`."""
        pool = self._pool(request.url) if proxy is None else self._proxied
        timeout_s = timeout_s or self._timeout_s
        call = UpstreamRequest(
            method=request.method,
            url=request.url,
            endpoint="",
            headers={
                "user-agent": GATEWAY_AGENT,
                "accept-encoding": "identity",
                **request.headers,
            },
            body=request.body,
            proxy=proxy,
        )
        try:
            async with asyncio.timeout(timeout_s), open_call(pool, call) as answer:
                return WebAnswer(answer.status, await _read(answer, max_bytes), answer.headers)
        except TimeoutError:
            raise WebFailed(f"no answer within {timeout_s:g} s", FaultKind.UPSTREAM_TIMEOUT) from None
        except RelayError as error:
            raise WebFailed(error.fault.message, error.fault.kind) from None
        except ValueError:
            raise WebFailed("the address is no URL", FaultKind.UPSTREAM_ADDRESS_REFUSED) from None

    async def close(self) -> None:
        await self._public.close()
        await self._private.close()
        await self._proxied.close()

    def _pool(self, url: str) -> ClientPool:
        try:
            host = (urlsplit(url).hostname or "").lower()
        except ValueError:
            return self._public
        return self._private if host in self._private_hosts else self._public


async def _read(answer: UpstreamAnswer, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while (chunk := await answer.read_chunk()) is not None:
        size += len(chunk)
        if size > max_bytes:
            raise WebFailed(f"the answer is larger than {max_bytes} bytes", FaultKind.UPSTREAM_MALFORMED)
        parts.append(chunk)
    return b"".join(parts)
