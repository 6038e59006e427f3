"""Bodies and answers about announcements (spec 1.25, 7.12, 8.6)."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from headgate.control.announcements.targeting import Targeting
from headgate.control.web.fields import Deadline, RequestBody
from headgate.core.money import to_usd
from headgate.storage.models import AnnouncementRow, UserRow

Title = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Content = Annotated[str, Field(min_length=1, max_length=100_000, pattern=r"\S")]
"""Markdown; who shows it sanitises it."""
Status = Literal["draft", "active", "archived"]
NotifyMode = Literal["silent", "popup"]


class AnnouncementCreate(RequestBody):
    title: Title
    content: Content
    status: Status = "draft"
    notify_mode: NotifyMode = "silent"
    targeting: Targeting | None = None
    starts_at: Deadline = None
    ends_at: Deadline = None


class AnnouncementUpdate(RequestBody):
    """Absent fields and null stay; 0 clears an instant, `{}` the targeting."""

    title: Title | None = None
    content: Content | None = None
    status: Status | None = None
    notify_mode: NotifyMode | None = None
    targeting: Targeting | None = None
    starts_at: Deadline = None
    ends_at: Deadline = None


class _Shown(BaseModel):
    id: int
    title: str
    content: str
    notify_mode: str
    starts_at: datetime | None
    ends_at: datetime | None
    created_at: datetime
    updated_at: datetime


class AdminAnnouncementView(_Shown):
    status: str
    targeting: Targeting
    created_by: int | None
    updated_by: int | None


class AnnouncementView(_Shown):
    read_at: datetime | None


class ReadStatusView(BaseModel):
    user_id: int
    email: str
    username: str
    balance: float
    eligible: bool
    """Whether the targeting includes the user now."""
    read_at: datetime | None


def admin_view(row: AnnouncementRow) -> AdminAnnouncementView:
    return AdminAnnouncementView(
        id=row.id,
        title=row.title,
        content=row.content,
        status=row.status,
        notify_mode=row.notify_mode,
        targeting=targeting_of(row),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        created_by=row.created_by,
        updated_by=row.updated_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def user_announcement_view(row: AnnouncementRow, read_at: datetime | None) -> AnnouncementView:
    return AnnouncementView(
        id=row.id,
        title=row.title,
        content=row.content,
        notify_mode=row.notify_mode,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        read_at=read_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def read_status_view(user: UserRow, *, eligible: bool, read_at: datetime | None) -> ReadStatusView:
    return ReadStatusView(
        user_id=user.id,
        email=user.email,
        username=user.username,
        balance=to_usd(user.balance_nano),
        eligible=eligible,
        read_at=read_at,
    )


def targeting_of(row: AnnouncementRow) -> Targeting:
    return Targeting.model_validate(row.targeting or {})
