"""Login, password change, profile (spec 7.4, 7.6). A password change ends every session (appendix D)."""

from headgate.control.auth.schemas import TokenView
from headgate.control.auth.throttle import LoginThrottle
from headgate.control.auth.tokens import AccessTokens, Claims
from headgate.control.users.repository import UserRepository, normal_email
from headgate.control.users.view import user_view
from headgate.control.web.faults import RetryLater
from headgate.control.work import Work
from headgate.errors import BadRequest, Forbidden, Unauthenticated
from headgate.storage.models import UserRow


class AuthService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._deps = work.deps
        self._users = UserRepository(work.session)

    async def login(self, email: str, password: str, *, address: str) -> TokenView:
        """Raises `Throttled`, INVALID_CREDENTIALS (401) or USER_NOT_ACTIVE (403, only with the right
        password)."""
        email = normal_email(email)
        throttle = LoginThrottle(self._deps.state.counters, self._deps.settings.auth, self._deps.vault)
        await throttle.admit(address=address, email=email)
        user = await self._users.by_email(email)
        stored = user.password_hash if user else None
        await self._work.release_connection()
        is_right = await self._verify(password, stored)
        user = await self._users.by_email(email)
        if not is_right or user is None:
            raise Unauthenticated("invalid email or password", reason="INVALID_CREDENTIALS")
        if user.status != "active":
            raise Forbidden("user is not active", reason="USER_NOT_ACTIVE")
        await throttle.succeeded(email=email)
        return await self._token(user)

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
        user = await self._users.get(self._work.actor.user_id)
        user.password_hash = digest
        user.token_version += 1
        user.updated_at = self._work.now()

    async def _verify(self, password: str, stored: str | None) -> bool:
        try:
            return await self._deps.passwords.verify(password, stored)
        except TimeoutError:
            raise RetryLater("password hashing is saturated") from None

    async def _token(self, user: UserRow) -> TokenView:
        lifetime_s = self._deps.settings.auth.access_token_s
        claims = Claims(user_id=user.id, email=user.email, role=user.role, token_version=user.token_version)
        token = AccessTokens(self._deps.vault).issue(
            claims, now_s=self._work.now_ms() // 1000, lifetime_s=lifetime_s
        )
        allowed = await self._users.allowed_groups([user.id])
        return TokenView(
            access_token=token, expires_in=lifetime_s, user=user_view(user, allowed.get(user.id, []))
        )
