"""Login, password change, profile (spec 7.4, 7.6). A password change ends every other session
(appendix D)."""

from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.auth.identity import hashed, judged
from headgate.control.auth.password_rules import require_good_password
from headgate.control.auth.proof import ProofBody, proven_user
from headgate.control.auth.refreshing import session_lifetime, token_pair
from headgate.control.auth.schemas import SecondStepView, TokenView
from headgate.control.auth.second_step import passed_second_step, second_step
from headgate.control.auth.sessions import Device, SessionRepository, end_sessions
from headgate.control.auth.throttle import admit_password_change, login_throttle
from headgate.control.settings.switches import BACKEND_MODE, is_switched_on
from headgate.control.users.repository import UserRepository, normal_email
from headgate.control.users.view import user_view
from headgate.control.work import Actor, Work
from headgate.errors import BadRequest, Forbidden, Unauthenticated
from headgate.storage.models import UserRow


async def require_may_enter(session: AsyncSession, user: UserRow) -> None:
    """Raises BACKEND_MODE (403): people without rights have no business here."""
    if user.role == "user" and await is_switched_on(session, BACKEND_MODE):
        raise Forbidden("only administrators log in to this installation", reason="BACKEND_MODE")


class AuthService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._deps = work.deps
        self._users = UserRepository(work.session)

    async def login(self, email: str, password: str, device: Device) -> TokenView | SecondStepView:
        """Begin a session, or ask for the second step. Raises `Throttled`, INVALID_CREDENTIALS (401) or
        USER_NOT_ACTIVE (403, only with the right password)."""
        email = normal_email(email)
        throttle = login_throttle(self._deps)
        await throttle.admit(address=device.address, email=email)
        user = await self._users.by_email(email)
        stored = user.password_hash if user else None
        await self._work.release_connection()
        verdict = await judged(self._deps, password, stored)
        user = await self._users.by_email(email)
        if (
            not verdict.is_right or user is None or user.password_hash != stored
        ):  # it may have changed meanwhile
            raise Unauthenticated("invalid email or password", reason="INVALID_CREDENTIALS")
        if user.status != "active":
            raise Forbidden("user is not active", reason="USER_NOT_ACTIVE")
        await throttle.succeeded(email=email)
        if verdict.better_hash is not None:
            await self._users.replace_hash(user.id, user.password_hash, verdict.better_hash)
        if user.totp_enabled_at is not None:
            return second_step(self._work, user)
        return await self.start_session(user, device)

    async def second_step(self, ticket: str, code: str, device: Device) -> TokenView:
        """Raises what `passed_second_step` raises."""
        user = await passed_second_step(self._work, ticket, code, address=device.address)
        return await self.start_session(user, device)

    async def change_password(self, proof: ProofBody, new: str, device: Device) -> None:
        """Or set the first one. Ends the caller's other sessions. Raises PASSWORD_TOO_WEAK, and what
        `proven_user` raises."""
        await admit_password_change(self._deps, device.address)
        if new == proof.password:
            raise BadRequest("the new password is the old one; choose another", reason="PASSWORD_TOO_WEAK")
        min_chars = self._deps.settings.auth.min_password_chars
        require_good_password(new, email=self._work.actor.email, min_chars=min_chars)
        digest = await hashed(self._deps, new)
        user = (await proven_user(self._work, proof)).user
        user.password_hash = digest
        user.updated_at = self._work.now()
        await end_sessions(self._work.session, user, user.updated_at, keep=self._work.actor.session)

    async def start_session(self, user: UserRow, device: Device) -> TokenView:
        """For somebody who has proven who it is. Raises BACKEND_MODE."""
        await require_may_enter(self._work.session, user)
        self._work.recognised = Actor(user_id=user.id, email=user.email, role=user.role, via="token")
        sessions = SessionRepository(self._work.session, self._deps.vault)
        issued = await sessions.start(user, device, self._work.now(), session_lifetime(self._deps))
        pair = token_pair(self._deps, user, issued)
        allowed = await self._users.allowed_groups([user.id])
        return TokenView(**pair.model_dump(), user=user_view(user, allowed.get(user.id, [])))
