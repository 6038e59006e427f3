"""Google's Generative Language API: the model and the action stand in the path (spec 2.6, 2.7)."""

from headgate.core.dialects.contract import Target
from headgate.core.world import Account, CredentialKind, Dialect
from headgate.upstream.providers.base_url import without_version

DEFAULT_HEADERS: tuple[tuple[str, str], ...] = ()
QUERY_PARAMETERS = frozenset({"alt", "$alt", "fields", "$fields", "prettyprint", "$prettyprint"})
"""No others: `$httpHeaders` and friends would let a client write headers, `key` is its own secret."""
_COLLECTIONS = ("models/", "tunedModels/")


def path(base: str, target: Target, upstream_model: str) -> tuple[str, str] | None:
    """Base and path; None when this provider has no such operation. The client's API version is kept."""
    if target.dialect is not Dialect.GEMINI or not target.subpath or not upstream_model:
        return None
    base, _ = without_version(base)
    model = upstream_model if upstream_model.startswith(_COLLECTIONS) else f"models/{upstream_model}"
    return base, f"/{target.api_version}/{model}:{target.subpath.lstrip(':')}"


def auth_header(account: Account) -> tuple[str, str]:
    if account.credential_kind is CredentialKind.API_KEY:
        return "x-goog-api-key", account.secret.reveal()
    return "authorization", f"Bearer {account.secret.reveal()}"
