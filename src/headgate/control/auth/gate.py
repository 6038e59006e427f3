"""Who calls: bearer token, session cookie or admin key, checked against the database on every request (spec
7.3, 7.14). A header that names somebody wins over a cookie, which browsers add by themselves."""

import hmac

from sqlalchemy import select
from starlette.datastructures import Headers

from headgate.control.auth.cookies import access_cookie, require_own_page
from headgate.control.auth.sessions import is_alive
from headgate.control.auth.tokens import AccessTokens
from headgate.control.deps import ControlDeps
from headgate.control.settings.admin_key import read_admin_key
from headgate.control.settings.switches import BACKEND_MODE, is_switched_on
from headgate.control.web.faults import AuthRefused
from headgate.control.work import Actor
from headgate.storage.models import UserRow

MAX_ADMIN_KEY_CHARS = 256


async def authenticate_user(deps: ControlDeps, headers: Headers, *, method: str) -> Actor:
    """The active user behind `Authorization: Bearer`, or behind the cookie of a browser session. Raises
    `AuthRefused`."""
    cookie = "" if "authorization" in headers else access_cookie(headers)
    claims = AccessTokens(deps.vault).read(cookie or _bearer(headers), now_s=deps.clock.now_ms() // 1000)
    if cookie:
        require_own_page(deps.vault, headers, method=method, session=claims.session)
    async with deps.uow() as uow:
        user = await uow.session.get(UserRow, claims.user_id)
        is_ended = bool(claims.session) and not await is_alive(uow.session, claims.session)
        is_kept_out = (user is None or user.role == "user") and await is_switched_on(
            uow.session, BACKEND_MODE
        )
    if user is None or user.deleted_at is not None:
        raise AuthRefused("USER_NOT_FOUND", "User not found")
    if user.status != "active":
        raise AuthRefused("USER_INACTIVE", "User account is not active")
    if user.token_version != claims.token_version or is_ended:
        raise AuthRefused("TOKEN_REVOKED", "Token has been revoked")
    if is_kept_out:
        raise AuthRefused("BACKEND_MODE", "Self-service is disabled on this installation", status=403)
    return _actor(user, via="cookie" if cookie else "token", session=claims.session)


async def authenticate_staff(deps: ControlDeps, headers: Headers, *, method: str) -> Actor:
    """The admin key, which acts as the first active admin, or whoever the token is of: what its role may do
    is for the route to say. Raises `AuthRefused`."""
    if "x-api-key" in headers:
        return await _by_admin_key(deps, headers["x-api-key"])
    return await authenticate_user(deps, headers, method=method)


_OPEN_IN_BACKEND_MODE = frozenset(f"/v1/auth/{name}" for name in ("login", "login/2fa", "logout", "refresh"))


async def require_open_door(deps: ControlDeps, path: str) -> None:
    """What strangers may do about themselves; not in backend mode (spec 7.1). Raises `AuthRefused`
    BACKEND_MODE."""
    if not path.startswith("/v1/auth/") or path in _OPEN_IN_BACKEND_MODE:
        return
    async with deps.uow() as uow:
        if await is_switched_on(uow.session, BACKEND_MODE):
            message = "registration and self-service auth flows are disabled"
            raise AuthRefused("BACKEND_MODE", message, status=403)


async def _by_admin_key(deps: ControlDeps, given: str) -> Actor:
    refused = AuthRefused("INVALID_ADMIN_KEY", "Invalid admin API key")
    if not given or len(given) > MAX_ADMIN_KEY_CHARS:
        raise refused
    async with deps.uow() as uow:
        stored = await read_admin_key(uow.session)
        if stored is None or not hmac.compare_digest(deps.vault.key_hash(given).hex(), stored.digest):
            raise refused
        admin = await uow.session.scalar(
            select(UserRow)
            .where(UserRow.role == "admin", UserRow.status == "active", UserRow.deleted_at.is_(None))
            .order_by(UserRow.id)
            .limit(1)
        )
    if admin is None:
        raise refused
    return _actor(admin, via="admin_key")


def _actor(user: UserRow, *, via: str, session: str = "") -> Actor:
    return Actor(user_id=user.id, email=user.email, role=user.role, via=via, session=session)


def _bearer(headers: Headers) -> str:
    header = headers.get("authorization", "")
    if not header:
        raise AuthRefused("UNAUTHORIZED", "Authorization header is required")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise AuthRefused("INVALID_AUTH_HEADER", "Authorization header format must be 'Bearer {token}'")
    if not token.strip():
        raise AuthRefused("EMPTY_TOKEN", "Token is empty")
    return token.strip()
