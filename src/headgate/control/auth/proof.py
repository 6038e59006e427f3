"""Proving again who one is, before a change that a borrowed session must not make: by the password, by a code
that was mailed, or by signing in at a linked provider once more (spec 7.5).

Who came in through a provider may have no password at all: `password_hash` is empty then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from headgate.control.auth.identity import locked_unchanged, prove_password
from headgate.control.auth.mail_codes import SORTS, MailCodes, Purpose
from headgate.control.auth.passwords import MAX_PASSWORD_CHARS
from headgate.control.auth.throttle import admit_letter
from headgate.control.mail.letters import Kind, Letter
from headgate.control.mail.sending import send_after_commit
from headgate.control.mail.settings import ADDRESS, is_mail_configured
from headgate.control.settings.values import read_text
from headgate.control.totp import tickets
from headgate.control.users.repository import UserRepository
from headgate.control.web.fields import RequestBody
from headgate.control.work import Work
from headgate.errors import BadRequest, TooManyRequests
from headgate.storage.models import UserRow

KIND = "login.proof"
LIFETIME_S = 300
"""How long a sign-in at a provider counts for the session that began it."""


class Method(StrEnum):
    PASSWORD = "password"  # noqa: S105 - the name of a method
    EMAIL = "email"
    PROVIDER = "provider"


class ProofBody(RequestBody):
    """One of the three."""

    password: Annotated[str, Field(max_length=MAX_PASSWORD_CHARS)] = ""
    email_code: Annotated[str, Field(max_length=32)] = ""
    """Of `POST /user/totp/send-code`."""
    proof_token: Annotated[str, Field(max_length=tickets.MAX_CHARS)] = ""
    """Of `POST /auth/oauth/{provider}/prove`."""


@dataclass(frozen=True, slots=True)
class Proven:
    user: UserRow
    """Locked."""
    by: Method


async def proven_user(work: Work, given: ProofBody) -> Proven:
    """The caller, locked. Raises PASSWORD_REQUIRED, VERIFY_CODE_REQUIRED or PROVIDER_LOGIN_REQUIRED when
    nothing is given, PASSWORD_INCORRECT, INVALID_VERIFY_CODE, INVALID_PROOF_TOKEN, VERIFY_CODE_MAX_ATTEMPTS
    (429), or `Throttled` after too many wrong passwords."""
    if given.password:
        stored = await prove_password(work, given.password)
        return Proven(await locked_unchanged(work, stored), Method.PASSWORD)
    if given.email_code:
        return Proven(await _by_code(work, given.email_code), Method.EMAIL)
    if given.proof_token:
        return Proven(await _by_token(work, given.proof_token), Method.PROVIDER)
    raise await _nothing_given(work)


async def methods(work: Work, user: UserRow, *, has_identities: bool) -> Sequence[Method]:
    """What the user can prove itself by now, the usual one first."""
    possible = {
        Method.PASSWORD: bool(user.password_hash),
        Method.EMAIL: await _has_mail(work, user),
        Method.PROVIDER: has_identities,
    }
    return [method for method, is_possible in possible.items() if is_possible]


async def send_code(work: Work, *, language: str) -> int:
    """Mail the caller a code; the seconds until another may be asked for. Raises VERIFY_CODE_TOO_FREQUENT
    (429), EMAIL_VERIFY_NOT_ENABLED, and what `send_after_commit` raises."""
    user = await UserRepository(work.session).get(work.actor.user_id)
    if not await _has_mail(work, user):
        raise BadRequest("no codes are mailed to this address", reason="EMAIL_VERIFY_NOT_ENABLED")
    codes, sort = MailCodes(work, Purpose.PROOF), SORTS[Purpose.PROOF]
    if wait := await codes.seconds_to_wait(user.email):
        raise _too_frequent(wait)
    if not await admit_letter(work.deps, user.email):
        raise _too_frequent(3600)
    lifetime_s = int(sort.lifetime.total_seconds())
    letter = Letter(
        kind=Kind.PROVE_YOURSELF,
        language=language,
        code=await codes.issue(user.email),
        minutes=lifetime_s // 60,
    )
    await send_after_commit(work, user.email, letter, lifetime_s=lifetime_s)
    return int(sort.pause.total_seconds())


def issue_token(work: Work, user: UserRow) -> str:
    """For the session that asks, after its user signed in at a linked provider."""
    content = _content(work, user.id, user.token_version)
    return tickets.issue(work.deps.vault, KIND, content, now_s=work.now_ms() // 1000, lifetime_s=LIFETIME_S)


def _content(work: Work, user_id: int, token_version: int) -> dict[str, int | str]:
    return {"user_id": user_id, "token_version": token_version, "session": work.actor.session}


async def _by_code(work: Work, code: str) -> UserRow:
    user = await UserRepository(work.session).get(work.actor.user_id)
    if not await _has_mail(work, user):
        raise _wrong_code()
    codes = MailCodes(work, Purpose.PROOF)
    if not await codes.admit_try(user.email):
        raise TooManyRequests("too many wrong codes; ask for a new one", reason="VERIFY_CODE_MAX_ATTEMPTS")
    locked = await UserRepository(work.session).locked(user.id)
    if not await codes.is_right(locked.email, code) or not await codes.spend(locked.email):
        raise _wrong_code()
    return locked


async def _by_token(work: Work, token: str) -> UserRow:
    content = tickets.read(work.deps.vault, KIND, token, now_s=work.now_ms() // 1000)
    user = await UserRepository(work.session).locked(work.actor.user_id)
    wanted = _content(work, user.id, user.token_version)
    if content is None or any(content.get(name) != value for name, value in wanted.items()):
        raise BadRequest("sign in at the provider once more", reason="INVALID_PROOF_TOKEN")
    return user


async def _nothing_given(work: Work) -> BadRequest:
    user = await UserRepository(work.session).get(work.actor.user_id)
    if user.password_hash:
        return BadRequest("the password is needed", reason="PASSWORD_REQUIRED")
    if await _has_mail(work, user):
        return BadRequest("a mailed code is needed: email_code", reason="VERIFY_CODE_REQUIRED")
    return BadRequest(
        "signing in at a linked provider is needed: proof_token", reason="PROVIDER_LOGIN_REQUIRED"
    )


async def _has_mail(work: Work, user: UserRow) -> bool:
    """Mailboxes prove something where the operator has them checked, and where mail goes."""
    is_usable = ADDRESS.fullmatch(user.email) is not None and not user.email.endswith(".invalid")
    is_checked = await read_text(work.session, "email_verify_enabled") == "true"
    return is_usable and is_checked and await is_mail_configured(work.session)


def _wrong_code() -> BadRequest:
    return BadRequest("the code is wrong, was used, or is too old", reason="INVALID_VERIFY_CODE")


def _too_frequent(seconds: int) -> TooManyRequests:
    return TooManyRequests(
        "a code was sent a moment ago; look into the mailbox, or ask again later",
        reason="VERIFY_CODE_TOO_FREQUENT",
        metadata={"retry_after": str(seconds)},
    )
