"""What accounts served and cost (spec 5.10): from the records of each, by their own index."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select

from headgate.control.accounts.bulk_schemas import (
    AccountStatsView,
    DayStats,
    ModelStats,
    WindowStats,
)
from headgate.control.accounts.repository import AccountRepository
from headgate.control.statistics.figures import NONE, Figures, folded, labels, last_days
from headgate.control.statistics.repository import StatisticsRepository
from headgate.control.usage.period import zone
from headgate.control.usage.repository import UsageFilter
from headgate.control.work import Work
from headgate.core.money import to_usd
from headgate.storage.models import AccountRow, UsageRecordRow

MAX_MODELS = 100


async def today_of(work: Work, account_ids: Sequence[int]) -> dict[int, WindowStats]:
    """Since midnight of the installation's time zone; of accounts that exist."""
    found = await work.session.scalars(
        select(AccountRow.id).where(AccountRow.id.in_(account_ids), AccountRow.deleted_at.is_(None))
    )
    span = last_days(1, zone("", work.deps.settings.timezone), now_ms=work.now_ms())
    statistics = StatisticsRepository(work.session)
    sums = await statistics.of_accounts(list(found), span)
    return {account_id: window(figures) for account_id, figures in sums.items()}


async def history_of(work: Work, account_id: int, days: int) -> AccountStatsView:
    """Raises ACCOUNT_NOT_FOUND."""
    await AccountRepository(work.session).get(account_id)
    where = zone("", work.deps.settings.timezone)
    span = last_days(days, where, now_ms=work.now_ms())
    wanted = replace(UsageFilter(account_id=account_id), span=span)
    statistics = StatisticsRepository(work.session)
    points = labels(span, "day", where, now_ms=work.now_ms())
    by_day = folded(await statistics.slices(wanted), "day", where, points)
    by_model = await statistics.by(
        [UsageRecordRow.upstream_model], wanted, order="requests", limit=MAX_MODELS
    )
    return AccountStatsView(
        history=[DayStats(date=date, **window(day).model_dump()) for date, day in by_day.items()],
        summary=window(sum(by_day.values(), NONE)),
        models=[ModelStats(model=key[0], **window(figures).model_dump()) for key, figures in by_model],
    )


def window(figures: Figures) -> WindowStats:
    return WindowStats(
        requests=figures.requests,
        tokens=figures.tokens,
        cost=to_usd(figures.account_cost),
        standard_cost=to_usd(figures.list_cost),
        user_cost=to_usd(figures.charge),
    )
