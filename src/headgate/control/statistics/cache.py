"""What prompt caches save, and what conversations lose that move away from theirs (decision 30)."""

from typing import Any

from sqlalchemy import select

from headgate.control.statistics.figures import CacheFigures
from headgate.control.statistics.repository import StatisticsRepository
from headgate.control.statistics.schemas import (
    CacheByAccount,
    CacheByCause,
    CacheByModel,
    CacheReport,
    CacheSums,
)
from headgate.control.statistics.service import Wanted
from headgate.control.work import Work
from headgate.core.money import to_usd
from headgate.storage.models import AccountRow, UsageRecordRow

_R = UsageRecordRow
_NOTHING = CacheFigures("", 0, 0, 0, 0, 0, 0, 0)


async def cache_report(work: Work, wanted: Wanted, *, limit: int) -> CacheReport:
    """Over everything, and by account, model and cause of moving: the largest amounts first."""
    repository = StatisticsRepository(work.session)
    total = await repository.cache_by(None, wanted.filter, limit=1)
    accounts = await repository.cache_by(_R.account_id, wanted.filter, limit=limit)
    models = await repository.cache_by(_R.upstream_model, wanted.filter, limit=limit)
    causes = await repository.cache_by(_R.moved_because, wanted.filter, limit=limit + 1)
    named = select(AccountRow.id, AccountRow.name).where(AccountRow.id.in_([one.name for one in accounts]))
    names = {row.id: row.name for row in await work.session.execute(named)}
    return CacheReport(
        total=CacheSums(**_sums(total[0] if total else _NOTHING)),
        accounts=[
            CacheByAccount(account_id=one.name, account_name=names.get(one.name, ""), **_sums(one))
            for one in accounts
        ],
        models=[CacheByModel(model=one.name, **_sums(one)) for one in models],
        causes=[CacheByCause(cause=one.name, **_sums(one)) for one in causes if one.name is not None],
        **wanted.named(),
    )


def _sums(figures: CacheFigures) -> dict[str, Any]:
    return {
        "requests": figures.requests,
        "moved_requests": figures.moved,
        "input_tokens": figures.input_tokens,
        "cache_read_tokens": figures.read_tokens,
        "cache_creation_tokens": figures.written_tokens,
        "cache_hit_rate": figures.hit_rate,
        "saved": to_usd(figures.saved),
        "lost": to_usd(figures.lost),
    }
