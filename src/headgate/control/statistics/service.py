"""Charts and totals of usage, for admins over all records and for users over their own (spec 7.12, 8.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import select

from headgate.control.statistics.figures import (
    NONE,
    Granularity,
    dates_of,
    folded,
    labels,
    last_days,
)
from headgate.control.statistics.repository import Order, StatisticsRepository
from headgate.control.statistics.schemas import (
    GroupSums,
    KeyPoint,
    KeySums,
    ModelSums,
    Ranked,
    Ranking,
    Spent,
    TrendPoint,
    UserPoint,
    UserSums,
    sums,
)
from headgate.control.usage.period import zone
from headgate.control.usage.query import UsageQuery, period_filter, usage_filter
from headgate.control.usage.repository import UsageFilter
from headgate.control.work import Work
from headgate.core.money import to_usd
from headgate.storage.models import ApiKeyRow, GroupRow, UsageRecordRow, UserRow

DEFAULT_DAYS = 7
MAX_DAYS = 92
"""Of records that no index but the time's serves."""
MAX_OWN_DAYS = 366
SPENT_DAYS = 30
MAX_SHARES = 100
ModelSource = Literal["requested", "upstream", "mapping"]
_R = UsageRecordRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A filter with its span closed, and how the span is shown."""

    filter: UsageFilter
    where: ZoneInfo
    granularity: Granularity
    start_date: str
    end_date: str

    def named(self) -> dict[str, str]:
        return {"start_date": self.start_date, "end_date": self.end_date}


async def wanted_from(
    work: Work, query: UsageQuery, granularity: Granularity, *, hides_failed: bool
) -> Wanted:
    """The last seven days where no dates are named. Raises INVALID_INPUT."""
    where = zone(query.timezone, work.deps.settings.timezone)
    found = await (period_filter if query.period else usage_filter)(work, query, hides_failed=hides_failed)
    if found.span.from_ms is None and found.span.until_ms is None:
        found = replace(found, span=last_days(DEFAULT_DAYS, where, now_ms=work.now_ms()))
    days = MAX_OWN_DAYS if found.has_index else MAX_DAYS
    span = found.span.within(days, now_ms=work.now_ms())
    start, end = dates_of(span, where, now_ms=work.now_ms())
    return Wanted(
        filter=replace(found, span=span), where=where, granularity=granularity, start_date=start, end_date=end
    )


class StatisticsService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._statistics = StatisticsRepository(work.session)

    async def trend(self, wanted: Wanted) -> list[TrendPoint]:
        slices = await self._statistics.slices(wanted.filter)
        points = folded(slices, wanted.granularity, wanted.where, self._points(wanted))
        return [TrendPoint(date=date, **sums(figures)) for date, figures in points.items()]

    async def models(self, wanted: Wanted, source: ModelSource) -> list[ModelSums]:
        columns = {
            "requested": [_R.client_model],
            "upstream": [_R.upstream_model],
            "mapping": [_R.client_model, _R.upstream_model],
        }[source]
        found = await self._statistics.by(columns, wanted.filter, order="charge", limit=MAX_SHARES)
        return [ModelSums(model=" -> ".join(names), **sums(figures)) for names, figures in found]

    async def groups(self, wanted: Wanted) -> list[GroupSums]:
        found = await self._statistics.by([_R.group_id], wanted.filter, order="charge", limit=MAX_SHARES)
        named = select(GroupRow.id, GroupRow.name).where(GroupRow.id.in_([key[0] for key, _ in found]))
        names = {row.id: row.name for row in await self._work.session.execute(named)}
        return [
            GroupSums(group_id=key[0], group_name=names.get(key[0], ""), **sums(figures))
            for key, figures in found
        ]

    async def keys(self, wanted: Wanted) -> list[KeySums]:
        found = await self._statistics.by([_R.key_id], wanted.filter, order="charge", limit=MAX_SHARES)
        named = select(ApiKeyRow.id, ApiKeyRow.name).where(ApiKeyRow.id.in_([key[0] for key, _ in found]))
        names = {row.id: row.name for row in await self._work.session.execute(named)}
        return [
            KeySums(api_key_id=key[0], key_name=names.get(key[0], ""), **sums(figures))
            for key, figures in found
        ]

    async def keys_trend(self, wanted: Wanted, *, limit: int) -> list[KeyPoint]:
        ids = await self._largest(_R.key_id, wanted, order="requests", limit=limit)
        named = select(ApiKeyRow.id, ApiKeyRow.name).where(ApiKeyRow.id.in_(ids))
        names = {row.id: row.name for row in await self._work.session.execute(named)}
        found = await self._statistics.slices_of(_R.key_id, ids, wanted.filter)
        return [
            KeyPoint(
                date=date,
                api_key_id=id_,
                key_name=names.get(id_, ""),
                requests=figures.requests,
                tokens=figures.tokens,
            )
            for id_ in ids
            for date, figures in folded(found[id_], wanted.granularity, wanted.where, ()).items()
        ]

    async def users_trend(self, wanted: Wanted, *, limit: int) -> list[UserPoint]:
        ids = await self._largest(_R.user_id, wanted, order="charge", limit=limit)
        users = await self._users(ids)
        found = await self._statistics.slices_of(_R.user_id, ids, wanted.filter)
        return [
            UserPoint(
                date=date,
                user_id=id_,
                email=users[id_].email if id_ in users else "",
                username=users[id_].username if id_ in users else "",
                requests=figures.requests,
                tokens=figures.tokens,
                cost=to_usd(figures.list_cost),
                actual_cost=to_usd(figures.charge),
            )
            for id_ in ids
            for date, figures in folded(found[id_], wanted.granularity, wanted.where, ()).items()
        ]

    async def users(self, wanted: Wanted, *, limit: int) -> list[UserSums]:
        found = await self._statistics.by([_R.user_id], wanted.filter, order="charge", limit=limit)
        users = await self._users([key[0] for key, _ in found])
        return [
            UserSums(user_id=key[0], email=users[key[0]].email if key[0] in users else "", **sums(figures))
            for key, figures in found
        ]

    async def ranking(self, wanted: Wanted, *, limit: int) -> Ranking:
        total = await self._statistics.total(wanted.filter)
        return Ranking(
            ranking=[
                Ranked(
                    user_id=user.user_id,
                    email=user.email,
                    actual_cost=user.actual_cost,
                    requests=user.requests,
                    tokens=user.total_tokens,
                )
                for user in await self.users(wanted, limit=limit)
            ],
            total_actual_cost=to_usd(total.charge),
            total_requests=total.requests,
            total_tokens=total.tokens,
            **wanted.named(),
        )

    async def spent_by_users(self, ids: Sequence[int]) -> dict[int, Spent]:
        """Of users, today and in the last thirty days; from hourly sums, so the time zone begins on an
        hour."""
        today, month = self._spans()
        first = await self._statistics.all_by("user_id", ids, from_ms=today)
        whole = await self._statistics.all_by("user_id", ids, from_ms=month)
        return {id_: _spent(first.get(id_, NONE).charge, whole.get(id_, NONE).charge) for id_ in ids}

    async def spent_by_keys(self, ids: Sequence[int], *, owner_id: int | None) -> dict[int, Spent]:
        """Only keys of `owner_id`, when it is given; others are left out."""
        query = select(ApiKeyRow.id, ApiKeyRow.user_id).where(ApiKeyRow.id.in_(ids))
        if owner_id is not None:
            query = query.where(ApiKeyRow.user_id == owner_id)
        owners = {row.id: row.user_id for row in await self._work.session.execute(query)}
        today, month = self._spans()
        first = await self._statistics.charges_of_keys(owners, today)
        whole = await self._statistics.charges_of_keys(owners, month)
        return {id_: _spent(first.get(id_, 0), whole.get(id_, 0)) for id_ in owners}

    async def _largest(self, column: Any, wanted: Wanted, *, order: Order, limit: int) -> list[int]:
        found = await self._statistics.by([column], wanted.filter, order=order, limit=limit)
        return [key[0] for key, _ in found]

    async def _users(self, ids: Sequence[int]) -> Mapping[int, UserRow]:
        """Deleted ones too: their figures remain."""
        rows = await self._work.session.scalars(select(UserRow).where(UserRow.id.in_(ids)))
        return {row.id: row for row in rows}

    def _points(self, wanted: Wanted) -> list[str]:
        return labels(wanted.filter.span, wanted.granularity, wanted.where, now_ms=self._work.now_ms())

    def _spans(self) -> tuple[int, int]:
        where = zone("", self._work.deps.settings.timezone)
        now_ms = self._work.now_ms()
        today = last_days(1, where, now_ms=now_ms).from_ms
        month = last_days(SPENT_DAYS, where, now_ms=now_ms).from_ms
        assert today is not None
        assert month is not None
        return today, month


def _spent(today: int, month: int) -> Spent:
    return Spent(today_actual_cost=to_usd(today), total_actual_cost=to_usd(month))
