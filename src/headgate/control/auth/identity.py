"""Proving a password, and that it is still the one (spec 7.6)."""

from headgate.control.auth.passwords import Verdict
from headgate.control.auth.throttle import login_throttle
from headgate.control.deps import WorkDeps
from headgate.control.users.repository import UserRepository
from headgate.control.web.faults import RetryLater
from headgate.control.work import Work
from headgate.errors import BadRequest, Conflict
from headgate.storage.models import UserRow


async def judged(deps: WorkDeps, password: str, stored: str | None) -> Verdict:
    """Raises `RetryLater` when too many passwords are checked at this moment."""
    try:
        return await deps.passwords.judge(password, stored)
    except TimeoutError:
        raise RetryLater("password hashing is saturated") from None


async def hashed(deps: WorkDeps, password: str) -> str:
    """Raises as above."""
    try:
        return await deps.passwords.hash(password)
    except TimeoutError:
        raise RetryLater("password hashing is saturated") from None


async def prove_password(work: Work, password: str) -> str:
    """The hash that the password fits; the caller's row must be read again. No connection is held meanwhile.
    Raises PASSWORD_REQUIRED, PASSWORD_INCORRECT, or `Throttled` after too many wrong ones."""
    if not password:
        raise BadRequest("the password is needed", reason="PASSWORD_REQUIRED")
    user = await UserRepository(work.session).get(work.actor.user_id)
    email, stored = user.email, user.password_hash
    await work.release_connection()
    throttle = login_throttle(work.deps)
    await throttle.admit_account(email=email)
    if not (await judged(work.deps, password, stored)).is_right:
        raise BadRequest("current password is incorrect", reason="PASSWORD_INCORRECT")
    await throttle.succeeded(email=email)
    return stored


async def locked_unchanged(work: Work, stored: str) -> UserRow:
    """The caller, locked. Raises CONFLICT when the password is no longer the one that was proven."""
    user = await UserRepository(work.session).locked(work.actor.user_id)
    if user.password_hash != stored:
        raise Conflict("the password was changed meanwhile", reason="CONFLICT")
    return user
