"""The numbers at the top of a dashboard: how many there are, how much was used, how busy it is now."""

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, case, func, select

from headgate.control.statistics.figures import last_days
from headgate.control.statistics.repository import StatisticsRepository
from headgate.control.statistics.schemas import AdminTotals, Realtime, Totals, prefixed
from headgate.control.usage.period import Span, zone
from headgate.control.usage.repository import UsageFilter
from headgate.control.work import Work
from headgate.kit.clock import instant
from headgate.storage.models import AccountRow, ApiKeyRow, UsageRecordRow, UserRow

RATE_MINUTES = 5
MINUTE_MS = 60_000


async def own_totals(work: Work) -> Totals:
    """Of the caller."""
    return Totals(**await _usage(work, work.actor.user_id))


async def admin_totals(work: Work, *, started_at_ms: int) -> AdminTotals:
    today_ms = last_days(1, _zone(work), now_ms=work.now_ms()).from_ms or 0
    statistics = StatisticsRepository(work.session)
    return AdminTotals(
        **await _usage(work, None),
        **await _people(work, today_ms),
        **await _accounts(work),
        active_users=await statistics.users_since(today_ms),
        hourly_active_users=await statistics.users_since(work.now_ms() - 60 * MINUTE_MS),
        uptime=max(0, work.now_ms() - started_at_ms) // 1000,
        stats_updated_at=work.now(),
        stats_stale=False,
    )


async def realtime(work: Work) -> Realtime:
    """What goes on now, from the slots and from the records of the last minute."""
    row = UsageRecordRow
    failed = func.sum(case((row.outcome == "failed", 1), else_=0))
    span = (row.created_at_ms >= work.now_ms() - MINUTE_MS,)
    failures = await work.session.scalar(select(failed).where(*span)) or 0
    last = await StatisticsRepository(work.session).total(UsageFilter(span=Span(work.now_ms() - MINUTE_MS)))
    ids = await work.session.scalars(select(AccountRow.id).where(AccountRow.deleted_at.is_(None)))
    return Realtime(
        active_requests=sum((await work.deps.live.accounts(list(ids))).values()),
        requests_per_minute=last.requests,
        tokens_per_minute=last.tokens,
        average_response_time=last.mean_duration_ms,
        error_rate=int(failures) / last.requests if last.requests else 0.0,
    )


async def _usage(work: Work, user_id: int | None) -> dict[str, Any]:
    statistics = StatisticsRepository(work.session)
    total = await statistics.since_the_beginning(user_id=user_id)
    midnight = last_days(1, _zone(work), now_ms=work.now_ms())
    today = await statistics.total(UsageFilter(user_id=user_id, span=midnight))
    recent = Span(work.now_ms() - RATE_MINUTES * MINUTE_MS)
    last = await statistics.total(UsageFilter(user_id=user_id, span=recent))
    keys, active = await _keys(work, user_id)
    return {
        **prefixed("total", total),
        **prefixed("today", today),
        "total_api_keys": keys,
        "active_api_keys": active,
        "average_duration_ms": total.mean_duration_ms,
        "rpm": last.requests / RATE_MINUTES,
        "tpm": last.tokens / RATE_MINUTES,
    }


async def _keys(work: Work, user_id: int | None) -> tuple[int, int]:
    query = select(func.count(), _how_many(ApiKeyRow.status == "active")).where(
        ApiKeyRow.deleted_at.is_(None)
    )
    if user_id is not None:
        query = query.where(ApiKeyRow.user_id == user_id)
    total, active = (await work.session.execute(query)).one()
    return total, int(active or 0)


async def _people(work: Work, today_ms: int) -> dict[str, int]:
    today = instant(today_ms)
    query = select(func.count(), _how_many(UserRow.created_at >= today)).where(UserRow.deleted_at.is_(None))
    total, new = (await work.session.execute(query)).one()
    return {"total_users": total, "today_new_users": int(new or 0)}


async def _accounts(work: Work) -> dict[str, int]:
    row, now = AccountRow, work.now()
    is_limited, is_overloaded = row.rate_limit_reset_at > now, row.overload_until > now
    counts = {
        "normal_accounts": (row.status == "active") & row.schedulable,
        "error_accounts": row.status == "error",
        "ratelimit_accounts": is_limited,
        "overload_accounts": is_overloaded,
    }
    query = select(func.count(), *(_how_many(test) for test in counts.values()))
    found = (await work.session.execute(query.where(row.deleted_at.is_(None)))).one()
    named = dict(zip(counts, (int(value or 0) for value in found[1:]), strict=True))
    return {"total_accounts": found[0], **named}


def _how_many(test: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((test, 1), else_=0))


def _zone(work: Work) -> ZoneInfo:
    return zone("", work.deps.settings.timezone)
