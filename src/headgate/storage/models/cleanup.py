"""Tasks that take personal detail out of usage records (control/usage/cleanup.py)."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified
from headgate.storage.types import BigId, EpochMs, JsonText


class UsageCleanupTaskRow(Identified, Base):
    __tablename__ = "usage_cleanup_tasks"
    __table_args__ = (Index("ix_usage_cleanup_tasks_status_id", "status", "id"),)

    status: Mapped[str] = mapped_column(String(10), default="pending")
    """pending | running | succeeded | failed | canceled"""
    filters: Mapped[Any] = mapped_column(JsonText)
    """As they were asked."""
    wanted: Mapped[Any] = mapped_column(JsonText)
    """What they mean: fields of `UsageFilter`, with the span as from_ms and until_ms."""
    position_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    """How far it came: the last record's instant and id."""
    position_id: Mapped[int] = mapped_column(BigInteger, default=0)
    cleaned_rows: Mapped[int] = mapped_column(Integer, default=0)
    deleted_traces: Mapped[int] = mapped_column(Integer, default=0)
    error_message: Mapped[str] = mapped_column(Text, default="")
    created_by: Mapped[int | None] = mapped_column(BigId, default=None)
    canceled_by: Mapped[int | None] = mapped_column(BigId, default=None)
    started_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    finished_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
