"""Letters are written in the transaction of what they are about: what is rolled back was never mailed, and
what happened is mailed whatever dies afterwards.

A letter lies sealed for its own row: a copy of the database lets nobody in.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.deps import WorkDeps
from headgate.control.mail.letters import Kind, Letter
from headgate.control.mail.settings import ADDRESS, is_mail_configured
from headgate.errors import Unavailable
from headgate.kit import json
from headgate.kit.clock import instant
from headgate.kit.crypto import SealBroken, Vault
from headgate.storage.models import MailOutboxRow, UserRow

log = structlog.get_logger(__name__)

ALERT_LIFETIME_MS = 24 * 3600 * 1000
MAX_ALERT_READERS = 20
MAX_LINES, MAX_LINE_CHARS, MAX_TITLE_CHARS = 50, 500, 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A letter with its reader."""

    recipient: str
    letter: Letter
    goes: bool = True
    """False: written like any other, and not sent; nobody can tell from outside."""


async def require_room(deps: WorkDeps, session: AsyncSession) -> None:
    """Raises EMAIL_QUEUE_FULL."""
    row = MailOutboxRow
    waiting = await session.scalar(select(func.count()).select_from(row).where(row.status == "waiting"))
    if (waiting or 0) >= deps.settings.mail.max_waiting:
        raise Unavailable(
            "too much mail is waiting to be sent; try again in a minute",
            reason="EMAIL_QUEUE_FULL",
            metadata={"retry_after": "60"},
        )


def post(deps: WorkDeps, session: AsyncSession, posted: Posted, *, lifetime_ms: int) -> None:
    """Write it; the jobs send it after the commit, at most for `lifetime_ms`."""
    now_ms, name = deps.clock.now_ms(), secrets.token_hex(16)
    session.add(
        MailOutboxRow(
            name=name,
            kind=posted.letter.kind.value,
            sealed=_sealed(deps.vault, posted, name),
            status="waiting",
            attempts=0,
            next_at_ms=now_ms,
            expires_at_ms=now_ms + lifetime_ms,
            reason="",
            created_at=instant(now_ms),
        )
    )


async def mail_alert(
    deps: WorkDeps,
    session: AsyncSession,
    title: str,
    lines: Sequence[str],
    *,
    recipients: Sequence[str] = (),
    language: str = "en",
) -> int:
    """Write an alert letter to the recipients, or to the active administrators when none are named; how many.
    0 when no mail server is set, or too much waits already: an alert never fails what it is about.

    `title` and `lines` are plain text without secrets, cut to what a letter holds."""
    if not await is_mail_configured(session):
        return 0
    try:
        await require_room(deps, session)
    except Unavailable:
        log.warning("alert_not_mailed", reason="EMAIL_QUEUE_FULL")
        return 0
    letter = Letter(
        kind=Kind.ALERT,
        language=language,
        title=title[:MAX_TITLE_CHARS],
        lines=[line[:MAX_LINE_CHARS] for line in lines[:MAX_LINES]],
    )
    readers = list(dict.fromkeys(recipients or await _administrators(session)))[:MAX_ALERT_READERS]
    usable = [reader for reader in readers if ADDRESS.fullmatch(reader)]
    for reader in usable:
        post(deps, session, Posted(recipient=reader, letter=letter), lifetime_ms=ALERT_LIFETIME_MS)
    await session.flush()
    return len(usable)


def opened(vault: Vault, row: MailOutboxRow) -> Posted | None:
    """None when it was sealed with another master key, or for another row."""
    try:
        content: dict[str, Any] = json.loads(vault.unseal(row.sealed, context=_context(row.name)))
    except SealBroken:
        return None
    return Posted(
        recipient=content["to"],
        goes=content["goes"],
        letter=Letter(
            kind=Kind(row.kind),
            language=content["language"],
            code=content["code"],
            link=content["link"],
            minutes=content["minutes"],
            title=content["title"],
            lines=content["lines"],
        ),
    )


def _sealed(vault: Vault, posted: Posted, name: str) -> bytes:
    letter = posted.letter
    content = {
        "to": posted.recipient,
        "goes": posted.goes,
        "language": letter.language,
        "code": letter.code,
        "link": letter.link,
        "minutes": letter.minutes,
        "title": letter.title,
        "lines": list(letter.lines),
    }
    return vault.seal(json.dumps(content), context=_context(name))


def _context(name: str) -> str:
    return f"mail.outbox:{name}"


async def _administrators(session: AsyncSession) -> Sequence[str]:
    user = UserRow
    query = (
        select(user.email)
        .where(user.role == "admin", user.status == "active", user.deleted_at.is_(None))
        .order_by(user.id)
        .limit(MAX_ALERT_READERS)
    )
    found = await session.scalars(query)
    return [email for email in found if not email.endswith(".invalid")]
