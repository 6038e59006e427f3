"""Draining the outbox: letters are claimed before they are sent, tried again with growing pauses, and deleted
once the mail server has them.

Whoever dies while sending leaves the letter to be sent again after `CLAIM_MS`, under the same Message-ID.
Which server takes it is read at each turn: mail waits out a wrong setting as it waits out a server.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage

import structlog
from sqlalchemy import CursorResult, delete, select, update

from headgate.control.audit.record import Call
from headgate.control.deps import UnitOfWorkFactory, WorkDeps
from headgate.control.mail.letters import Envelope, Letter, message_of
from headgate.control.mail.outbox import Posted, opened
from headgate.control.mail.settings import MailConfig, mail_config
from headgate.control.work import Work
from headgate.errors import ApiError
from headgate.kit.clock import Clock
from headgate.settings import MailSettings
from headgate.storage.models import MailOutboxRow
from headgate.upstream.mail import MailFailed, deliver

log = structlog.get_logger(__name__)

EVERY_S = 2.0
AT_ONCE = 3
BATCH = 30
MAX_DELAY_S = 900
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    id: int
    name: str
    kind: str
    attempts: int
    expires_at_ms: int
    created_at: datetime
    posted: Posted | None


async def deliver_due(deps: WorkDeps) -> int:
    """How many attempts were made, until nothing is due. Several processes may do this at once."""
    made = 0
    while claimed := await _claim(deps):
        config = await _config(deps)
        limit = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for letter in claimed:
                group.create_task(_attempt(deps, config, letter, limit), name=f"mail:{letter.id}")
        made += len(claimed)
    return made


def retry_at_ms(settings: MailSettings, attempts: int, now_ms: int) -> int | None:
    """After so many failed attempts; None: no more."""
    if attempts >= settings.max_attempts:
        return None
    delay_s = min(settings.retry_delay_s * 2 ** min(attempts - 1, 20), MAX_DELAY_S)
    return now_ms + int(delay_s * 1000)


async def delete_old_failures(uow: UnitOfWorkFactory, clock: Clock, settings: MailSettings) -> int:
    """Letters that failed, once nobody looks for them any more."""
    row = MailOutboxRow
    end_ms = clock.now_ms() - settings.failed_retention_days * DAY_MS
    async with uow() as work:
        result = await work.session.execute(
            delete(row)
            .where(row.status == "failed", row.next_at_ms < end_ms)
            .execution_options(synchronize_session=False)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount


def packed(
    config: MailConfig, recipient: str, letter: Letter, *, name: str, sent_at: datetime
) -> EmailMessage:
    """The message as it is handed over."""
    envelope = Envelope(
        sender=config.sender,
        sender_name=config.sender_name,
        recipient=recipient,
        site_name=config.site_name,
        sent_at=sent_at,
        message_id=f"<{name}@{config.sender.rpartition('@')[2]}>",
    )
    return message_of(letter, envelope)


async def _claim(deps: WorkDeps) -> Sequence[_Claimed]:
    """Due letters that nobody else works on now."""
    now_ms, row = deps.clock.now_ms(), MailOutboxRow
    claimed = []
    async with deps.uow() as uow:
        due = await uow.session.scalars(
            select(row)
            .where(row.status == "waiting", row.next_at_ms <= now_ms)
            .order_by(row.next_at_ms, row.id)
            .limit(BATCH)
        )
        for found in due.all():
            result = await uow.session.execute(
                update(row)
                .where(row.id == found.id, row.status == "waiting", row.next_at_ms == found.next_at_ms)
                .values(next_at_ms=now_ms + _claim_ms(deps.mail.settings))
                .execution_options(synchronize_session=False)
            )
            assert isinstance(result, CursorResult)
            if result.rowcount == 1:
                claimed.append(_claimed(deps, found))
    return claimed


def _claim_ms(settings: MailSettings) -> int:
    """Longer than a batch can take."""
    return int((settings.timeout_s * (BATCH / AT_ONCE) + 30) * 1000)


def _claimed(deps: WorkDeps, row: MailOutboxRow) -> _Claimed:
    return _Claimed(
        id=row.id,
        name=row.name,
        kind=row.kind,
        attempts=row.attempts,
        expires_at_ms=row.expires_at_ms,
        created_at=row.created_at,
        posted=opened(deps.vault, row),
    )


async def _config(deps: WorkDeps) -> MailConfig | ApiError:
    async with deps.uow() as uow:
        try:
            return await mail_config(Work(deps, uow, None, Call(action="mail"), None))
        except ApiError as missing:
            return missing


async def _attempt(
    deps: WorkDeps, config: MailConfig | ApiError, claimed: _Claimed, limit: asyncio.Semaphore
) -> None:
    async with limit:
        failure = await _send(deps, config, claimed)
    if failure is None:
        await _forget(deps, claimed)
        return
    reason, is_final = failure
    attempts, now_ms = claimed.attempts + 1, deps.clock.now_ms()
    again = None if is_final else retry_at_ms(deps.mail.settings, attempts, now_ms)
    if again is not None and again >= claimed.expires_at_ms:
        again = None
    log.warning("mail_failed", kind=claimed.kind, attempt=attempts, reason=reason, is_last=again is None)
    deps.mail.counts["failed" if again is None else "delayed"] += 1
    values: dict[str, object] = {"attempts": attempts, "reason": reason, "next_at_ms": again or now_ms}
    if again is None:
        values |= {"status": "failed", "sealed": b""}
    async with deps.uow() as uow:
        await uow.session.execute(
            update(MailOutboxRow)
            .where(MailOutboxRow.id == claimed.id)
            .values(values)
            .execution_options(synchronize_session=False)
        )


async def _send(deps: WorkDeps, config: MailConfig | ApiError, claimed: _Claimed) -> tuple[str, bool] | None:
    """None when there is nothing left to do; else the reason, and whether it stays so."""
    posted, left_ms = claimed.posted, claimed.expires_at_ms - deps.clock.now_ms()
    if posted is None:
        return "MAIL_UNREADABLE", True
    if left_ms <= 0:
        return "MAIL_TOO_LATE", True
    if not posted.goes:
        return None
    if isinstance(config, ApiError):
        return config.reason, False
    letter = posted.letter
    if letter.minutes:  # what is left of them, after however long it waited
        letter = replace(letter, minutes=-(-left_ms // 60_000))
    message = packed(config, posted.recipient, letter, name=claimed.name, sent_at=claimed.created_at)
    try:
        await deliver(config.server, message, deps.mail.settings)
    except MailFailed as failed:
        return failed.reason, failed.is_final
    deps.mail.counts["sent"] += 1
    return None


async def _forget(deps: WorkDeps, claimed: _Claimed) -> None:
    async with deps.uow() as uow:
        await uow.session.execute(
            delete(MailOutboxRow)
            .where(MailOutboxRow.id == claimed.id)
            .execution_options(synchronize_session=False)
        )
