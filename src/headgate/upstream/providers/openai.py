"""OpenAI and compatible providers: Chat Completions, Responses, Embeddings, Images (spec 2.8)."""

from headgate.core.dialects.contract import Operation, Target
from headgate.core.world import Account, Dialect
from headgate.upstream.providers.base_url import has_version

DEFAULT_HEADERS: tuple[tuple[str, str], ...] = ()
QUERY_PARAMETERS: frozenset[str] | None = None
"""Any but secrets: compatible providers have their own (`api-version`), objects have `include[]` and
`stream`."""
_PATHS = {
    Operation.GENERATE: "/chat/completions",
    Operation.EMBED: "/embeddings",
    Operation.IMAGE: "/images/generations",
}


def path(base: str, target: Target, upstream_model: str) -> tuple[str, str] | None:
    """Base and path; None when this provider has no such operation."""
    match target.dialect:
        case Dialect.OPENAI_RESPONSES:
            tail: str | None = "/responses" + target.subpath
        case Dialect.OPENAI_CHAT:
            tail = _PATHS.get(target.operation)
        case _:
            tail = None
    if tail is None:
        return None
    return base, tail if has_version(base) else "/v1" + tail


def auth_header(account: Account) -> tuple[str, str]:
    return "authorization", f"Bearer {account.secret.reveal()}"
