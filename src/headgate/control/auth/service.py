"""Login, password change, profile (spec 7.4, 7.6). A password change ends every other session
(appendix D)."""

from headgate.control.auth.refreshing import session_lifetime, token_pair
from headgate.control.auth.schemas import TokenView
from headgate.control.auth.sessions import Device, SessionRepository, end_sessions
from headgate.control.auth.throttle import LoginThrottle
from headgate.control.users.repository import UserRepository, normal_email
from headgate.control.users.view import user_view
from headgate.control.web.faults import RetryLater
from headgate.control.work import Actor, Work
from headgate.errors import BadRequest, Conflict, Forbidden, Unauthenticated
from headgate.storage.models import UserRow


class AuthService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._deps = work.deps
        self._users = UserRepository(work.session)

    async def login(self, email: str, password: str, device: Device) -> TokenView:
        """Begin a session. Raises `Throttled`, INVALID_CREDENTIALS (401) or USER_NOT_ACTIVE (403, only with
        the right password)."""
        email = normal_email(email)
        throttle = LoginThrottle(self._deps.state.counters, self._deps.settings.auth, self._deps.vault)
        await throttle.admit(address=device.address, email=email)
        user = await self._users.by_email(email)
        stored = user.password_hash if user else None
        await self._work.release_connection()
        is_right = await self._verify(password, stored)
        user = await self._users.by_email(email)
        if not is_right or user is None or user.password_hash != stored:  # it may have changed meanwhile
            raise Unauthenticated("invalid email or password", reason="INVALID_CREDENTIALS")
        if user.status != "active":
            raise Forbidden("user is not active", reason="USER_NOT_ACTIVE")
        await throttle.succeeded(email=email)
        self._work.recognised = Actor(user_id=user.id, email=user.email, role=user.role, via="token")
        return await self._start(user, device)

    async def change_password(self, old: str, new: str) -> None:
        """Raises PASSWORD_INCORRECT, or `Throttled` after too many wrong old passwords."""
        user = await self._users.get(self._work.actor.user_id)
        throttle = LoginThrottle(self._deps.state.counters, self._deps.settings.auth, self._deps.vault)
        email, stored = user.email, user.password_hash
        await self._work.release_connection()
        await throttle.admit(address=f"user-{self._work.actor.user_id}", email=email)
        if not await self._verify(old, stored):
            raise BadRequest("current password is incorrect", reason="PASSWORD_INCORRECT")
        await throttle.succeeded(email=email)
        digest = await self._deps.passwords.hash(new)
        user = await self._users.locked(self._work.actor.user_id)
        if user.password_hash != stored:
            raise Conflict("the password was changed meanwhile", reason="CONFLICT")
        user.password_hash = digest
        user.updated_at = self._work.now()
        await end_sessions(self._work.session, user, user.updated_at, keep=self._work.actor.session)

    async def _verify(self, password: str, stored: str | None) -> bool:
        try:
            return await self._deps.passwords.verify(password, stored)
        except TimeoutError:
            raise RetryLater("password hashing is saturated") from None

    async def _start(self, user: UserRow, device: Device) -> TokenView:
        sessions = SessionRepository(self._work.session, self._deps.vault)
        issued = await sessions.start(user, device, self._work.now(), session_lifetime(self._deps))
        pair = token_pair(self._deps, user, issued)
        allowed = await self._users.allowed_groups([user.id])
        return TokenView(**pair.model_dump(), user=user_view(user, allowed.get(user.id, [])))
