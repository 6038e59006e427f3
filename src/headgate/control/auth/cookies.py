"""What a browser session brings along in cookies, and whether the page that sends them is ours (decision 26).
Pure.

Three guards against a foreign page that makes a browser call us: the cookies are SameSite=Strict, the
browser's own word about where a call comes from, and a token that only a page of ours can read. Each alone is
enough.
"""

import hmac

from starlette.datastructures import Headers

from headgate.control.web.faults import AuthRefused
from headgate.kit.crypto import Vault

ACCESS, REFRESH, CSRF = "headgate_session", "headgate_refresh", "headgate_csrf"
CSRF_HEADER = "x-csrf-token"
MODE_HEADER = "x-headgate-session"
"""Set to `cookie` by pages of ours: no form can set it, nor a script of another origin unless CORS lets
it."""
MAX_COOKIE_CHARS = 16 * 1024
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none", ""})
"""Of Sec-Fetch-Site; browsers without it send nothing, and the token decides."""


def wants_cookie_session(headers: Headers) -> bool:
    return headers.get(MODE_HEADER, "").lower() == "cookie"


def access_cookie(headers: Headers) -> str:
    """Empty without one."""
    return _cookie(headers, ACCESS)


def given_refresh_token(headers: Headers, in_body: str) -> str:
    """Of the body, or of the cookie where our own page asks. Raises `AuthRefused` CSRF_FAILED."""
    if in_body or not wants_cookie_session(headers):
        return in_body
    _require_own_site(headers)
    return _cookie(headers, REFRESH)


def csrf_token(vault: Vault, session: str) -> str:
    """Of one session; nobody else can make it, so that a planted cookie helps nobody."""
    return vault.signature("csrf", session.encode()).hex()


def require_own_page(vault: Vault, headers: Headers, *, method: str, session: str) -> None:
    """A call by cookie that may change something. Raises `AuthRefused` CSRF_FAILED."""
    if method in _SAFE_METHODS:
        return
    _require_own_site(headers)
    given = headers.get(CSRF_HEADER, "").encode("utf-8", "surrogateescape")
    if not session or not hmac.compare_digest(given, csrf_token(vault, session).encode()):
        raise _foreign("the header X-CSRF-Token must hold the token of this session")


def _require_own_site(headers: Headers) -> None:
    if headers.get("sec-fetch-site", "") not in _OWN_SITES:
        raise _foreign("the call comes from a page of another site")


def _cookie(headers: Headers, name: str) -> str:
    """The first of this name, as RFC 6265 splits the header; our values need no quoting."""
    text = "; ".join(headers.getlist("cookie"))[:MAX_COOKIE_CHARS]
    for pair in text.split(";"):
        given, _, value = pair.strip().partition("=")
        if given == name:
            return value
    return ""


def _foreign(message: str) -> AuthRefused:
    return AuthRefused("CSRF_FAILED", message, status=403)
