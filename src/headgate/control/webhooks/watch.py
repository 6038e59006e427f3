"""Watching for what the data plane does to keys, balances and accounts.

The journal writes by the thousand and tells nobody; so this looks, and notes in the same transaction what it
has told: nothing is told twice, and nothing is lost to a crash.
"""

from collections.abc import Awaitable, Callable

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.deps import ControlDeps
from headgate.control.webhooks.events import EventType
from headgate.control.webhooks.outbox import listeners, tell
from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import Outlook, current, forecast
from headgate.core.money import from_usd, to_usd
from headgate.storage.models import (
    AccountGroupRow,
    AccountRow,
    ApiKeyRow,
    GroupRow,
    UserRow,
    WebhookNoticeRow,
)

EVERY_S = 10.0
LOCK, LOCK_S = "job:webhook-watch", 60.0
MOST = 500
"""Told of one kind in one look."""
_FORETOLD = (Outlook.EXHAUSTED, Outlook.WILL_EXHAUST)
_SEEDED = "seeded"


async def watch_for_events(deps: ControlDeps) -> int:
    """How many events were written. One process looks at a time."""
    token = await deps.state.locks.acquire(LOCK, ttl_s=LOCK_S)
    if token is None:
        return 0
    watchers: tuple[tuple[EventType, Callable[[ControlDeps, AsyncSession], Awaitable[int]]], ...] = (
        (EventType.KEY_EXHAUSTED, _keys),
        (EventType.BALANCE_LOW, _balances),
        (EventType.ACCOUNT_DOWN, _accounts),
        (EventType.QUOTA_FORECAST, _forecasts),
        (EventType.ALERT_FIRED, _alerts),
    )
    told = 0
    try:
        for kind, watch in watchers:
            async with deps.uow() as uow:
                if await listeners(uow.session, kind, EventType.ACCOUNT_RECOVERED):
                    told += await watch(deps, uow.session)
    finally:
        await deps.state.locks.release(LOCK, token)
    return told


async def _keys(deps: ControlDeps, session: AsyncSession) -> int:
    """Whose quota was used up already when watching began is no news."""
    kind, key, notice = EventType.KEY_EXHAUSTED, ApiKeyRow, WebhookNoticeRow
    now_ms = deps.clock.now_ms()
    is_used_up = (key.quota_nano > 0) & (key.quota_used_nano >= key.quota_nano) & key.deleted_at.is_(None)
    noted = select(notice.subject).where(notice.kind == kind.value)
    query = select(key).where(is_used_up).order_by(key.id)
    known = set(await session.scalars(noted))
    used_up = list(await session.scalars(query))
    is_new = _SEEDED not in known
    news = [row for row in used_up if str(row.id) not in known][: None if is_new else MOST]
    for row in news:
        if not is_new:
            data = {
                "key_id": row.id,
                "name": row.name,
                "user_id": row.user_id,
                "quota_usd": to_usd(row.quota_nano),
                "used_usd": to_usd(row.quota_used_nano),
            }
            await tell(session, kind, data, now_ms=now_ms)
    fresh = [str(row.id) for row in news] + ([_SEEDED] if is_new else [])
    await _note(session, kind.value, fresh, now_ms)
    await _forget(session, kind.value, known - {str(row.id) for row in used_up} - {_SEEDED})
    return 0 if is_new else len(news)


async def _balances(deps: ControlDeps, session: AsyncSession) -> int:
    """Those who fall below the threshold; who never had more is not told of."""
    threshold = from_usd(deps.settings.webhooks.balance_low_usd)
    user, notice, now_ms = UserRow, WebhookNoticeRow, deps.clock.now_ms()
    enough = {
        int(subject)
        for subject in await session.scalars(select(notice.subject).where(notice.kind == "balance.enough"))
    }
    fallen = [
        row
        for row in await session.scalars(
            select(user).where(user.balance_nano < threshold, user.deleted_at.is_(None)).order_by(user.id)
        )
        if row.id in enough
    ][:MOST]
    for row in fallen:
        data = {
            "user_id": row.id,
            "email": row.email,
            "balance_usd": to_usd(row.balance_nano),
            "threshold_usd": deps.settings.webhooks.balance_low_usd,
        }
        await tell(session, EventType.BALANCE_LOW, data, now_ms=now_ms)
    await _forget(session, "balance.enough", {str(row.id) for row in fallen})
    risen = await session.scalars(
        select(user.id).where(user.balance_nano >= threshold, user.deleted_at.is_(None))
    )
    await _note(session, "balance.enough", [str(id_) for id_ in risen if id_ not in enough], now_ms)
    return len(fallen)


