"""Sums of usage by hour, so that a total does not read every record (ADR 28)."""

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base
from headgate.storage.types import BigId


class UsageHourRow(Base):
    """What one user used through one group in one hour that is over. Derived: it can be computed again from
    the records, as long as those are kept."""

    __tablename__ = "usage_hours"
    __table_args__ = (
        Index("ix_usage_hours_user_id_hour_ms", "user_id", "hour_ms"),
        {"sqlite_with_rowid": False},
    )

    hour_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """When the hour began, UTC."""
    user_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    group_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    requests: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_read_tokens: Mapped[int] = mapped_column(BigInteger)
    list_cost_nano: Mapped[int] = mapped_column(BigInteger)
    charge_nano: Mapped[int] = mapped_column(BigInteger)
    account_cost_nano: Mapped[int] = mapped_column(BigInteger)
    duration_ms: Mapped[int] = mapped_column(BigInteger)
