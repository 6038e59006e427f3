"""All of a dashboard in one answer that many who look at it share (spec 8.1)."""

from dataclasses import dataclass

from headgate.control.deps import ControlDeps
from headgate.control.statistics.schemas import Snapshot
from headgate.control.statistics.service import StatisticsService, Wanted
from headgate.control.statistics.totals import admin_totals
from headgate.control.work import Work

TTL_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    stats: bool
    trend: bool
    models: bool
    groups: bool
    users_trend: int
    """How many users; 0: not asked for."""


async def snapshot(work: Work, deps: ControlDeps, wanted: Wanted, parts: Parts) -> tuple[Snapshot, bool]:
    """And whether it was there already."""
    return await deps.memo.get(
        ("snapshot", wanted, parts),
        lambda: _taken(work, deps, wanted, parts),
        ttl_s=TTL_S,
        now_ms=work.now_ms(),
    )


async def _taken(work: Work, deps: ControlDeps, wanted: Wanted, parts: Parts) -> Snapshot:
    service = StatisticsService(work)
    return Snapshot(
        generated_at=work.now(),
        granularity=wanted.granularity,
        **wanted.named(),
        stats=await admin_totals(work, started_at_ms=deps.started_at_ms) if parts.stats else None,
        trend=await service.trend(wanted) if parts.trend else None,
        models=await service.models(wanted, "requested") if parts.models else None,
        groups=await service.groups(wanted) if parts.groups else None,
        users_trend=await service.users_trend(wanted, limit=parts.users_trend) if parts.users_trend else None,
    )
