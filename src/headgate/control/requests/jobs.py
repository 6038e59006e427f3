"""Deleting traces that are older than the operator keeps. Records and ledger lines stay."""

from sqlalchemy import CursorResult, delete, select

from headgate.control.deps import UnitOfWorkFactory
from headgate.kit.clock import Clock
from headgate.settings import TraceSettings
from headgate.storage.models import ExchangeTraceRow

DAY_MS = 86_400_000
CHUNK = 500
"""Rows of one transaction: SQLite has one writer, and the journal must not wait long for it."""


async def delete_old_traces(uow: UnitOfWorkFactory, clock: Clock, settings: TraceSettings) -> int:
    """How many went; with `retention_days` 0 nothing ever goes."""
    if settings.retention_days == 0:
        return 0
    end = clock.now_ms() - settings.retention_days * DAY_MS
    trace, deleted = ExchangeTraceRow, 0
    oldest = (
        select(trace.exchange_id)
        .where(trace.created_at_ms < end)
        .order_by(trace.created_at_ms)
        .limit(CHUNK)
        .scalar_subquery()
    )
    while True:
        async with uow() as work:
            result = await work.session.execute(
                delete(trace)
                .where(trace.exchange_id.in_(oldest))
                .execution_options(synchronize_session=False)
            )
            assert isinstance(result, CursorResult)
        deleted += result.rowcount
        if result.rowcount < CHUNK:
            return deleted
