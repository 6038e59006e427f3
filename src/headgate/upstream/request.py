"""The upstream call as a value: method, URL, headers, body. Pure, so that a retry builds the same bytes
again.

The client's own keys never go upstream: auth headers and secret query parameters are dropped here whatever
the caller filtered before. Path parts that come from the client are checked, never escaped: a part that
could climb out of its endpoint (`..`, `?`, `\\`) is refused, because it would be called with the operator's
credential. Sources: spec 2.4-2.8.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from urllib.parse import unquote_plus

from headgate.core.dialects.contract import Target
from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.world import Account, Provider
from headgate.kit.secret import Secret
from headgate.upstream.providers import anthropic, gemini, openai

_PROVIDERS: dict[Provider, ModuleType] = {
    Provider.ANTHROPIC: anthropic,
    Provider.OPENAI: openai,
    Provider.GEMINI: gemini,
}


def _version() -> str:
    try:
        return version("headgate")
    except PackageNotFoundError:
        return "dev"


_NEVER_FORWARDED = frozenset(
    "authorization x-api-key api-key x-goog-api-key cookie proxy-authorization proxy-connection host "
    "content-length transfer-encoding connection keep-alive te trailer upgrade expect http2-settings".split()
)
GATEWAY_AGENT = f"headgate/{_version()}"
"""User-Agent towards providers where the client's own was not allow-listed: we are what we are (DESIGN
1.7)."""
SECRET_PARAMETERS = frozenset("key api_key apikey access_token oauth_token token $httpheaders".split())
_PATH = re.compile(r"(?:/[A-Za-z0-9_.:~@+,=-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRequest:
    """Everything that one upstream call sends. `repr` shows no header, because one of them is the
    credential."""

    method: str
    url: str
    endpoint: str
    """The URL's path behind the base, for the record, e.g. `/v1/messages`."""
    headers: dict[str, str]
    body: bytes | None
    proxy: Secret | None

    def __repr__(self) -> str:
        return f"UpstreamRequest({self.method} {self.url})"


def build_request(
    account: Account,
    target: Target,
    *,
    method: str,
    upstream_model: str,
    query: bytes,
    headers: Mapping[str, str],
    body: bytes | None,
) -> UpstreamRequest:
    """Address one attempt. `query` is the client's raw query, `headers` its allow-listed headers
    (lower-case).

    Raises `RelayError` when the account cannot be called this way.
    """
    if account.proxy is not None and not account.proxy.is_active:
        message = "The account's egress proxy is switched off"
        raise RelayError(Fault(kind=FaultKind.UPSTREAM_UNREACHABLE, message=message))
    provider = _PROVIDERS[account.provider]
    path = provider.path(account.base_url.rstrip("/"), target, upstream_model)
    if path is None or not is_safe_path(path[1]):
        message = "This path does not exist at the account's provider"
        raise RelayError(Fault(kind=FaultKind.NOT_FOUND, message=message))
    base, endpoint = path
    parameters = _query(query.decode("latin-1"), provider.QUERY_PARAMETERS)
    return UpstreamRequest(
        method=method,
        url=f"{base}{endpoint}?{parameters}" if parameters else base + endpoint,
        endpoint=endpoint,
        headers=_headers(account, provider, headers, has_body=bool(body)),
        body=body or None,
        proxy=account.proxy.url if account.proxy is not None else None,
    )


def is_safe_path(path: str) -> bool:
    """Only plain characters and no dot segment: what a URL parser cannot reinterpret."""
    return _PATH.fullmatch(path) is not None and not any(
        part.strip(".") == "" for part in path.split("/")[1:]
    )


def _query(query: str, allowed: frozenset[str] | None) -> str:
    """The client's parameters in their order and spelling, without secrets and, with `allowed`, without
    strangers."""
    if not query:
        return ""
    return "&".join(part for part in query.split("&") if part and _may_pass(part, allowed))


def _may_pass(part: str, allowed: frozenset[str] | None) -> bool:
    name = unquote_plus(part.partition("=")[0]).lower()
    return name not in SECRET_PARAMETERS and (allowed is None or name in allowed)


def _headers(
    account: Account, provider: ModuleType, allowed: Mapping[str, str], *, has_body: bool
) -> dict[str, str]:
    headers = {name: value for name, value in allowed.items() if name not in _NEVER_FORWARDED}
    if has_body:
        headers.setdefault("content-type", "application/json")
    headers.setdefault("user-agent", GATEWAY_AGENT)
    for name, value in provider.DEFAULT_HEADERS:
        headers.setdefault(name, value)
    name, value = provider.auth_header(account)
    headers[name] = value
    return headers
