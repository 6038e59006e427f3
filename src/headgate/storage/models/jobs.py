"""Long work of the administration, what became of each piece, and the files that it made (control/jobs/)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified
from headgate.storage.types import BigId, EpochMs, JsonText


class JobRow(Identified, Base):
    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_status_id", "status", "id"),)

    kind: Mapped[str] = mapped_column(String(30))
    status: Mapped[str] = mapped_column(String(10), default="pending")
    """pending | running | succeeded | failed | canceled"""
    body_sealed: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    """What was asked, sealed: imports carry credentials. Gone when the job has ended."""
    place: Mapped[Any] = mapped_column(JsonText)
    """How far it came, as its kind counts it."""
    total: Mapped[int] = mapped_column(Integer, default=0)
    done: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    """Of those done."""
    reason: Mapped[str] = mapped_column(String(100), default="")
    error_message: Mapped[str] = mapped_column(Text, default="")
    created_by: Mapped[int | None] = mapped_column(BigId, default=None)
    via: Mapped[str] = mapped_column(String(20), default="")
    """How whoever asked was known: token, cookie, admin_key."""
    canceled_by: Mapped[int | None] = mapped_column(BigId, default=None)
    file_name: Mapped[str] = mapped_column(String(100), default="")
    started_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    finished_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)


class JobItemRow(Base):
    """One piece of a job that was done, well or not."""

    __tablename__ = "job_items"
    __table_args__ = (Index("ix_job_items_job_id_id", "job_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    job_id: Mapped[int] = mapped_column(BigId)
    success: Mapped[bool]
    subject: Mapped[str] = mapped_column(String(20))
    """account | proxy"""
    subject_id: Mapped[int | None] = mapped_column(BigId, default=None)
    name: Mapped[str] = mapped_column(String(200), default="")
    message: Mapped[str] = mapped_column(Text, default="")


class JobFilePartRow(Base):
    """A piece of a file, compressed as one member of gzip."""

    __tablename__ = "job_file_parts"
    __table_args__ = (Index("ix_job_file_parts_job_id_id", "job_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    job_id: Mapped[int] = mapped_column(BigId)
    content: Mapped[bytes] = mapped_column(LargeBinary)
