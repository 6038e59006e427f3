"""Login, password change, profile (spec 7.4, 7.6). A password change ends every other session
(appendix D)."""

from headgate.control.auth.password_rules import require_good_password
from headgate.control.auth.passwords import Verdict
from headgate.control.auth.refreshing import session_lifetime, token_pair
from headgate.control.auth.schemas import TokenView
from headgate.control.auth.sessions import Device, SessionRepository, end_sessions
from headgate.control.auth.throttle import admit_password_change, login_throttle
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
        throttle = login_throttle(self._deps)
        await throttle.admit(address=device.address, email=email)
        user = await self._users.by_email(email)
        stored = user.password_hash if user else None
        await self._work.release_connection()
        verdict = await self._judge(password, stored)
        user = await self._users.by_email(email)
        if (
            not verdict.is_right or user is None or user.password_hash != stored
        ):  # it may have changed meanwhile
            raise Unauthenticated("invalid email or password", reason="INVALID_CREDENTIALS")
        if user.status != "active":
            raise Forbidden("user is not active", reason="USER_NOT_ACTIVE")
        await throttle.succeeded(email=email)
        self._work.recognised = Actor(user_id=user.id, email=user.email, role=user.role, via="token")
        if verdict.better_hash is not None:
            await self._users.replace_hash(user.id, user.password_hash, verdict.better_hash)
        return await self._start(user, device)

    async def change_password(self, old: str, new: str, device: Device) -> None:
        """Ends the caller's other sessions. Raises PASSWORD_INCORRECT, PASSWORD_TOO_WEAK, or
        `Throttled` after too many wrong old passwords."""
        user = await self._users.get(self._work.actor.user_id)
        throttle = login_throttle(self._deps)
        email, stored = user.email, user.password_hash
        await self._work.release_connection()
        await admit_password_change(self._deps, device.address)
        await throttle.admit_account(email=email)
        if not (await self._judge(old, stored)).is_right:
            raise BadRequest("current password is incorrect", reason="PASSWORD_INCORRECT")
        await throttle.succeeded(email=email)
        if new == old:
            raise BadRequest("the new password is the old one; choose another", reason="PASSWORD_TOO_WEAK")
        require_good_password(new, email=email, min_chars=self._deps.settings.auth.min_password_chars)
        digest = await self._hash(new)
        user = await self._users.locked(self._work.actor.user_id)
        if user.password_hash != stored:
            raise Conflict("the password was changed meanwhile", reason="CONFLICT")
        user.password_hash = digest
        user.updated_at = self._work.now()
        await end_sessions(self._work.session, user, user.updated_at, keep=self._work.actor.session)

    async def _hash(self, password: str) -> str:
        try:
            return await self._deps.passwords.hash(password)
        except TimeoutError:
            raise RetryLater("password hashing is saturated") from None

    async def _judge(self, password: str, stored: str | None) -> Verdict:
        try:
            return await self._deps.passwords.judge(password, stored)
        except TimeoutError:
            raise RetryLater("password hashing is saturated") from None

    async def _start(self, user: UserRow, device: Device) -> TokenView:
        sessions = SessionRepository(self._work.session, self._deps.vault)
        issued = await sessions.start(user, device, self._work.now(), session_lifetime(self._deps))
        pair = token_pair(self._deps, user, issued)
        allowed = await self._users.allowed_groups([user.id])
        return TokenView(**pair.model_dump(), user=user_view(user, allowed.get(user.id, [])))
