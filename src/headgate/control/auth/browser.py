"""Tokens as cookies of an answer, for browsers (decision 26)."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from headgate.control.auth.cookies import ACCESS, CSRF, REFRESH, csrf_token, wants_cookie_session
from headgate.control.auth.refreshing import session_lifetime
from headgate.control.auth.schemas import CookieView, TokenPair
from headgate.control.auth.tokens import AccessTokens
from headgate.control.web.address import is_https
from headgate.control.work import Work

_API, _AUTH, _PAGES = "/api", "/api/v1/auth", "/"
_PLACES = ((ACCESS, _API), (REFRESH, _AUTH), (CSRF, _PAGES))


@dataclass(frozen=True, slots=True)
class BrowserAnswer:
    """Where cookies go, and what they depend on."""

    work: Work
    request: Request
    response: Response


def wants_cookies(request: Request) -> bool:
    return wants_cookie_session(request.headers)


def in_cookies(pair: TokenPair, answer: BrowserAnswer) -> CookieView:
    """Hand the tokens to the browser, where no script can read them; what scripts need is in the document."""
    deps = answer.work.deps
    claims = AccessTokens(deps.vault).read(pair.access_token, now_s=answer.work.now_ms() // 1000)
    token = csrf_token(deps.vault, claims.session)
    whole_s = int(session_lifetime(deps).total_seconds())
    _set(answer, ACCESS, pair.access_token, _API, pair.expires_in)
    _set(answer, REFRESH, pair.refresh_token, _AUTH, whole_s)
    _set(answer, CSRF, token, _PAGES, whole_s, readable=True)
    return CookieView(csrf_token=token, expires_in=pair.expires_in)


def clear_cookies(answer: BrowserAnswer) -> None:
    for name, path in _PLACES:
        _set(answer, name, "", path, 0, readable=name == CSRF)


def _set(
    answer: BrowserAnswer, name: str, value: str, path: str, age_s: int, *, readable: bool = False
) -> None:
    server = answer.work.deps.settings.server
    answer.response.set_cookie(
        name,
        value,
        max_age=age_s,
        path=path,
        secure=is_https(answer.request, server.trusted_proxies, public_url=server.public_url),
        httponly=not readable,
        samesite="strict",
    )
