"""Revisions of the configuration (control/configuration)."""

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base
from headgate.storage.types import BigId, EpochMs


class ConfigRevisionRow(Base):
    """The whole configuration after an apply, without secrets. Only ever added."""

    __tablename__ = "config_revisions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    created_at: Mapped[datetime] = mapped_column(EpochMs)
    actor_id: Mapped[int | None] = mapped_column(BigId, default=None)
    """NULL: the command line."""
    actor: Mapped[str] = mapped_column(String(255))
    """E-mail or command, as it was then."""
    via: Mapped[str] = mapped_column(String(10))
    """apply | rollback | found (changed by other ways, noted before the next apply)"""
    note: Mapped[str] = mapped_column(Text, default="")
    summary: Mapped[str] = mapped_column(String(255), default="")
    digest: Mapped[str] = mapped_column(String(32))
    """Names the state."""
    document: Mapped[str] = mapped_column(Text)
    """JSON, as `parse` reads it; secrets are references."""
