"""Addresses that operators give and browsers are sent to. Pure."""

from urllib.parse import urlsplit

from headgate.errors import BadRequest

_BARE = "; write it like https://gate.example.com"


def require_public_origin(name: str, url: str) -> str:
    """Absolute http(s), without user, query or fragment, no slash at the end; empty stays. Raises
    INVALID_INPUT."""
    url = url.strip()
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        is_usable = parts.port != 0
    except ValueError:
        raise BadRequest(f"{name} is no address{_BARE}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_usable:
        raise BadRequest(f"{name} must be absolute http(s){_BARE}")
    if parts.query or parts.fragment or parts.username is not None or not url.isascii() or " " in url:
        raise BadRequest(f"{name} must have neither user, query nor fragment{_BARE}")
    return url.rstrip("/")
