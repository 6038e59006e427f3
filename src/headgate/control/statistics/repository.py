"""SQL that adds up usage. Records are read inside a bounded span by one index; what goes back to the
beginning is read from hourly sums, plus the records that are younger than those (ADR 28)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, distinct, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from headgate.control.statistics.figures import NAMES, NONE, SLICE_MS, CacheFigures, Figures
from headgate.control.usage.period import Span
from headgate.control.usage.repository import UsageFilter, conditions
from headgate.storage.models import UsageHourRow, UsageRecordRow

HOUR_MS = 3_600_000
Order = Literal["charge", "requests"]
Column = InstrumentedAttribute[Any]

_R, _H = UsageRecordRow, UsageHourRow
RECORD_SUMS = (
    func.count(),
    func.sum(_R.input_tokens + _R.audio_input_tokens),
    func.sum(_R.output_tokens + _R.audio_output_tokens),
    func.sum(_R.cache_write_5m_tokens + _R.cache_write_1h_tokens),
    func.sum(_R.cache_read_tokens),
    func.sum(_R.list_cost_nano),
    func.sum(_R.charge_nano),
    func.sum(_R.account_cost_nano),
    func.sum(_R.duration_ms),
)
_HOUR_SUMS = (
    func.sum(_H.requests),
    func.sum(_H.input_tokens),
    func.sum(_H.output_tokens),
    func.sum(_H.cache_write_tokens),
    func.sum(_H.cache_read_tokens),
    func.sum(_H.list_cost_nano),
    func.sum(_H.charge_nano),
    func.sum(_H.account_cost_nano),
    func.sum(_H.duration_ms),
)
_SLICE: ColumnElement[int] = literal_column(f"usage_records.created_at_ms / {SLICE_MS}", BigInteger)
"""Text and no parameter: PostgreSQL must see that what is selected is what is grouped by."""
_CACHE_SUMS = (
    func.count(),
    func.count(_R.moved_because),
    func.sum(_R.input_tokens),
    func.sum(_R.cache_read_tokens),
    func.sum(_R.cache_write_5m_tokens + _R.cache_write_1h_tokens),
    func.sum(_R.cache_saved_nano),
    func.sum(_R.cache_lost_nano),
)
_ORDERS = {"charge": func.sum(_R.charge_nano), "requests": func.count()}


class StatisticsRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def total(self, wanted: UsageFilter) -> Figures:
        if wanted.is_nothing:
            return NONE
        return _figures((await self._session.execute(select(*RECORD_SUMS).where(*conditions(wanted)))).one())

    async def slices(self, wanted: UsageFilter) -> dict[int, Figures]:
        """By quarter of an hour."""
        if wanted.is_nothing:
            return {}
        rows = await self._session.execute(
            select(*RECORD_SUMS, _SLICE).where(*conditions(wanted)).group_by(_SLICE)
        )
        return {int(row[-1]): _figures(row) for row in rows}

    async def slices_of(
        self, column: Column, ids: Sequence[int], wanted: UsageFilter
    ) -> Mapping[int, dict[int, Figures]]:
        """By quarter of an hour, for each of a few users or keys."""
        found: dict[int, dict[int, Figures]] = defaultdict(dict)
        rows = await self._session.execute(
            select(*RECORD_SUMS, _SLICE, column)
            .where(*conditions(wanted), column.in_(ids))
            .group_by(_SLICE, column)
        )
        for row in rows:
            found[row[-1]][int(row[-2])] = _figures(row)
        return found

    async def by(
        self, columns: Sequence[Column], wanted: UsageFilter, *, order: Order, limit: int
    ) -> list[tuple[tuple[Any, ...], Figures]]:
        """The largest combinations of a few columns."""
        if wanted.is_nothing:
            return []
        rows = await self._session.execute(
            select(*RECORD_SUMS, *columns)
            .where(*conditions(wanted))
            .group_by(*columns)
            .order_by(_ORDERS[order].desc(), *columns)
            .limit(limit)
        )
        return [(tuple(row[len(NAMES) :]), _figures(row)) for row in rows]

    async def cache_by(self, column: Column | None, wanted: UsageFilter, *, limit: int) -> list[CacheFigures]:
        """What caches saved and moves lost, the most expensive first; column None: of everything."""
        if wanted.is_nothing:
            return []
        named = [] if column is None else [column]
        rows = await self._session.execute(
            select(*_CACHE_SUMS, *named)
            .where(*conditions(wanted))
            .group_by(*named)
            .order_by((_CACHE_SUMS[-1] + _CACHE_SUMS[-2]).desc(), *named)
            .limit(limit)
        )
        width = len(_CACHE_SUMS)
        return [
            CacheFigures("" if column is None else row[width], *(int(value or 0) for value in row[:width]))
            for row in rows
        ]

    async def users_since(self, from_ms: int) -> int:
        """How many users made a request."""
        found = select(func.count(distinct(_R.user_id))).where(_R.created_at_ms >= from_ms)
        return await self._session.scalar(found) or 0

    async def since_the_beginning(self, *, user_id: int | None = None) -> Figures:
        rolled_until_ms = await self.rolled_until_ms()
        of_user = () if user_id is None else (_H.user_id == user_id,)
        hours = (await self._session.execute(select(*_HOUR_SUMS).where(*of_user))).one()
        tail = UsageFilter(user_id=user_id, span=Span(rolled_until_ms))
        return _figures(hours) + await self.total(tail)

    async def all_by(
        self, name: Literal["user_id", "group_id"], ids: Sequence[int] | None, *, from_ms: int = 0
    ) -> dict[int, Figures]:
        """Per user or group, since the beginning, or since the full hour of `from_ms`."""
        hour, record = getattr(_H, name), getattr(_R, name)
        rolled_until_ms = await self.rolled_until_ms()
        some_hours = () if ids is None else (hour.in_(ids),)
        some_records = () if ids is None else (record.in_(ids),)
        hours = await self._session.execute(
            select(*_HOUR_SUMS, hour)
            .where(_H.hour_ms >= from_ms // HOUR_MS * HOUR_MS, *some_hours)
            .group_by(hour)
        )
        sums = {row[-1]: _figures(row) for row in hours}
        tail = replace(UsageFilter(), span=Span(max(rolled_until_ms, from_ms)))
        records = await self._session.execute(
            select(*RECORD_SUMS, record).where(*conditions(tail), *some_records).group_by(record)
        )
        for row in records:
            sums[row[-1]] = sums.get(row[-1], NONE) + _figures(row)
        return sums

    async def of_accounts(self, ids: Sequence[int], span: Span) -> dict[int, Figures]:
        """Per account, zeros for those without records."""
        rows = await self._session.execute(
            select(*RECORD_SUMS, _R.account_id)
            .where(_R.account_id.in_(ids), _R.created_at_ms >= (span.from_ms or 0))
            .group_by(_R.account_id)
        )
        return dict.fromkeys(ids, NONE) | {row[-1]: _figures(row) for row in rows}

    async def charges_of_keys(self, owners: Mapping[int, int], from_ms: int) -> dict[int, int]:
        """Nano-USD per key; a key's records lie in the index of its owner (key -> user)."""
        rows = await self._session.execute(
            select(_R.key_id, func.sum(_R.charge_nano))
            .where(
                _R.user_id.in_(set(owners.values())), _R.key_id.in_(list(owners)), _R.created_at_ms >= from_ms
            )
            .group_by(_R.key_id)
        )
        return {row[0]: int(row[1]) for row in rows}

    async def rolled_until_ms(self) -> int:
        """Where the hourly sums end and the records that are not in them begin."""
        newest = await self._session.scalar(select(func.max(_H.hour_ms)))
        return 0 if newest is None else newest + HOUR_MS


def _figures(row: Sequence[Any]) -> Figures:
    """PostgreSQL sums BIGINT to NUMERIC, and the sum of nothing is NULL: back to int."""
    return Figures(**{name: int(value or 0) for name, value in zip(NAMES, row, strict=False)})
