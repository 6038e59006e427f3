"""What went through a proxy: the calls of its present accounts (spec 8.5; appendix D: no made-up numbers)."""

from sqlalchemy import case, func, select

from headgate.control.proxies.check_schemas import ProxyStats
from headgate.control.proxies.repository import ProxyRepository
from headgate.control.statistics.figures import NONE, last_days
from headgate.control.statistics.repository import StatisticsRepository
from headgate.control.usage.period import zone
from headgate.control.work import Work
from headgate.core.money import to_usd
from headgate.kit.clock import instant
from headgate.storage.models import UsageRecordRow


async def stats_of(work: Work, proxy_id: int, days: int) -> ProxyStats:
    """Since midnight `days` - 1 days ago. Raises PROXY_NOT_FOUND."""
    proxies = ProxyRepository(work.session)
    await proxies.get(proxy_id)
    accounts = await proxies.accounts_of(proxy_id)
    ids = [row.id for row in accounts]
    span = last_days(days, zone("", work.deps.settings.timezone), now_ms=work.now_ms())
    since_ms = span.from_ms or 0
    figures = sum((await StatisticsRepository(work.session).of_accounts(ids, span)).values(), NONE)
    calls, failed, first_byte_ms = await _calls(work, ids, since_ms)
    return ProxyStats(
        total_accounts=len(accounts),
        active_accounts=sum(row.status == "active" and row.schedulable for row in accounts),
        since=instant(since_ms),
        total_requests=calls,
        failed_requests=failed,
        success_rate=round(100 * (calls - failed) / calls, 2) if calls else 100.0,
        average_latency=round(first_byte_ms, 1),
        total_tokens=figures.tokens,
        total_cost=to_usd(figures.account_cost),
    )


async def _calls(work: Work, account_ids: list[int], since_ms: int) -> tuple[int, int, float]:
    """Calls, those without a usable answer, and the mean time to the first byte in ms."""
    row = UsageRecordRow
    failed = func.sum(case((row.outcome == "failed", 1), else_=0))
    found = await work.session.execute(
        select(func.count(), failed, func.avg(row.first_byte_ms)).where(
            row.account_id.in_(account_ids), row.created_at_ms >= since_ms
        )
    )
    calls, lost, mean = found.one()
    return int(calls or 0), int(lost or 0), float(mean or 0)
