"""Usage: lists, sums and the story of one exchange (spec 7.12, 8.7)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from headgate.control.usage.query import UsageQuery, period_filter, usage_filter
from headgate.control.usage.repository import MAX_COUNTED, Sums, UsageFilter, UsageRepository
from headgate.control.usage.schemas import (
    AdminUsageStats,
    AdminUsageView,
    EndpointStats,
    Named,
    References,
    UsageDetail,
    UsageExplanation,
    UsageStats,
    UserRef,
    admin_usage_view,
    usage_fields,
)
from headgate.control.usage.traces import full_trace, user_trace
from headgate.control.web.envelope import Paging
from headgate.control.work import Work
from headgate.core.money import to_usd
from headgate.errors import BadRequest, Forbidden, NotFound
from headgate.storage.models import AccountRow, ApiKeyRow, GroupRow, UsageRecordRow, UserRow

UNINDEXED_DAYS = 31
"""How far back a filter may search that no index serves."""
OWN_STATS_DAYS = 366
ALL_STATS_DAYS = 31


class UsageService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._usage = UsageRepository(work.session)

    async def page(
        self, query: UsageQuery, paging: Paging, *, hides_failed: bool, exact: bool
    ) -> tuple[Sequence[UsageRecordRow], int]:
        """Raises INVALID_INPUT (dates, zone, too long a range)."""
        if paging.offset >= MAX_COUNTED:
            raise BadRequest(f"lists end after {MAX_COUNTED} records; narrow the dates to see older ones")
        wanted = await usage_filter(self._work, query, hides_failed=hides_failed)
        if wanted.has_unindexed and not wanted.has_index:
            wanted = replace(wanted, span=wanted.span.within(UNINDEXED_DAYS, now_ms=self._work.now_ms()))
        return await self._usage.page(wanted, paging, counts=exact or wanted.has_index)

    async def stats(self, query: UsageQuery, *, hides_failed: bool) -> UsageStats:
        """Raises INVALID_INPUT."""
        wanted = await self._stats_filter(query, hides_failed=hides_failed)
        return UsageStats(**_stats(await self._usage.sums(wanted)))

    async def admin_stats(self, query: UsageQuery) -> AdminUsageStats:
        """Raises INVALID_INPUT."""
        wanted = await self._stats_filter(query, hides_failed=False)
        sums = await self._usage.sums(wanted)
        inbound = await self._usage.sums_by(UsageRecordRow.inbound_endpoint, wanted)
        upstream = await self._usage.sums_by(UsageRecordRow.upstream_endpoint, wanted)
        return AdminUsageStats(
            **_stats(sums),
            total_account_cost=to_usd(sums.account_cost),
            endpoints=[_endpoint(row) for row in inbound],
            upstream_endpoints=[_endpoint(row) for row in upstream],
            endpoint_paths=[_endpoint(row) for row in await self._usage.sums_by_path(wanted)],
        )

    async def detail(self, record_id: int) -> UsageDetail:
        """Raises USAGE_LOG_NOT_FOUND, INSUFFICIENT_PERMISSIONS (somebody else's)."""
        row = await self._usage.get(record_id)
        if row.user_id != self._work.actor.user_id:
            raise Forbidden("this record belongs to somebody else", reason="INSUFFICIENT_PERMISSIONS")
        names = await self.references([row])
        trace = user_trace(await self._usage.trace(row.exchange_id))
        return UsageDetail(**usage_fields(row, names), trace=trace)

    async def admin_view(self, record_id: int) -> AdminUsageView:
        """Raises USAGE_LOG_NOT_FOUND."""
        row = await self._usage.get(record_id)
        return admin_usage_view(row, await self.references([row], for_admin=True))

    async def explain(self, reference: str) -> UsageExplanation:
        """By record id or by exchange id: refused exchanges have a trace and no record. Raises
        USAGE_LOG_NOT_FOUND."""
        exchange_id = reference
        if reference.isascii() and reference.isdigit() and len(reference) <= 18:
            exchange_id = (await self._usage.get(int(reference))).exchange_id
        rows = await self._usage.of_exchange(exchange_id)
        stored = await self._usage.trace(exchange_id)
        if not rows and stored is None:
            raise NotFound("usage record not found", reason="USAGE_LOG_NOT_FOUND")
        names = await self.references(rows, for_admin=True)
        return UsageExplanation(
            request_id=exchange_id,
            attempts=[admin_usage_view(row, names) for row in rows],
            trace=full_trace(stored),
        )

    async def references(self, rows: Sequence[UsageRecordRow], *, for_admin: bool = False) -> References:
        """Names of keys and groups; for admins those of users and accounts too. Deleted ones keep their
        names."""
        session = self._work.session

        async def named(
            table: type[ApiKeyRow] | type[GroupRow] | type[AccountRow], ids: Iterable[int]
        ) -> dict[int, Named]:
            found = await session.execute(select(table.id, table.name).where(table.id.in_(set(ids))))
            return {row.id: Named(id=row.id, name=row.name) for row in found}

        keys = await named(ApiKeyRow, (row.key_id for row in rows))
        groups = await named(GroupRow, (row.group_id for row in rows))
        if not for_admin:
            return References(keys=keys, groups=groups)
        accounts = await named(AccountRow, (row.account_id for row in rows))
        users = await session.execute(
            select(UserRow.id, UserRow.email, UserRow.username).where(
                UserRow.id.in_({row.user_id for row in rows})
            )
        )
        return References(
            keys=keys,
            groups=groups,
            accounts=accounts,
            users={row.id: UserRef(id=row.id, email=row.email, username=row.username) for row in users},
        )

    async def _stats_filter(self, query: UsageQuery, *, hides_failed: bool) -> UsageFilter:
        wanted = await period_filter(self._work, query, hides_failed=hides_failed)
        days = OWN_STATS_DAYS if wanted.has_index else ALL_STATS_DAYS
        return replace(wanted, span=wanted.span.within(days, now_ms=self._work.now_ms()))


def _stats(sums: Sums) -> dict[str, Any]:
    return {
        "total_requests": sums.requests,
        "total_input_tokens": sums.input_tokens,
        "total_output_tokens": sums.output_tokens,
        "total_cache_tokens": sums.cache_tokens,
        "total_tokens": sums.tokens,
        "total_cost": to_usd(sums.list_cost),
        "total_actual_cost": to_usd(sums.charge),
        "average_duration_ms": sums.duration / sums.requests if sums.requests else 0.0,
    }


def _endpoint(sums: Sums) -> EndpointStats:
    return EndpointStats(
        endpoint=sums.name,
        requests=sums.requests,
        total_tokens=sums.tokens,
        cost=to_usd(sums.list_cost),
        actual_cost=to_usd(sums.charge),
    )
