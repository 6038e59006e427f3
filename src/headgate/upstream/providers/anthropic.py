"""Anthropic and compatible providers: Messages API (spec 2.4, 2.5)."""

from headgate.core.dialects.contract import Operation, Target
from headgate.core.world import Account, CredentialKind, Dialect
from headgate.upstream.providers.base_url import without_version

DEFAULT_HEADERS = (("anthropic-version", "2023-06-01"),)
QUERY_PARAMETERS = frozenset({"beta"})
"""`?beta=true` goes on when the client sent it and is never invented."""
_PATHS = {Operation.GENERATE: "/messages", Operation.COUNT: "/messages/count_tokens"}


def path(base: str, target: Target, upstream_model: str) -> tuple[str, str] | None:
    """Base and path; None when this provider has no such operation."""
    tail = _PATHS.get(target.operation) if target.dialect is Dialect.ANTHROPIC_MESSAGES else None
    if tail is None:
        return None
    base, version = without_version(base)
    return base, (version or "/v1") + tail


def auth_header(account: Account) -> tuple[str, str]:
    if account.credential_kind is CredentialKind.API_KEY:
        return "x-api-key", account.secret.reveal()
    return "authorization", f"Bearer {account.secret.reveal()}"
