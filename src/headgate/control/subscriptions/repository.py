"""SQL about subscriptions: a user's time-boxed rights to groups."""

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.errors import BadRequest, NotFound
from headgate.storage.models import GroupRow, SubscriptionRow

NOT_REVOKED = SubscriptionRow.deleted_at.is_(None)


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
        if row.subscription_type != "subscription":
            raise BadRequest(
                f"group {row.name!r} is paid from the balance; choose one of type subscription",
                reason="GROUP_NOT_SUBSCRIPTION_TYPE",
            )
        return row

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
