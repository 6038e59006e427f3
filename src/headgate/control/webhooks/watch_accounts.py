"""Accounts that are marked with an error or work again, and quota windows that will not last."""

from sqlalchemy import String, cast, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.deps import ControlDeps
from headgate.control.webhooks.events import EventType
from headgate.control.webhooks.notices import forget, is_noted, note, noted
from headgate.control.webhooks.outbox import tell
from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import Outlook, current, forecast
from headgate.storage.models import AccountRow, WebhookNoticeRow

MOST = 500
MONTH_MS = 32 * 24 * 3600 * 1000
_FORETOLD = (Outlook.EXHAUSTED, Outlook.WILL_EXHAUST)


async def watch_accounts(session: AsyncSession, now_ms: int) -> int:
    account, notice, kind = AccountRow, WebhookNoticeRow, EventType.ACCOUNT_DOWN.value
    is_down = (account.status == "error", account.deleted_at.is_(None))
    news = list(
        await session.scalars(
            select(account).where(*is_down, ~is_noted(kind, account.id)).order_by(account.id).limit(MOST)
        )
    )
    for row in news:
        data = _account(row) | {"error": row.error_message}
        await tell(session, EventType.ACCOUNT_DOWN, data, now_ms=now_ms)
    still_down = exists().where(cast(account.id, String) == notice.subject, *is_down)
    over = list(await session.scalars(select(notice.subject).where(notice.kind == kind, ~still_down)))
    for subject in sorted(over):
        found = await session.get(AccountRow, int(subject))
        if found is not None and found.deleted_at is None:
            await tell(session, EventType.ACCOUNT_RECOVERED, _account(found), now_ms=now_ms)
    await note(session, kind, [str(row.id) for row in news], now_ms)
    await forget(session, kind, over)
    return len(news) + len(over)


async def watch_forecasts(deps: ControlDeps, session: AsyncSession, now_ms: int) -> int:
    """Once for each window that will not last, as long as it runs."""
    account, kind = AccountRow, EventType.QUOTA_FORECAST
    rows = await session.scalars(
        select(account).where(account.status == "active", account.deleted_at.is_(None)).order_by(account.id)
    )
    known = await noted(session, kind.value)
    told = []
    for row in rows:
        readings = await deps.state.quota_windows.readings(AccountId(row.id))
        for (window, model), found in current(readings, now_ms).items():
            seen = forecast(found, now_ms)
            subject = f"{row.id}:{window}:{model}:{seen.reading.resets_at_ms // 60_000}"[:200]
            if seen.outlook not in _FORETOLD or subject in known:
                continue
            data = _account(row) | {
                "window": window,
                "model": model,
                "outlook": seen.outlook.value,
                "exhausted_at_ms": seen.exhausted_at_ms,
                "resets_at_ms": seen.reading.resets_at_ms,
            }
            await tell(session, kind, data, now_ms=now_ms)
            told.append(subject)
    await note(session, kind.value, dict.fromkeys(told), now_ms)
    notice = WebhookNoticeRow
    await session.execute(delete(notice).where(notice.kind == kind.value, notice.at_ms < now_ms - MONTH_MS))
    return len(told)


def _account(row: AccountRow) -> dict[str, object]:
    return {"account_id": row.id, "name": row.name, "platform": row.platform}
