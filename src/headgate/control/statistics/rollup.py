"""Adding records up to hourly sums, again and again (ADR 28)."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, delete, func, insert, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.deps import UnitOfWorkFactory
from headgate.control.statistics.figures import NAMES
from headgate.control.statistics.repository import HOUR_MS, RECORD_SUMS, StatisticsRepository
from headgate.control.work import Work
from headgate.errors import BadRequest
from headgate.kit.clock import Clock
from headgate.state.protocols import LockStore
from headgate.storage.models import UsageHourRow, UsageRecordRow

EVERY_S = 300
SETTLED_AFTER_MS = 10 * 60_000
"""An hour is added up this long after its end: a settlement is written again until it is, and most arrive."""
REPEATED_HOURS = 3
"""And once more during the hours that follow, for what arrived later still."""
HOURS_PER_TURN = 24
"""Of one transaction, so that nobody waits long for the database."""
MAX_BACKFILL_DAYS = 31
_TURN = "job:roll-up-usage"
_HOUR = literal_column(f"usage_records.created_at_ms / {HOUR_MS} * {HOUR_MS}", BigInteger)


async def roll_up_usage(uow: UnitOfWorkFactory, clock: Clock, locks: LockStore) -> int:
    """How many hours were added up; one of many processes does it."""
    if await locks.acquire(_TURN, ttl_s=EVERY_S * 0.9) is None:
        return 0
    end_ms = (clock.now_ms() - SETTLED_AFTER_MS) // HOUR_MS * HOUR_MS
    async with uow() as work:
        rolled_ms = await StatisticsRepository(work.session).rolled_until_ms()
    start_ms, done = max(0, rolled_ms - REPEATED_HOURS * HOUR_MS), 0
    while True:
        async with uow() as work:
            start_ms = await _next_hour_ms(work.session, start_ms)
            until_ms = min(end_ms, start_ms + HOURS_PER_TURN * HOUR_MS)
            if until_ms <= start_ms:
                return done
            await add_up(work.session, start_ms, until_ms)
        done += (until_ms - start_ms) // HOUR_MS
        start_ms = until_ms


async def backfill(work: Work, start: datetime, end: datetime) -> int:
    """How many hours. Those that are not over by long are left to the next turn. Raises INVALID_INPUT, or
    BACKFILL_TOO_LONG."""
    first, last = (at if at.tzinfo else at.replace(tzinfo=UTC) for at in (start, end))
    if last <= first or first.timestamp() < 0:
        raise BadRequest("end must be after start, and neither before 1970")
    if (last - first).days > MAX_BACKFILL_DAYS:
        raise BadRequest(f"add up at most {MAX_BACKFILL_DAYS} days at a time", reason="BACKFILL_TOO_LONG")
    from_ms = round(first.timestamp() * 1000) // HOUR_MS * HOUR_MS
    settled_ms = (work.now_ms() - SETTLED_AFTER_MS) // HOUR_MS * HOUR_MS
    until_ms = min(-(-round(last.timestamp() * 1000) // HOUR_MS) * HOUR_MS, settled_ms)
    # Nothing after the newest sum: the records there still count as the tail, and must not count twice.
    until_ms = min(until_ms, await StatisticsRepository(work.session).rolled_until_ms())
    if until_ms <= from_ms:
        return 0
    await add_up(work.session, from_ms, until_ms)
    return (until_ms - from_ms) // HOUR_MS


async def add_up(session: AsyncSession, from_ms: int, until_ms: int) -> None:
    """Compute the sums of whole hours again from the records that there are."""
    hour, record = UsageHourRow, UsageRecordRow
    await session.execute(delete(hour).where(hour.hour_ms >= from_ms, hour.hour_ms < until_ms))
    sums = (
        select(_HOUR, record.user_id, record.group_id, *RECORD_SUMS)
        .where(record.created_at_ms >= from_ms, record.created_at_ms < until_ms)
        .group_by(_HOUR, record.user_id, record.group_id)
    )
    await session.execute(insert(hour).from_select(["hour_ms", "user_id", "group_id", *_COLUMNS], sums))


_MONEY = ("list_cost", "charge", "account_cost")
_COLUMNS = [f"{name}_nano" if name in _MONEY else name for name in NAMES]


async def _next_hour_ms(session: AsyncSession, from_ms: int) -> int:
    """The hour of the first record from there on; years without any are not walked through. Far away when
    there is none."""
    record = UsageRecordRow
    first = await session.scalar(
        select(func.min(record.created_at_ms)).where(record.created_at_ms >= from_ms)
    )
    return 2**62 if first is None else first // HOUR_MS * HOUR_MS
