"""SQL about announcements and who has read them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.search import contains
from headgate.control.subscriptions.repository import running_at
from headgate.control.web.envelope import Paging
from headgate.errors import NotFound
from headgate.storage.models import AnnouncementReadRow, AnnouncementRow, SubscriptionRow

MAX_SHOWN = 500
"""Announcements that run at once; older ones are not shown. Operators run a handful."""
_Row, _Read = AnnouncementRow, AnnouncementReadRow


class AnnouncementRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, announcement_id: int) -> AnnouncementRow:
        """Raises ANNOUNCEMENT_NOT_FOUND."""
        return found_announcement(await self._session.get(_Row, announcement_id))

    async def page(
        self, paging: Paging, *, status: str = "", search: str = ""
    ) -> tuple[Sequence[AnnouncementRow], int]:
        """Newest first; `search` looks at title and content."""
        query = select(_Row)
        if status:
            query = query.where(_Row.status == status)
        if search:
            query = query.where(contains(search, _Row.title, _Row.content))
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.scalars(
            query.order_by(_Row.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def running(self, now: datetime, *, only: int | None = None) -> Sequence[AnnouncementRow]:
        """Active and inside their window, newest first; `only` that one."""
        query = select(_Row).where(_runs(now)).order_by(_Row.id.desc()).limit(MAX_SHOWN)
        return (await self._session.scalars(query if only is None else query.where(_Row.id == only))).all()

    async def reads_of_user(self, user_id: int, ids: Collection[int]) -> Mapping[int, datetime]:
        """When, by announcement."""
        found = await self._session.execute(
            select(_Read.announcement_id, _Read.read_at).where(
                _Read.user_id == user_id, _Read.announcement_id.in_(ids)
            )
        )
        return {announcement: read_at for announcement, read_at in found}

    async def readers(self, announcement_id: int, user_ids: Collection[int]) -> Mapping[int, datetime]:
        """When, by user."""
        found = await self._session.execute(
            select(_Read.user_id, _Read.read_at).where(
                _Read.announcement_id == announcement_id, _Read.user_id.in_(user_ids)
            )
        )
        return {user: read_at for user, read_at in found}

    async def mark_read(self, announcement_id: int, user_id: int, now: datetime) -> None:
        """The first time counts; two at once are one."""
        is_sqlite = self._session.get_bind().dialect.name == "sqlite"
        statement: Any = (sqlite if is_sqlite else postgresql).insert(_Read)
        await self._session.execute(
            statement.values(
                announcement_id=announcement_id, user_id=user_id, read_at=now
            ).on_conflict_do_nothing()
        )

    async def delete(self, announcement_id: int) -> None:
        """With the marks of who has read it."""
        await self._session.execute(delete(_Read).where(_Read.announcement_id == announcement_id))
        await self._session.execute(delete(_Row).where(_Row.id == announcement_id))

    async def subscribed_groups(
        self, user_ids: Collection[int], now: datetime
    ) -> Mapping[int, frozenset[int]]:
        """Groups of running subscriptions, by user."""
        row = SubscriptionRow
        found = await self._session.execute(
            select(row.user_id, row.group_id).where(running_at(now), row.user_id.in_(user_ids))
        )
        groups: dict[int, set[int]] = defaultdict(set)
        for user_id, group_id in found:
            groups[user_id].add(group_id)
        return {user_id: frozenset(ids) for user_id, ids in groups.items()}


def found_announcement(row: AnnouncementRow | None) -> AnnouncementRow:
    """Raises ANNOUNCEMENT_NOT_FOUND."""
    if row is None:
        raise NotFound("announcement not found", reason="ANNOUNCEMENT_NOT_FOUND")
    return row


def _runs(now: datetime) -> ColumnElement[bool]:
    has_begun = or_(_Row.starts_at.is_(None), _Row.starts_at <= now)
    is_not_over = or_(_Row.ends_at.is_(None), _Row.ends_at > now)
    return (_Row.status == "active") & has_begun & is_not_over
