"""SQL about usage records: every query walks one index, and never further than it says (PAINS 31).

Rows are read by (user | account, time) or by time alone. Filters that no index serves (model, group,
...) only run inside a bounded span of time, and counts stop at a limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from headgate.control.usage.period import Span
from headgate.control.web.envelope import Paging
from headgate.errors import NotFound
from headgate.storage.models import ExchangeTraceRow, UsageRecordRow

MAX_COUNTED = 100_000
"""A total beyond this is shown as this: nobody turns to page 5,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    user_id: int | None = None
    key_id: int | None = None
    """Comes with its owner's `user_id`: the index of a user's records holds the keys."""
    account_id: int | None = None
    group_id: int | None = None
    model: str = ""
    """As the client named it."""
    upstream_model: str = ""
    inbound_endpoint: str = ""
    upstream_endpoint: str = ""
    is_stream: bool | None = None
    is_by_subscription: bool | None = None
    """Who paid: a subscription, or the balance."""
    is_nothing: bool = False
    """The filter names something that no record has, such as a WebSocket."""
    hides_failed: bool = False
    """For users: attempts that gave nothing and cost nothing are the operator's business."""
    span: Span = Span()

    @property
    def has_index(self) -> bool:
        """An index narrower than time serves it."""
        return self.user_id is not None or self.account_id is not None

    @property
    def has_unindexed(self) -> bool:
        others = (self.group_id, self.is_stream, self.is_by_subscription)
        named = (self.model, self.upstream_model, self.inbound_endpoint, self.upstream_endpoint)
        return any(named) or any(value is not None for value in others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Over some records. Costs in nano-USD, duration in milliseconds."""

    name: str = ""
    """What they have in common, when grouped."""
    requests: int
    input_tokens: int
    output_tokens: int
    cache_tokens: int
    list_cost: int
    charge: int
    account_cost: int
    duration: int

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens + self.cache_tokens


class UsageRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, record_id: int) -> UsageRecordRow:
        """Raises USAGE_LOG_NOT_FOUND."""
        row = await self._session.get(UsageRecordRow, record_id)
        if row is None:
            raise NotFound("usage record not found", reason="USAGE_LOG_NOT_FOUND")
        return row

    async def get_for_change(self, record_id: int) -> UsageRecordRow:
        """Locked until the transaction ends, where the database knows row locks. Raises
        USAGE_LOG_NOT_FOUND."""
        found = select(UsageRecordRow).where(UsageRecordRow.id == record_id).with_for_update()
        row = await self._session.scalar(found)
        if row is None:
            raise NotFound("usage record not found", reason="USAGE_LOG_NOT_FOUND")
        return row

    async def page(
        self, wanted: UsageFilter, paging: Paging, *, counts: bool
    ) -> tuple[Sequence[UsageRecordRow], int]:
        """Newest first. Without `counts` the total only says whether there is more (spec 8.7)."""
        if wanted.is_nothing:
            return [], 0
        row = UsageRecordRow
        query = select(row).where(*conditions(wanted)).order_by(row.created_at_ms.desc(), row.id.desc())
        found = (await self._session.scalars(query.limit(paging.page_size + 1).offset(paging.offset))).all()
        items = found[: paging.page_size]
        if counts:
            return items, await self._count(wanted)
        return items, paging.offset + len(found)

    async def of_exchange(self, exchange_id: str) -> Sequence[UsageRecordRow]:
        rows = await self._session.scalars(
            select(UsageRecordRow)
            .where(UsageRecordRow.exchange_id == exchange_id)
            .order_by(UsageRecordRow.attempt)
        )
        return rows.all()

    async def trace(self, exchange_id: str) -> str | None:
        return await self._session.scalar(
            select(ExchangeTraceRow.trace).where(ExchangeTraceRow.exchange_id == exchange_id)
        )

    async def sums(self, wanted: UsageFilter) -> Sums:
        row = (await self._session.execute(select(*_SUMS).where(*conditions(wanted)))).one()
        return _sums(row)

    async def sums_by(self, column: InstrumentedAttribute[str], wanted: UsageFilter) -> list[Sums]:
        """The hundred busiest values of a column."""
        rows = await self._session.execute(
            select(*_SUMS, column)
            .where(*conditions(wanted))
            .group_by(column)
            .order_by(func.count().desc(), column)
            .limit(100)
        )
        return [_sums(row, name=row[-1]) for row in rows]

    async def sums_by_path(self, wanted: UsageFilter) -> list[Sums]:
        """The hundred busiest ways from the client's endpoint to the provider's, as `a -> b`."""
        row = UsageRecordRow
        rows = await self._session.execute(
            select(*_SUMS, row.inbound_endpoint, row.upstream_endpoint)
            .where(*conditions(wanted))
            .group_by(row.inbound_endpoint, row.upstream_endpoint)
            .order_by(func.count().desc(), row.inbound_endpoint, row.upstream_endpoint)
            .limit(100)
        )
        return [_sums(found, name=f"{found[-2]} -> {found[-1]}") for found in rows]

    async def _count(self, wanted: UsageFilter) -> int:
        some = select(UsageRecordRow.id).where(*conditions(wanted)).limit(MAX_COUNTED).subquery()
        return await self._session.scalar(select(func.count()).select_from(some)) or 0


def _total(expression: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(expression), 0)


_ROW = UsageRecordRow
_SUMS = (
    func.count(),
    _total(_ROW.input_tokens + _ROW.audio_input_tokens),
    _total(_ROW.output_tokens + _ROW.audio_output_tokens),
    _total(_ROW.cache_read_tokens + _ROW.cache_write_5m_tokens + _ROW.cache_write_1h_tokens),
    _total(_ROW.list_cost_nano),
    _total(_ROW.charge_nano),
    _total(_ROW.account_cost_nano),
    _total(_ROW.duration_ms),
)


def _sums(row: Sequence[Any], *, name: str = "") -> Sums:
    """PostgreSQL sums BIGINT to NUMERIC: back to int."""
    fields = (
        "requests",
        "input_tokens",
        "output_tokens",
        "cache_tokens",
        "list_cost",
        "charge",
        "account_cost",
    )
    values = {field: int(value) for field, value in zip((*fields, "duration"), row, strict=False)}
    return Sums(name=name, **values)


def conditions(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    """What a record must be; of a filter that matches everything one test that always holds."""
    row = UsageRecordRow
    equal = (
        (row.user_id, wanted.user_id),
        (row.key_id, wanted.key_id),
        (row.account_id, wanted.account_id),
        (row.group_id, wanted.group_id),
    )
    tests: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
    named = (
        (row.client_model, wanted.model),
        (row.upstream_model, wanted.upstream_model),
        (row.inbound_endpoint, wanted.inbound_endpoint),
        (row.upstream_endpoint, wanted.upstream_endpoint),
    )
    tests.extend(column == value for column, value in named if value)
    if wanted.is_stream is not None:
        tests.append(row.is_stream.is_(wanted.is_stream))
    if wanted.is_by_subscription is not None:
        paid = row.subscription_id
        tests.append(paid.is_not(None) if wanted.is_by_subscription else paid.is_(None))
    if wanted.hides_failed:
        tests.append(or_(row.outcome != "failed", row.charge_nano > 0))
    if wanted.span.from_ms is not None:
        tests.append(row.created_at_ms >= wanted.span.from_ms)
    if wanted.span.until_ms is not None:
        tests.append(row.created_at_ms < wanted.span.until_ms)
    return tests or [true()]
