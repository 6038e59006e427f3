"""The second step of a login (spec 7.4): what the first one hands out, and what it is exchanged for."""

from headgate.control.auth.schemas import SecondStepView
from headgate.control.auth.throttle import admit_code, admit_second_step, forget_codes, use_once
from headgate.control.totp import tickets
from headgate.control.totp.service import TotpService
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.errors import BadRequest, Forbidden, NotFound
from headgate.storage.models import UserRow


def second_step(work: Work, user: UserRow) -> SecondStepView:
    """For a user whose password was right; a change of it makes the ticket void."""
    content: dict[str, int | str] = {"user_id": user.id, "token_version": user.token_version}
    ticket = tickets.issue(work.deps.vault, tickets.LOGIN, content, now_s=work.now_ms() // 1000)
    return SecondStepView(temp_token=ticket, user_email_masked=masked_email(user.email))


async def passed_second_step(work: Work, ticket: str, code: str, *, address: str) -> UserRow:
    """The user, locked, whose ticket and code these are. Raises `Throttled`, INVALID_2FA_SESSION,
    USER_NOT_ACTIVE, TOTP_INVALID_CODE, TOTP_TOO_MANY_ATTEMPTS."""
    await admit_second_step(work.deps, address)
    content = tickets.read(work.deps.vault, tickets.LOGIN, ticket, now_s=work.now_ms() // 1000)
    if content is None:
        raise _expired()
    user_id = int(content["user_id"])
    await admit_code(work.deps, user_id)
    try:
        user = await UserRepository(work.session).locked(user_id)
    except NotFound:
        raise _expired() from None
    if user.status != "active":
        raise Forbidden("user is not active", reason="USER_NOT_ACTIVE")
    if user.token_version != content["token_version"]:
        raise _expired()
    if user.totp_enabled_at is not None:  # else it was switched off a moment ago: the password was right
        await TotpService(work).require_code(user, code)
    if not await use_once(work.deps, f"2fa:{tickets.name_of(ticket)}", window_s=tickets.LIFETIME_S):
        raise _expired()
    await forget_codes(work.deps, user_id)
    return user


def masked_email(email: str) -> str:
    """`a***@example.com`."""
    name, _, host = email.partition("@")
    return f"{name[:1]}***@{host}"


def _expired() -> BadRequest:
    return BadRequest("Invalid or expired 2FA session", reason="INVALID_2FA_SESSION")
