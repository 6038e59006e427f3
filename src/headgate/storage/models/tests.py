"""Scheduled tests of upstream accounts and their results (spec 1.21)."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified
from headgate.storage.types import BigId, EpochMs


class ScheduledTestPlanRow(Identified, Base):
    __tablename__ = "scheduled_test_plans"
    __table_args__ = (
        Index("ix_scheduled_test_plans_account_id", "account_id"),
        Index("ix_scheduled_test_plans_enabled_next_run_at", "enabled", "next_run_at"),
    )

    account_id: Mapped[int] = mapped_column(BigId, ForeignKey("accounts.id", ondelete="CASCADE"))
    model_id: Mapped[str] = mapped_column(String(100), default="")
    """Empty: the platform's default test model."""
    cron_expression: Mapped[str] = mapped_column(String(100), default="*/30 * * * *")
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    max_results: Mapped[int] = mapped_column(Integer, default=50)
    auto_recover: Mapped[bool] = mapped_column(Boolean, default=False)
    last_run_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    next_run_at: Mapped[datetime] = mapped_column(EpochMs)


class ScheduledTestResultRow(Base):
    __tablename__ = "scheduled_test_results"
    __table_args__ = (Index("ix_scheduled_test_results_plan_id_id", "plan_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    plan_id: Mapped[int] = mapped_column(BigId, ForeignKey("scheduled_test_plans.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(20))
    """success | failed"""
    response_text: Mapped[str] = mapped_column(Text, default="")
    error_message: Mapped[str] = mapped_column(Text, default="")
    latency_ms: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(EpochMs)
    finished_at: Mapped[datetime] = mapped_column(EpochMs)
    created_at: Mapped[datetime] = mapped_column(EpochMs)
