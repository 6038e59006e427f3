"""What the operator tells its users (spec 1.11)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified
from headgate.storage.types import BigId, EpochMs, JsonText


class AnnouncementRow(Identified, Base):
    __tablename__ = "announcements"
    __table_args__ = (Index("ix_announcements_status_id", "status", "id"),)

    title: Mapped[str] = mapped_column(String(200))
    content: Mapped[str] = mapped_column(Text)
    """Markdown."""
    status: Mapped[str] = mapped_column(String(20), default="draft")
    """draft | active | archived"""
    notify_mode: Mapped[str] = mapped_column(String(20), default="silent")
    """silent | popup"""
    targeting: Mapped[Any] = mapped_column(JsonText, default=dict)
    """See `control.announcements.targeting`; empty: everyone."""
    starts_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    ends_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    created_by: Mapped[int | None] = mapped_column(BigId, default=None)
    updated_by: Mapped[int | None] = mapped_column(BigId, default=None)


class AnnouncementReadRow(Base):
    """A user has read an announcement; the first time counts."""

    __tablename__ = "announcement_reads"
    __table_args__ = (Index("ix_announcement_reads_user_id", "user_id"),)

    announcement_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("announcements.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    read_at: Mapped[datetime] = mapped_column(EpochMs)
