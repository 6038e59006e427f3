"""A forgotten password: a link by mail, and what it is good for (spec 7.6).

The token is behind the #: no server's log, proxy or Referer ever has it. The answer, its time and what is
written are the same whether or not anybody has the address.
"""

from urllib.parse import urlencode

from headgate.control.auth.identity import hashed
from headgate.control.auth.mail_codes import SORTS, MailCodes, Purpose
from headgate.control.auth.password_rules import require_good_password
from headgate.control.auth.sessions import end_sessions
from headgate.control.auth.throttle import admit_at_door, admit_letter, login_throttle
from headgate.control.mail.letters import Kind, Letter
from headgate.control.mail.sending import send_after_commit
from headgate.control.mail.settings import ADDRESS
from headgate.control.registration.policy import RegistrationPolicy, link_base, registration_policy
from headgate.control.users.repository import UserRepository, normal_email
from headgate.control.work import Actor, Work
from headgate.errors import BadRequest, Forbidden, Unavailable


class PasswordReset:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._codes = MailCodes(work, Purpose.RESET)
        self._users = UserRepository(work.session)

    async def send_link(self, email: str, *, address: str, language: str) -> None:
        """To an active user; nobody learns whether there is one. Raises `Throttled`, PASSWORD_RESET_DISABLED
        (403), CONFIG_NOT_READY, EMAIL_NOT_CONFIGURED, EMAIL_QUEUE_FULL (503)."""
        await admit_at_door(self._work.deps, "forgot-password", address)
        policy = await self._policy()
        email = normal_email(email)
        if not ADDRESS.fullmatch(email) or await self._codes.seconds_to_wait(email):
            return
        if not await admit_letter(self._work.deps, email):
            return
        sort = SORTS[Purpose.RESET]
        fields = urlencode({"email": email, "token": await self._codes.issue(email)})
        letter = Letter(
            kind=Kind.RESET_PASSWORD,
            language=language,
            link=f"{link_base(self._work, policy)}/reset-password#{fields}",
            minutes=int(sort.lifetime.total_seconds() // 60),
        )
        user = await self._users.by_email(email)
        is_known = user is not None and user.status == "active" and not email.endswith(".invalid")
        lifetime_s = int(sort.lifetime.total_seconds())
        await send_after_commit(self._work, email, letter, lifetime_s=lifetime_s, goes=is_known)

    async def reset(self, email: str, token: str, password: str, *, address: str) -> None:
        """Ends every session of the user. Raises `Throttled`, PASSWORD_RESET_DISABLED, INVALID_RESET_TOKEN,
        PASSWORD_TOO_WEAK."""
        await admit_at_door(self._work.deps, "reset-password", address)
        await self._policy()
        email = normal_email(email)
        if not await self._codes.admit_try(email) or not await self._codes.is_right(email, token):
            raise _invalid()
        min_chars = self._work.deps.settings.auth.min_password_chars
        require_good_password(password, email=email, min_chars=min_chars)
        await self._work.release_connection()
        digest = await hashed(self._work.deps, password)
        await self._apply(email, token, digest)
        await login_throttle(self._work.deps).succeeded(email=email)

    async def _apply(self, email: str, token: str, digest: str) -> None:
        user = await self._users.by_email(email)
        if user is None or user.status != "active":
            raise _invalid()
        user = await self._users.locked(user.id)
        if not await self._codes.is_right(email, token) or not await self._codes.spend(email):
            raise _invalid()
        user.password_hash = digest
        user.updated_at = self._work.now()
        await end_sessions(self._work.session, user, user.updated_at)
        self._work.recognised = Actor(user_id=user.id, email=user.email, role=user.role, via="mail")

    async def _policy(self) -> RegistrationPolicy:
        policy = await registration_policy(self._work.session)
        if not (policy.is_on("email_verify_enabled") and policy.is_on("password_reset_enabled")):
            raise Forbidden("passwords are not reset by mail here", reason="PASSWORD_RESET_DISABLED")
        if not link_base(self._work, policy):
            raise Unavailable("the address of this installation is not set", reason="CONFIG_NOT_READY")
        return policy


def _invalid() -> BadRequest:
    return BadRequest("the link is wrong, was used, or is too old", reason="INVALID_RESET_TOKEN")
