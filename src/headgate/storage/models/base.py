"""Declarative base with named constraints (Alembic needs names to drop them on both databases)."""

from datetime import datetime

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from headgate.storage.types import BigId, EpochMs

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


class Identified:
    """Surrogate key and timestamps; the writer sets the instants from the clock."""

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    created_at: Mapped[datetime] = mapped_column(EpochMs)
    updated_at: Mapped[datetime] = mapped_column(EpochMs)


class SoftDeleted:
    """Rows that stay for the books but vanish from every listing."""

    deleted_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
