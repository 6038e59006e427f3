"""Where a stored credential goes. Whoever moves it must know the secret: a stolen admin session could else
have it sent to an address of its own (PAINS S11, S13)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from headgate.control.accounts.credentials import SECRET_FIELD, Credentials
from headgate.control.masking import is_masked
from headgate.errors import BadRequest


def origin_of(base_url: object) -> tuple[str, str, int | None] | None:
    """Scheme, host and port that receive the credential; none for the provider's own address.

    A URL that cannot be read has an origin of its own: the address guard refuses it afterwards."""
    if not isinstance(base_url, str) or not base_url.strip():
        return None
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return ("", base_url, None)
    return (parts.scheme, (parts.hostname or "").rstrip("."), port)


def require_secret_for_move(
    given: Mapping[str, Any], stored: Credentials, *, kind: str, new_proxy: bool
) -> bool:
    """Whether the destination changes. Raises SECRET_REQUIRED when it does and the secret was not
    sent again."""
    is_moved = origin_of(given.get("base_url")) != origin_of(stored.open.get("base_url"))
    if not is_moved and not new_proxy:
        return False
    name = SECRET_FIELD[kind]
    sent = given.get(name) or (given.get("api_key") if kind == "bearer" else None)
    if not sent or is_masked(sent):
        what = "credentials.base_url leads to another address" if is_moved else "proxy_id is another proxy"
        raise BadRequest(
            f"{what}; send credentials.{name} again: a stored secret is never sent to a new destination",
            reason="SECRET_REQUIRED",
        )
    return True
