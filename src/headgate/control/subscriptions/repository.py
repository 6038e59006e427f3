"""SQL about subscriptions: a user's time-boxed rights to groups."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from headgate.control.web.envelope import Paging
from headgate.errors import BadRequest, NotFound
from headgate.storage.models import GroupRow, SubscriptionRow

NOT_REVOKED = SubscriptionRow.deleted_at.is_(None)
SORTABLE: Mapping[str, InstrumentedAttribute[Any]] = {
    "created_at": SubscriptionRow.created_at,
    "starts_at": SubscriptionRow.starts_at,
    "expires_at": SubscriptionRow.expires_at,
    "status": SubscriptionRow.status,
}
"""Anything else sorts by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFilter:
    user_id: int = 0
    """0: whoever; the same for the group."""
    group_id: int = 0
    status: str = ""
    platform: str = ""
    sort_by: str = ""
    is_ascending: bool = False


def running_at(now: datetime) -> ColumnElement[bool]:
    """What the data plane lets in: active, begun, not over, not revoked."""
    row = SubscriptionRow
    return and_(NOT_REVOKED, row.status == "active", row.starts_at <= now, row.expires_at > now)


class SubscriptionRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, subscription_id: int) -> SubscriptionRow:
        """Raises SUBSCRIPTION_NOT_FOUND."""
        return _found(await self._fresh(SubscriptionRow.id == subscription_id))

    async def locked(self, subscription_id: int) -> SubscriptionRow:
        """The same with its row locked to the end of the transaction. Raises SUBSCRIPTION_NOT_FOUND."""
        return _found(await self._locked(SubscriptionRow.id == subscription_id))

    async def locked_of(self, user_id: int, group_id: int) -> SubscriptionRow | None:
        """A user's subscription to a group, running or over, locked; None when there is none."""
        return await self._locked(
            (SubscriptionRow.user_id == user_id) & (SubscriptionRow.group_id == group_id)
        )

    async def group_to_subscribe(self, group_id: int) -> GroupRow:
        """A group that subscriptions are for, kept from being deleted until the transaction ends.

        On SQLite the caller must hold the write lock already. Raises GROUP_NOT_FOUND,
        GROUP_NOT_SUBSCRIPTION_TYPE.
        """
        row = await self._session.scalar(
            select(GroupRow)
            .where(GroupRow.id == group_id, GroupRow.deleted_at.is_(None))
            .with_for_update(read=True)
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise NotFound("group not found", reason="GROUP_NOT_FOUND")
        return require_subscription_type(row)

    async def of_users(self, user_ids: Collection[int]) -> Sequence[SubscriptionRow]:
        """Newest first, those that are over too."""
        if not user_ids:
            return []
        rows = await self._session.scalars(
            select(SubscriptionRow)
            .where(SubscriptionRow.user_id.in_(user_ids), NOT_REVOKED)
            .order_by(SubscriptionRow.id.desc())
        )
        return rows.all()

    async def running(self, user_id: int, now: datetime) -> list[SubscriptionRow]:
        """A user's, newest first."""
        rows = await self._session.scalars(
            select(SubscriptionRow)
            .where(SubscriptionRow.user_id == user_id, running_at(now))
            .order_by(SubscriptionRow.id.desc())
        )
        return list(rows)

    async def is_subscribed(self, user_id: int, group_id: int, now: datetime) -> bool:
        """There is a running subscription."""
        found = await self._session.scalar(
            select(SubscriptionRow.id).where(
                SubscriptionRow.user_id == user_id, SubscriptionRow.group_id == group_id, running_at(now)
            )
        )
        return found is not None

    async def page(
        self, wanted: SubscriptionFilter, paging: Paging, now: datetime
    ) -> tuple[Sequence[SubscriptionRow], int]:
        query = _filtered(wanted, now)
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        column, key = SORTABLE.get(wanted.sort_by, SubscriptionRow.id), SubscriptionRow.id
        order = (column.asc(), key.asc()) if wanted.is_ascending else (column.desc(), key.desc())
        rows = await self._session.scalars(
            query.order_by(*order).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def _locked(self, which: ColumnElement[bool]) -> SubscriptionRow | None:
        """An UPDATE takes the lock on both databases; what is read after it nobody else changes."""
        await self._session.execute(
            update(SubscriptionRow)
            .where(which, NOT_REVOKED)
            .values(updated_at=SubscriptionRow.updated_at)
            .execution_options(synchronize_session=False)
        )
        return await self._fresh(which)

    async def _fresh(self, which: ColumnElement[bool]) -> SubscriptionRow | None:
        return await self._session.scalar(
            select(SubscriptionRow).where(which, NOT_REVOKED).execution_options(populate_existing=True)
        )


def _found(row: SubscriptionRow | None) -> SubscriptionRow:
    if row is None:
        raise NotFound("subscription not found", reason="SUBSCRIPTION_NOT_FOUND")
    return row


def require_subscription_type(group: GroupRow) -> GroupRow:
    """The group again. Raises GROUP_NOT_SUBSCRIPTION_TYPE."""
    if group.subscription_type != "subscription":
        raise BadRequest(
            f"group {group.name!r} is paid from the balance; choose one of type subscription",
            reason="GROUP_NOT_SUBSCRIPTION_TYPE",
        )
    return group


def _filtered(wanted: SubscriptionFilter, now: datetime) -> Select[SubscriptionRow]:
    row = SubscriptionRow
    query = select(row).where(NOT_REVOKED)
    if wanted.user_id:
        query = query.where(row.user_id == wanted.user_id)
    if wanted.group_id:
        query = query.where(row.group_id == wanted.group_id)
    if wanted.status:
        query = query.where(_has_status(wanted.status, now))
    if wanted.platform:
        groups = select(GroupRow.id).where(GroupRow.platform == wanted.platform)
        query = query.where(row.group_id.in_(groups))
    return query


def _has_status(status: str, now: datetime) -> ColumnElement[bool]:
    """As it is shown: an active one whose time has passed is expired, whether the job has come by or not."""
    row = SubscriptionRow
    match status:
        case "active":
            return and_(row.status == "active", row.expires_at > now)
        case "expired":
            return or_(row.status == "expired", and_(row.status == "active", row.expires_at <= now))
        case _:
            return row.status == status