async def _accounts(deps: ControlDeps, session: AsyncSession) -> int:
    account, notice, now_ms = AccountRow, WebhookNoticeRow, deps.clock.now_ms()
    kind = EventType.ACCOUNT_DOWN.value
    known = set(await session.scalars(select(notice.subject).where(notice.kind == kind)))
    down = {
        str(row.id): row
        for row in await session.scalars(
            select(account)
            .where(account.status == "error", account.deleted_at.is_(None))
            .order_by(account.id)
        )
    }
    news = [row for subject, row in down.items() if subject not in known][:MOST]
    for row in news:
        await tell(
            session, EventType.ACCOUNT_DOWN, _account(row) | {"error": row.error_message}, now_ms=now_ms
        )
    over = known - down.keys()
    for subject in sorted(over):
        found = await session.get(AccountRow, int(subject))
        if found is not None and found.deleted_at is None:
            await tell(session, EventType.ACCOUNT_RECOVERED, _account(found), now_ms=now_ms)
    await _note(session, kind, [str(row.id) for row in news], now_ms)
    await _forget(session, kind, over)
    return len(news) + len(over)


async def _forecasts(deps: ControlDeps, session: AsyncSession) -> int:
    """Once for each window that will not last, as long as it runs."""
    account, now_ms, kind = AccountRow, deps.clock.now_ms(), EventType.QUOTA_FORECAST
    rows = await session.scalars(
        select(account).where(account.status == "active", account.deleted_at.is_(None)).order_by(account.id)
    )
    told = 0
    for row in rows:
        readings = await deps.state.quota_windows.readings(AccountId(row.id))
        for (window, model), found in current(readings, now_ms).items():
            seen = forecast(found, now_ms)
            subject = f"{row.id}:{window}:{model}:{seen.reading.resets_at_ms // 60_000}"[:200]
            if seen.outlook not in _FORETOLD or await _is_noted(session, kind.value, subject):
                continue
            data = _account(row) | {
                "window": window,
                "model": model,
                "outlook": seen.outlook.value,
                "exhausted_at_ms": seen.exhausted_at_ms,
                "resets_at_ms": seen.reading.resets_at_ms,
            }
            await tell(session, kind, data, now_ms=now_ms)
            await _note(session, kind.value, [subject], now_ms)
            told += 1
    month_ms = 32 * 24 * 3600 * 1000
    await session.execute(
        delete(WebhookNoticeRow).where(
            WebhookNoticeRow.kind == kind.value, WebhookNoticeRow.at_ms < now_ms - month_ms
        )
    )
    return told


async def _alerts(deps: ControlDeps, session: AsyncSession) -> int:
    """Groups all of whose accounts are off: every request to them fails."""
    group, link, account = GroupRow, AccountGroupRow, AccountRow
    kind, now_ms = EventType.ALERT_FIRED, deps.clock.now_ms()
    linked = exists().where(link.group_id == group.id)
    serving = exists().where(
        link.group_id == group.id,
        link.account_id == account.id,
        account.status == "active",
        account.schedulable.is_(True),
        account.deleted_at.is_(None),
    )
    dark = {
        f"group_without_accounts:{row.id}": row
        for row in await session.scalars(
            select(group)
            .where(group.status == "active", group.deleted_at.is_(None), linked, ~serving)
            .order_by(group.id)
        )
    }
    known = set(
        await session.scalars(select(WebhookNoticeRow.subject).where(WebhookNoticeRow.kind == kind.value))
    )
    news = [subject for subject in dark if subject not in known][:MOST]
    for subject in news:
        row = dark[subject]
        data = {"alert": "group_without_accounts", "group_id": row.id, "name": row.name}
        await tell(session, kind, data, now_ms=now_ms)
    await _note(session, kind.value, news, now_ms)
    await _forget(session, kind.value, known - dark.keys())
    return len(news)


def _account(row: AccountRow) -> dict[str, object]:
    return {"account_id": row.id, "name": row.name, "platform": row.platform}


async def _is_noted(session: AsyncSession, kind: str, subject: str) -> bool:
    notice = WebhookNoticeRow
    return bool(await session.scalar(select(exists().where(notice.kind == kind, notice.subject == subject))))


async def _note(session: AsyncSession, kind: str, subjects: list[str], now_ms: int) -> None:
    session.add_all(WebhookNoticeRow(kind=kind, subject=subject, at_ms=now_ms) for subject in subjects)
    await session.flush()


async def _forget(session: AsyncSession, kind: str, subjects: set[str]) -> None:
    if subjects:
        notice = WebhookNoticeRow
        await session.execute(delete(notice).where(notice.kind == kind, notice.subject.in_(sorted(subjects))))
