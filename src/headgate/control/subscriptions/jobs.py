"""Marking subscriptions whose time has passed (spec 4.8). For lists and filters by stored status: admission
refuses by the clock."""

from datetime import datetime

from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.deps import UnitOfWorkFactory
from headgate.control.subscriptions.repository import NOT_REVOKED
from headgate.kit.clock import Clock, instant
from headgate.state.protocols import LockStore
from headgate.storage.models import SubscriptionRow

EVERY_S = 60
CHUNK = 500
"""Rows of one transaction: an update of this many holds the write lock of SQLite for milliseconds."""
_TURN = "job:expire-subscriptions"


async def expire_subscriptions(uow: UnitOfWorkFactory, clock: Clock, locks: LockStore) -> int:
    """How many were marked. A turn is taken and not given back, so that of many processes one works per
    minute; should it die, the next minute is somebody else's."""
    if await locks.acquire(_TURN, ttl_s=EVERY_S * 0.9) is None:
        return 0
    expired = 0
    while True:
        now = instant(clock.now_ms())
        async with uow() as work:
            marked = await _mark(work.session, now)
        expired += marked
        if marked < CHUNK:
            return expired


async def _mark(session: AsyncSession, now: datetime) -> int:
    row = SubscriptionRow
    over = (NOT_REVOKED, row.status == "active", row.expires_at <= now)
    chosen = select(row.id).where(*over).order_by(row.expires_at, row.id).limit(CHUNK)
    result = await session.execute(
        update(row)
        .where(row.id.in_(chosen.scalar_subquery()), *over)
        .values(status="expired", updated_at=now)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)
    return result.rowcount
