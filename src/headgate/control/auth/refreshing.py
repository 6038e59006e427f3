"""Refreshing, listing and ending sessions (spec 7.3)."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from headgate.control.auth.rotation import Exchange, Refused, judge, unknown
from headgate.control.auth.schemas import SessionView, TokenPair
from headgate.control.auth.sessions import Device, Issued, SessionRepository, end_sessions
from headgate.control.auth.throttle import admit_refresh
from headgate.control.auth.tokens import AccessTokens, Claims
from headgate.control.deps import WorkDeps
from headgate.control.settings.switches import BACKEND_MODE, is_switched_on
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.errors import Forbidden, NotFound
from headgate.storage.models import RefreshTokenRow, UserRow

log = structlog.get_logger(__name__)


def session_lifetime(deps: WorkDeps) -> timedelta:
    """Of a refresh token. An access token never outlives the row that can end it."""
    auth = deps.settings.auth
    return timedelta(seconds=max(auth.refresh_token_s, auth.access_token_s))


def token_pair(deps: WorkDeps, user: UserRow, issued: Issued) -> TokenPair:
    lifetime_s = deps.settings.auth.access_token_s
    claims = Claims(
        user_id=user.id,
        email=user.email,
        role=user.role,
        token_version=user.token_version,
        session=issued.session,
    )
    access = AccessTokens(deps.vault).issue(claims, now_s=deps.clock.now_ms() // 1000, lifetime_s=lifetime_s)
    return TokenPair(access_token=access, refresh_token=issued.refresh_token, expires_in=lifetime_s)


class SessionService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._deps = work.deps

    async def refresh(self, token: str, device: Device) -> TokenPair:
        """Raises `Throttled`, REFRESH_TOKEN_INVALID, REFRESH_TOKEN_EXPIRED, REFRESH_TOKEN_REUSED,
        TOKEN_REVOKED (401), USER_NOT_ACTIVE (403), REFRESH_TOKEN_ROTATED (409)."""
        await admit_refresh(self._deps, device.address)
        async with self._deps.uow() as uow:  # of its own: a refusal may end the session, and that must stay
            sessions = SessionRepository(uow.session, self._deps.vault)
            found = await sessions.find(token)
            outcome = (
                unknown()
                if found is None
                else await self._locked_exchange(
                    sessions, UserRepository(uow.session), found.user_id, token, device
                )
            )
        if isinstance(outcome, Refused):
            raise outcome.error
        return outcome

    async def _locked_exchange(
        self, sessions: SessionRepository, users: UserRepository, user_id: int, token: str, device: Device
    ) -> TokenPair | Refused:
        await admit_refresh(self._deps, f"user-{user_id}")
        try:
            user = await users.locked(user_id)
        except NotFound:
            return unknown()
        if user.role == "user" and await is_switched_on(users.session, BACKEND_MODE):
            raise Forbidden("only administrators log in to this installation", reason="BACKEND_MODE")
        found = await sessions.find(token)  # again: another request may have held the lock before
        if found is None:
            return unknown()
        now, grace = self._work.now(), timedelta(seconds=self._deps.settings.auth.refresh_grace_s)
        match judge(found, user, now=now, grace=grace):
            case Exchange():
                issued = await sessions.exchange(found, device, now, session_lifetime(self._deps))
                return token_pair(self._deps, user, issued)
            case Refused() as refused:
                if refused.ends_session:
                    await sessions.end(found.family, user.id, now)
                    log.warning("session_ended", user_id=user.id, reason=refused.error.reason)
                return refused

    async def log_out(self, token: str | None, device: Device) -> None:
        """End the session of a refresh token; an unknown one ends nothing, and nobody learns so. Raises
        `Throttled`."""
        if not token:
            return
        await admit_refresh(self._deps, device.address)
        sessions = SessionRepository(self._work.session, self._deps.vault)
        found = await sessions.find(token)
        if found is None:
            return
        await self._end(sessions, found.family, found.user_id)

    async def end(self, family: str) -> None:
        """One of the caller's own. Raises SESSION_NOT_FOUND."""
        sessions = SessionRepository(self._work.session, self._deps.vault)
        if not await self._end(sessions, family, self._work.actor.user_id):
            raise NotFound("session not found", reason="SESSION_NOT_FOUND")

    async def end_all(self) -> None:
        """Every session and access token of the caller, this one included."""
        user = await UserRepository(self._work.session).locked(self._work.actor.user_id)
        await end_sessions(self._work.session, user, self._work.now())

    async def own(self) -> Sequence[SessionView]:
        """Most recently refreshed first."""
        user = await UserRepository(self._work.session).get(self._work.actor.user_id)
        sessions = SessionRepository(self._work.session, self._deps.vault)
        rows = await sessions.of_user(user, self._work.now())
        return [_view(row, current=self._work.actor.session) for row in rows]

    async def _end(self, sessions: SessionRepository, family: str, user_id: int) -> bool:
        try:
            await UserRepository(self._work.session).locked(user_id)
        except NotFound:
            return False
        return await sessions.end(family, user_id, self._work.now())


def _view(row: RefreshTokenRow, *, current: str) -> SessionView:
    return SessionView(
        id=row.family,
        started_at=row.started_at,
        last_refreshed_at=row.created_at,
        expires_at=row.expires_at,
        address=row.address,
        user_agent=row.user_agent,
        is_current=row.family == current,
    )
