"""SQL about groups, their accounts and personal multipliers."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.search import contains
from headgate.control.web.envelope import Paging
from headgate.errors import NotFound
from headgate.storage.models import (
    AccountGroupRow,
    AccountRow,
    ApiKeyRow,
    GroupRow,
    SubscriptionRow,
    UserAllowedGroupRow,
    UserGroupMultiplierRow,
    UserRow,
)
from headgate.storage.types import BigId, EpochMs


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFilter:
    platform: str = ""
    status: str = ""
    is_exclusive: bool | None = None
    search: str = ""


class ServingAccount(NamedTuple):
    """What an account can carry, as a member of one group."""

    group_id: int
    id: int
    concurrency: int
    extra: Mapping[str, Any]


def in_service(now: datetime) -> ColumnElement[bool]:
    """Accounts that requests may be given to, though perhaps not at this moment."""
    is_over = AccountRow.auto_pause_on_expired & AccountRow.expires_at.is_not(None)
    is_over &= AccountRow.expires_at <= now
    is_on = (AccountRow.status == "active") & AccountRow.schedulable
    return is_on & ~is_over & AccountRow.deleted_at.is_(None)


class GroupRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, group_id: int) -> GroupRow:
        """Raises GROUP_NOT_FOUND."""
        row = await self._session.scalar(
            select(GroupRow).where(GroupRow.id == group_id, GroupRow.deleted_at.is_(None))
        )
        if row is None:
            raise NotFound("group not found", reason="GROUP_NOT_FOUND")
        return row

    async def by_name(self, name: str) -> GroupRow | None:
        return await self._session.scalar(
            select(GroupRow).where(GroupRow.name == name, GroupRow.deleted_at.is_(None))
        )

    async def by_ids(self, ids: Collection[int]) -> Mapping[int, GroupRow]:
        if not ids:
            return {}
        rows = await self._session.scalars(
            select(GroupRow).where(GroupRow.id.in_(ids), GroupRow.deleted_at.is_(None))
        )
        return {row.id: row for row in rows}

    async def page(self, wanted: GroupFilter, paging: Paging) -> tuple[Sequence[GroupRow], int]:
        query = select(GroupRow).where(GroupRow.deleted_at.is_(None))
        if wanted.platform:
            query = query.where(GroupRow.platform == wanted.platform)
        if wanted.status:
            query = query.where(GroupRow.status == wanted.status)
        if wanted.is_exclusive is not None:
            query = query.where(GroupRow.is_exclusive.is_(wanted.is_exclusive))
        if wanted.search:
            query = query.where(contains(wanted.search, GroupRow.name, GroupRow.description))
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.scalars(
            query.order_by(GroupRow.sort_order, GroupRow.id).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def active(self, platform: str) -> Sequence[GroupRow]:
        """In display order, unpaged."""
        query = select(GroupRow).where(GroupRow.deleted_at.is_(None), GroupRow.status == "active")
        if platform:
            query = query.where(GroupRow.platform == platform)
        rows = await self._session.scalars(query.order_by(GroupRow.sort_order, GroupRow.id))
        return rows.all()

    async def account_counts(self, group_ids: Sequence[int], now: datetime) -> Mapping[int, dict[str, int]]:
        """account_count, active_account_count, rate_limited_account_count per group."""
        is_active = in_service(now)
        rows = await self._session.execute(
            select(
                AccountGroupRow.group_id,
                func.count(),
                func.sum(case((is_active, 1), else_=0)),
                func.sum(case((AccountRow.rate_limit_reset_at > now, 1), else_=0)),
            )
            .join(AccountRow, AccountRow.id == AccountGroupRow.account_id)
            .where(AccountGroupRow.group_id.in_(group_ids), AccountRow.deleted_at.is_(None))
            .group_by(AccountGroupRow.group_id)
        )
        names = ("account_count", "active_account_count", "rate_limited_account_count")
        return {row[0]: dict(zip(names, (int(value) for value in row[1:]), strict=True)) for row in rows}

    async def mappings(
        self, group_ids: Sequence[int], now: datetime
    ) -> Mapping[int, list[Mapping[str, str]]]:
        """Per group the model mappings of its accounts in service that speak the group's dialects; each
        mapping once."""
        rows = await self._session.execute(
            select(GroupRow.id, AccountRow.credentials_open)
            .join(AccountGroupRow, AccountGroupRow.group_id == GroupRow.id)
            .join(AccountRow, AccountRow.id == AccountGroupRow.account_id)
            .where(GroupRow.id.in_(group_ids), AccountRow.platform == GroupRow.platform, in_service(now))
            .order_by(AccountRow.id)
        )
        found: dict[int, list[Mapping[str, str]]] = defaultdict(list)
        for group_id, open_part in rows:
            mapping = dict((open_part or {}).get("model_mapping") or {})
            if mapping not in found[group_id]:
                found[group_id].append(mapping)
        return found

    async def ids(self) -> Sequence[int]:
        """Of all groups, in display order."""
        query = select(GroupRow.id).where(GroupRow.deleted_at.is_(None))
        return (await self._session.scalars(query.order_by(GroupRow.sort_order, GroupRow.id))).all()

    async def accounts_in_service(self, now: datetime) -> list[ServingAccount]:
        """Every account in service, once for every group it is in."""
        columns = (AccountGroupRow.group_id, AccountRow.id, AccountRow.concurrency, AccountRow.extra)
        rows = await self._session.execute(
            select(*columns)
            .join(AccountRow, AccountRow.id == AccountGroupRow.account_id)
            .where(in_service(now))
        )
        return [ServingAccount(row[0], row[1], row[2], row[3] or {}) for row in rows]

    async def platforms_of_accounts(self, ids: Collection[int]) -> Mapping[int, str]:
        """Of those accounts that exist."""
        if not ids:
            return {}
        query = select(AccountRow.id, AccountRow.platform)
        rows = await self._session.execute(
            query.where(AccountRow.id.in_(ids), AccountRow.deleted_at.is_(None))
        )
        return {row[0]: row[1] for row in rows}

    async def lock(self, group_id: int) -> None:
        """Until the end of the transaction, on both databases (an UPDATE takes the lock)."""
        await self._session.execute(
            update(GroupRow)
            .where(GroupRow.id == group_id)
            .values(sort_order=GroupRow.sort_order)
            .execution_options(synchronize_session=False)
        )

    async def has_running_subscriptions(self, group_id: int, now: datetime) -> bool:
        """Somebody's right to the group has not ended yet, whether it is active or suspended."""
        row = SubscriptionRow
        found = await self._session.scalar(
            select(row.id)
            .where(
                row.group_id == group_id,
                row.deleted_at.is_(None),
                row.status != "expired",
                row.expires_at > now,
            )
            .limit(1)
        )
        return found is not None

    async def is_fallback_on_invalid_request(self, group_id: int) -> bool:
        found = await self._session.scalar(
            select(GroupRow.id)
            .where(GroupRow.fallback_group_id_on_invalid_request == group_id, GroupRow.deleted_at.is_(None))
            .limit(1)
        )
        return found is not None

    async def copy_accounts(self, target_id: int, source_ids: Sequence[int], now: datetime) -> None:
        """Add the accounts of the sources to the target; those that are there stay as they are."""
        link = AccountGroupRow
        present = select(link.account_id).where(link.group_id == target_id)
        source = (
            select(link.account_id, literal(target_id, BigId), func.min(link.priority), literal(now, EpochMs))
            .where(link.group_id.in_(source_ids), link.account_id.not_in(present))
            .group_by(link.account_id)
        )
        columns = ["account_id", "group_id", "priority", "created_at"]
        await self._session.execute(insert(link).from_select(columns, source))

    async def clear_accounts(self, group_id: int) -> None:
        await self._session.execute(delete(AccountGroupRow).where(AccountGroupRow.group_id == group_id))

    async def detach(self, row: GroupRow, now: datetime) -> None:
        """Soft-delete and let go of accounts, keys, permissions, subscriptions, multipliers and fallbacks
        (spec 8.3)."""
        row.deleted_at = row.updated_at = now
        await self.clear_accounts(row.id)
        await self._session.execute(
            update(ApiKeyRow).where(ApiKeyRow.group_id == row.id).values(group_id=None, updated_at=now)
        )
        await self._session.execute(
            update(SubscriptionRow)
            .where(SubscriptionRow.group_id == row.id, SubscriptionRow.deleted_at.is_(None))
            .values(deleted_at=now, updated_at=now)
        )
        await self._session.execute(delete(UserAllowedGroupRow).where(UserAllowedGroupRow.group_id == row.id))
        await self.clear_rates(row.id)
        for column in ("fallback_group_id", "fallback_group_id_on_invalid_request"):
            attribute = getattr(GroupRow, column)
            await self._session.execute(update(GroupRow).where(attribute == row.id).values({column: None}))

    async def rates(self, group_id: int) -> Sequence[tuple[UserRow, int]]:
        rows = await self._session.execute(
            select(UserRow, UserGroupMultiplierRow.charge_multiplier)
            .join(UserGroupMultiplierRow, UserGroupMultiplierRow.user_id == UserRow.id)
            .where(UserGroupMultiplierRow.group_id == group_id, UserRow.deleted_at.is_(None))
            .order_by(UserRow.id)
        )
        return [(row[0], row[1]) for row in rows]

    async def clear_rates(self, group_id: int) -> None:
        await self._session.execute(
            delete(UserGroupMultiplierRow).where(UserGroupMultiplierRow.group_id == group_id)
        )
