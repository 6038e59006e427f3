"""Writing announcements, and reading them (spec 7.12, 8.6)."""

from collections.abc import Sequence
from datetime import datetime

from headgate.control.announcements.repository import AnnouncementRepository, found_announcement
from headgate.control.announcements.schemas import (
    AnnouncementCreate,
    AnnouncementUpdate,
    AnnouncementView,
    ReadStatusView,
    read_status_view,
    targeting_of,
    user_announcement_view,
)
from headgate.control.announcements.targeting import Reader, Targeting
from headgate.control.users.repository import UserFilter, UserRepository
from headgate.control.web.envelope import Page, Paging
from headgate.control.web.fields import deadline
from headgate.control.work import Work
from headgate.errors import BadRequest
from headgate.storage.models import AnnouncementRow, UserRow


class AnnouncementService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._announcements = AnnouncementRepository(work.session)

    async def create(self, draft: AnnouncementCreate) -> AnnouncementRow:
        """Raises INVALID_INPUT."""
        now = self._work.now()
        row = AnnouncementRow(
            title=draft.title.strip(),
            content=draft.content,
            status=draft.status,
            notify_mode=draft.notify_mode,
            targeting=(draft.targeting or Targeting()).model_dump(),
            starts_at=deadline(draft.starts_at),
            ends_at=deadline(draft.ends_at),
            created_by=self._work.actor_id,
            updated_by=self._work.actor_id,
            created_at=now,
            updated_at=now,
        )
        _require_window(row.starts_at, row.ends_at)
        self._work.session.add(row)
        await self._work.session.flush()
        return row

    async def update(self, announcement_id: int, change: AnnouncementUpdate) -> AnnouncementRow:
        """Raises ANNOUNCEMENT_NOT_FOUND, INVALID_INPUT."""
        row = await self._announcements.get(announcement_id)
        for name in ("content", "status", "notify_mode"):
            if (value := getattr(change, name)) is not None:
                setattr(row, name, value)
        if change.title is not None:
            row.title = change.title.strip()
        if change.targeting is not None:
            row.targeting = change.targeting.model_dump()
        if change.starts_at is not None:
            row.starts_at = deadline(change.starts_at)
        if change.ends_at is not None:
            row.ends_at = deadline(change.ends_at)
        _require_window(row.starts_at, row.ends_at)
        row.updated_by, row.updated_at = self._work.actor_id, self._work.now()
        await self._work.session.flush()
        return row

    async def delete(self, announcement_id: int) -> None:
        """Raises ANNOUNCEMENT_NOT_FOUND."""
        await self._announcements.get(announcement_id)
        await self._announcements.delete(announcement_id)

    async def for_caller(self, *, unread_only: bool) -> Sequence[AnnouncementView]:
        """What runs and is meant for the caller, newest first."""
        rows = await self._meant_for_caller(await self._announcements.running(self._work.now()))
        read = await self._announcements.reads_of_user(self._work.actor.user_id, [row.id for row in rows])
        return [
            user_announcement_view(row, read.get(row.id))
            for row in rows
            if not (unread_only and row.id in read)
        ]

    async def mark_read(self, announcement_id: int) -> None:
        """Again changes nothing. Raises ANNOUNCEMENT_NOT_FOUND, also for what the caller is not shown."""
        running = await self._announcements.running(self._work.now(), only=announcement_id)
        row = found_announcement(next(iter(await self._meant_for_caller(running)), None))
        await self._announcements.mark_read(row.id, self._work.actor.user_id, self._work.now())

    async def read_status(self, announcement_id: int, paging: Paging, search: str) -> Page[ReadStatusView]:
        """Every user, newest first: whether it is meant, and when it read. Raises ANNOUNCEMENT_NOT_FOUND."""
        targeting = targeting_of(await self._announcements.get(announcement_id))
        users, total = await UserRepository(self._work.session).page(UserFilter(search=search), paging)
        ids = [user.id for user in users]
        groups = await self._announcements.subscribed_groups(ids, self._work.now())
        read = await self._announcements.readers(announcement_id, ids)
        views = [
            read_status_view(
                user,
                eligible=targeting.includes(_reader(user, groups.get(user.id, frozenset()))),
                read_at=read.get(user.id),
            )
            for user in users
        ]
        return paging.wrap(views, total)

    async def _meant_for_caller(self, rows: Sequence[AnnouncementRow]) -> Sequence[AnnouncementRow]:
        user = await UserRepository(self._work.session).get(self._work.actor.user_id)
        groups = await self._announcements.subscribed_groups([user.id], self._work.now())
        reader = _reader(user, groups.get(user.id, frozenset()))
        return [row for row in rows if targeting_of(row).includes(reader)]


def _reader(user: UserRow, group_ids: frozenset[int]) -> Reader:
    return Reader(balance_nano=user.balance_nano, group_ids=group_ids)


def _require_window(starts_at: datetime | None, ends_at: datetime | None) -> None:
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise BadRequest("ends_at must be after starts_at")
