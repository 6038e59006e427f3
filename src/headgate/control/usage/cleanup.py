"""Clean-up tasks: what of usage is detail goes, what is the books stays (spec 8.7, decision 43).

Gone afterwards: the client's address and program, the provider's request id, and the trace of why the request
went as it did. Tokens, costs and ledger lines stay: what was charged can still be proved and corrected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.usage.cleanup_schemas import CleanupBody
from headgate.control.usage.period import Span
from headgate.control.usage.query import UsageQuery, usage_filter
from headgate.control.usage.repository import UsageFilter, conditions
from headgate.control.web.envelope import Paging
from headgate.control.work import Work
from headgate.errors import BadRequest, Conflict, NotFound
from headgate.storage.models import ExchangeTraceRow, UsageCleanupTaskRow, UsageRecordRow

MAX_DAYS = 31
HOUR_MS = 3_600_000
MAX_WAITING = 100
OPEN = ("pending", "running")
BLANK: Mapping[str, Any] = {"user_agent": "", "client_ip": "", "upstream_request_id": None}
"""Columns of a record that are nobody's books."""


class CleanupService:
    def __init__(self, work: Work) -> None:
        self._work = work

    async def create(self, body: CleanupBody) -> UsageCleanupTaskRow:
        """Raises USAGE_CLEANUP_MISSING_RANGE, _INVALID_RANGE, _RANGE_TOO_LARGE, INVALID_INPUT."""
        wanted = await self._wanted(body)
        task, now = UsageCleanupTaskRow, self._work.now()
        waiting = await self._work.session.scalar(
            select(func.count()).select_from(task).where(task.status.in_(OPEN))
        )
        if (waiting or 0) >= MAX_WAITING:
            raise BadRequest(f"{MAX_WAITING} clean-up tasks are waiting already; cancel some first")
        row = task(
            filters=body.model_dump(exclude_none=True),
            wanted=stored(wanted),
            created_by=self._work.actor_id,
            created_at=now,
            updated_at=now,
        )
        self._work.session.add(row)
        await self._work.session.flush()
        return row

    async def page(self, paging: Paging) -> tuple[Sequence[UsageCleanupTaskRow], int]:
        """Newest first."""
        task, session = UsageCleanupTaskRow, self._work.session
        total = await session.scalar(select(func.count()).select_from(task))
        rows = await session.scalars(
            select(task).order_by(task.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def get(self, task_id: int) -> UsageCleanupTaskRow:
        """Raises USAGE_CLEANUP_TASK_NOT_FOUND."""
        row = await self._work.session.get(UsageCleanupTaskRow, task_id)
        if row is None:
            raise NotFound("clean-up task not found", reason="USAGE_CLEANUP_TASK_NOT_FOUND")
        return row

    async def cancel(self, task_id: int) -> UsageCleanupTaskRow:
        """What is gone stays gone. Raises USAGE_CLEANUP_TASK_NOT_FOUND, USAGE_CLEANUP_CANCEL_CONFLICT."""
        row, task, now = await self.get(task_id), UsageCleanupTaskRow, self._work.now()
        before = row.status
        await self._work.session.execute(
            update(task)
            .where(task.id == task_id, task.status.in_(OPEN))
            .values(status="canceled", canceled_by=self._work.actor_id, finished_at=now, updated_at=now)
            .execution_options(synchronize_session=False)
        )
        await self._work.session.refresh(row)
        if before not in OPEN or row.status != "canceled":
            raise Conflict(
                f"the task is {row.status}; only pending and running ones can be cancelled",
                reason="USAGE_CLEANUP_CANCEL_CONFLICT",
            )
        return row

    async def _wanted(self, body: CleanupBody) -> UsageFilter:
        if not body.start_date or not body.end_date:
            raise BadRequest("start_date and end_date are needed", reason="USAGE_CLEANUP_MISSING_RANGE")
        if body.start_date > body.end_date:
            raise BadRequest("end_date is before start_date", reason="USAGE_CLEANUP_INVALID_RANGE")
        stream = "" if body.stream is None else str(body.stream).lower()
        query = UsageQuery(
            user_id=body.user_id,
            api_key_id=body.api_key_id,
            account_id=body.account_id,
            group_id=body.group_id,
            model=body.model or "",
            request_type=body.request_type or "",
            stream=stream,
            billing_type="" if body.billing_type is None else str(body.billing_type),
            start_date=body.start_date,
            end_date=body.end_date,
            timezone=body.timezone,
        )
        wanted = await usage_filter(self._work, query, hides_failed=False)
        days_ms = (wanted.span.until_ms or 0) - (wanted.span.from_ms or 0)
        if days_ms > MAX_DAYS * 24 * HOUR_MS + HOUR_MS:  # an hour for changes of the clock
            raise BadRequest(f"at most {MAX_DAYS} days at a time", reason="USAGE_CLEANUP_RANGE_TOO_LARGE")
        return wanted


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What one step did, and how far it came."""

    records: int
    traces: int
    position_ms: int
    position_id: int


async def clean_some(session: AsyncSession, task: UsageCleanupTaskRow, most: int) -> Cleaned | None:
    """The next records of a task, in the order of their instants; None: there are none left."""
    record, wanted = UsageRecordRow, filter_of(task.wanted)
    if wanted.is_nothing:
        return None
    is_behind = or_(
        record.created_at_ms > task.position_ms,
        and_(record.created_at_ms == task.position_ms, record.id > task.position_id),
    )
    found = list(
        await session.execute(
            select(record.id, record.exchange_id, record.created_at_ms)
            .where(*conditions(wanted), record.created_at_ms >= task.position_ms, is_behind)
            .order_by(record.created_at_ms, record.id)
            .limit(most)
        )
    )
    if not found:
        return None
    await session.execute(
        update(record)
        .where(record.id.in_([row.id for row in found]))
        .values(**BLANK)
        .execution_options(synchronize_session=False)
    )
    trace = ExchangeTraceRow
    gone = await session.execute(
        delete(trace)
        .where(trace.exchange_id.in_({row.exchange_id for row in found}))
        .execution_options(synchronize_session=False)
    )
    traces: int = getattr(gone, "rowcount", 0)
    return Cleaned(len(found), traces, found[-1].created_at_ms, found[-1].id)


def filter_of(stored: Mapping[str, Any]) -> UsageFilter:
    plain = {name: value for name, value in stored.items() if name not in ("from_ms", "until_ms")}
    return UsageFilter(**plain, span=Span(stored["from_ms"], stored["until_ms"]))


def stored(wanted: UsageFilter) -> dict[str, Any]:
    fields = asdict(wanted)
    span = fields.pop("span")
    return {**fields, **span}
