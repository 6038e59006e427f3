"""SQL about upstream accounts and their groups."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.search import contains
from headgate.control.web.envelope import Paging
from headgate.errors import BadRequest, NotFound
from headgate.storage.models import AccountGroupRow, AccountRow, GroupRow, ProxyRow, ScheduledTestPlanRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFilter:
    platform: str = ""
    type: str = ""
    status: str = ""
    search: str = ""
    group: str = ""
    """An id, `ungrouped`, or empty."""


class AccountRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, account_id: int) -> AccountRow:
        """Raises ACCOUNT_NOT_FOUND."""
        row = await self._session.scalar(
            select(AccountRow).where(AccountRow.id == account_id, AccountRow.deleted_at.is_(None))
        )
        if row is None:
            raise NotFound("account not found", reason="ACCOUNT_NOT_FOUND")
        return row

    async def by_ids(self, ids: Sequence[int]) -> Sequence[AccountRow]:
        """Those that exist, newest first."""
        rows = await self._session.scalars(
            select(AccountRow)
            .where(AccountRow.id.in_(ids), AccountRow.deleted_at.is_(None))
            .order_by(AccountRow.id.desc())
        )
        return rows.all()

    async def page(
        self, wanted: AccountFilter, paging: Paging, now: datetime
    ) -> tuple[Sequence[AccountRow], int]:
        """Newest first. Raises INVALID_GROUP_FILTER."""
        query = select(AccountRow).where(AccountRow.deleted_at.is_(None))
        if wanted.platform:
            query = query.where(AccountRow.platform == wanted.platform)
        if wanted.type:
            query = query.where(AccountRow.type == wanted.type)
        if wanted.search:
            query = query.where(contains(wanted.search, AccountRow.name))
        query = _in_group(_with_status(query, wanted.status, now), wanted.group)
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.scalars(
            query.order_by(AccountRow.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def links(self, account_ids: Sequence[int]) -> Mapping[int, list[AccountGroupRow]]:
        rows = await self._session.scalars(
            select(AccountGroupRow)
            .where(AccountGroupRow.account_id.in_(account_ids))
            .order_by(AccountGroupRow.priority, AccountGroupRow.group_id)
        )
        links: dict[int, list[AccountGroupRow]] = defaultdict(list)
        for row in rows:
            links[row.account_id].append(row)
        return links

    async def replace_groups(self, account_id: int, group_ids: Sequence[int], now: datetime) -> None:
        await self._session.execute(delete(AccountGroupRow).where(AccountGroupRow.account_id == account_id))
        self._session.add_all(
            AccountGroupRow(account_id=account_id, group_id=group, priority=50, created_at=now)
            for group in sorted(set(group_ids))
        )
        await self._session.flush()

    async def drop_scheduled_tests(self, account_id: int) -> None:
        """With their results."""
        plans = ScheduledTestPlanRow
        await self._session.execute(delete(plans).where(plans.account_id == account_id))

    async def proxies(self, ids: Sequence[int]) -> Mapping[int, ProxyRow]:
        rows = await self._session.scalars(
            select(ProxyRow).where(ProxyRow.id.in_(ids), ProxyRow.deleted_at.is_(None))
        )
        return {row.id: row for row in rows}

    async def default_group(self, platform: str) -> int | None:
        """The active group named `<platform>-default`."""
        return await self._session.scalar(
            select(GroupRow.id).where(
                GroupRow.name == f"{platform}-default",
                GroupRow.status == "active",
                GroupRow.deleted_at.is_(None),
            )
        )


def _with_status(query: Select[AccountRow], status: str, now: datetime) -> Select[AccountRow]:
    match status:
        case "":
            return query
        case "rate_limited":
            return query.where(AccountRow.rate_limit_reset_at > now)
        case "temp_unschedulable":
            return query.where(AccountRow.temp_unschedulable_until > now)
        case _:
            return query.where(AccountRow.status == status)


def _in_group(query: Select[AccountRow], group: str) -> Select[AccountRow]:
    if not group:
        return query
    link = AccountGroupRow
    if group == "ungrouped":
        return query.where(AccountRow.id.not_in(select(link.account_id)))
    if not group.isascii() or not group.isdigit() or len(group) > 18:
        raise BadRequest("group must be an id or `ungrouped`", reason="INVALID_GROUP_FILTER")
    return query.where(AccountRow.id.in_(select(link.account_id).where(link.group_id == int(group))))
