"""Registration: every check in its order, then a user (spec 7.2)."""

from sqlalchemy import func, select, update

from headgate.control.auth.identity import hashed
from headgate.control.auth.mail_codes import SORTS, MailCodes, Purpose
from headgate.control.auth.password_rules import require_good_password
from headgate.control.auth.throttle import admit_at_door, admit_letter
from headgate.control.codes.invitations import invitation_problem, use_invitation
from headgate.control.mail.letters import Kind, Letter
from headgate.control.mail.sending import send_after_commit
from headgate.control.promos.applying import apply_promo
from headgate.control.registration.policy import (
    USER_LIMIT,
    RegistrationPolicy,
    checked_address,
    registration_policy,
)
from headgate.control.registration.schemas import RegisterBody
from headgate.control.users.repository import UserRepository
from headgate.control.users.schemas import UserCreate
from headgate.control.users.service import UserService
from headgate.control.work import SYSTEM, Work
from headgate.errors import ApiError, BadRequest, Conflict, Forbidden, TooManyRequests
from headgate.storage.models import SettingRow, UserRow


class RegistrationService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._codes = MailCodes(work, Purpose.REGISTER)

    async def send_code(self, email: str, *, address: str, language: str) -> int:
        """Mail a code; the seconds until another may be asked for. Raises `Throttled`, REGISTRATION_DISABLED,
        EMAIL_VERIFY_NOT_ENABLED, EMAIL_EXISTS, VERIFY_CODE_TOO_FREQUENT, and what `checked_address` and
        `send_after_commit` raise."""
        await admit_at_door(self._work.deps, "send-code", address)
        policy = await registration_policy(self._work.session)
        await self._require_open(policy)
        if not policy.is_on("email_verify_enabled"):
            raise BadRequest("no code is needed to register here", reason="EMAIL_VERIFY_NOT_ENABLED")
        email = checked_address(email, policy)
        await self._require_unused(email)
        if wait := await self._codes.seconds_to_wait(email):
            raise _too_frequent(wait)
        if not await admit_letter(self._work.deps, email):
            raise _too_frequent(3600)
        sort = SORTS[Purpose.REGISTER]
        letter = Letter(
            kind=Kind.VERIFY_EMAIL,
            language=language,
            code=await self._codes.issue(email),
            minutes=int(sort.lifetime.total_seconds() // 60),
        )
        lifetime_s = int(sort.lifetime.total_seconds())
        await send_after_commit(self._work, email, letter, lifetime_s=lifetime_s)
        return int(sort.pause.total_seconds())

    async def register(self, draft: RegisterBody, *, address: str) -> UserRow:
        """A new user, with what newcomers are given. Raises `Throttled`, REGISTRATION_DISABLED (403),
        INVITATION_CODE_REQUIRED, INVITATION_CODE_INVALID, EMAIL_VERIFY_REQUIRED, INVALID_VERIFY_CODE (400),
        VERIFY_CODE_MAX_ATTEMPTS (429), EMAIL_EXISTS (409), PASSWORD_TOO_WEAK, and what `checked_address`
        raises."""
        await admit_at_door(self._work.deps, "register", address)
        policy = await registration_policy(self._work.session)
        email = await self._checked(draft, policy)
        min_chars = self._work.deps.settings.auth.min_password_chars
        require_good_password(draft.password, email=email, min_chars=min_chars)
        await self._work.release_connection()
        digest = await hashed(self._work.deps, draft.password)
        return await self._create(draft, digest)

    async def _create(self, draft: RegisterBody, digest: str) -> UserRow:
        """Everything is looked at again: it may have changed while the password was hashed."""
        policy = await registration_policy(self._work.session)
        await lock_user_limit(self._work, policy)
        email = await self._checked(draft, policy, counts=False)
        self._work.act_as(SYSTEM)
        new = UserCreate(email=email, password=draft.password, username="")
        user = await UserService(self._work).create(new, digest=digest)
        if policy.is_on("email_verify_enabled") and not await self._codes.spend(email):
            raise _wrong_code()
        if policy.is_on("invitation_code_enabled"):
            await use_invitation(self._work, user.id, draft.invitation_code)
        if policy.is_on("promo_code_enabled") and draft.promo_code.strip():
            await self._try_promo(user, draft.promo_code)
        return user

    async def _checked(self, draft: RegisterBody, policy: RegistrationPolicy, *, counts: bool = True) -> str:
        """The address, when nothing speaks against it; `counts`: a wrong code is a try."""
        await self._require_open(policy)
        email = checked_address(draft.email, policy)
        if policy.is_on("invitation_code_enabled"):
            await require_invitation(self._work, draft.invitation_code)
        if policy.is_on("email_verify_enabled"):
            await self._require_code(email, draft.verify_code, counts=counts)
        await self._require_unused(email)
        return email

    async def _require_open(self, policy: RegistrationPolicy) -> None:
        if not policy.is_on("registration_enabled"):
            raise Forbidden("registration is closed", reason="REGISTRATION_DISABLED")
        await require_room(self._work, policy)

    async def _require_code(self, email: str, code: str, *, counts: bool) -> None:
        if not code.strip():
            raise BadRequest("verify_code is needed: ask for one first", reason="EMAIL_VERIFY_REQUIRED")
        if counts and not await self._codes.admit_try(email):
            raise TooManyRequests(
                "too many wrong codes; ask for a new one", reason="VERIFY_CODE_MAX_ATTEMPTS"
            )
        if not await self._codes.is_right(email, code):
            raise _wrong_code()

    async def _require_unused(self, email: str) -> None:
        if await UserRepository(self._work.session).by_email(email) is not None:
            raise Conflict("email is already in use", reason="EMAIL_EXISTS")

    async def _try_promo(self, user: UserRow, code: str) -> None:
        try:
            await apply_promo(self._work, user.id, code)
        except ApiError:
            return  # a code that does not work keeps nobody out (spec 7.2); it was refused before any write


async def is_code_checked(work: Work, draft: RegisterBody) -> bool:
    """Whether the code will say what Turnstile would: asking for it needed a Turnstile token (spec 7.2)."""
    policy = await registration_policy(work.session)
    return policy.is_on("email_verify_enabled") and bool(draft.verify_code.strip())


async def require_room(work: Work, policy: RegistrationPolicy) -> None:
    """Raises REGISTRATION_DISABLED when there are as many users as there may be."""
    if policy.user_limit <= 0:
        return
    query = select(func.count()).select_from(UserRow).where(UserRow.deleted_at.is_(None))
    if (await work.session.scalar(query) or 0) >= policy.user_limit:
        raise Forbidden("no more users can register", reason="REGISTRATION_DISABLED")


async def lock_user_limit(work: Work, policy: RegistrationPolicy) -> None:
    """Until the commit nobody else counts users, so that the last place is given once."""
    if policy.user_limit > 0:
        row = SettingRow
        await work.session.execute(
            update(row)
            .where(row.key == USER_LIMIT)
            .values(key=row.key)
            .execution_options(synchronize_session=False)
        )


async def require_invitation(work: Work, code: str) -> None:
    """Raises INVITATION_CODE_REQUIRED, INVITATION_CODE_INVALID."""
    if not code.strip():
        raise BadRequest("an invitation code is needed", reason="INVITATION_CODE_REQUIRED")
    if await invitation_problem(work, code):
        raise BadRequest("this invitation does not work (any more)", reason="INVITATION_CODE_INVALID")


def _wrong_code() -> BadRequest:
    return BadRequest("the code is wrong, was used, or is too old", reason="INVALID_VERIFY_CODE")


def _too_frequent(seconds: int) -> TooManyRequests:
    return TooManyRequests(
        "a code was sent a moment ago; look into the mailbox, or ask again later",
        reason="VERIFY_CODE_TOO_FREQUENT",
        metadata={"retry_after": str(seconds)},
    )
