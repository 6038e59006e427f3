"""What clients are shown of certain refusals (spec 1.14)."""

from typing import Any

from sqlalchemy import Boolean, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified
from headgate.storage.types import JsonText


class ErrorRuleRow(Identified, Base):
    __tablename__ = "error_passthrough_rules"
    __table_args__ = (Index("ix_error_passthrough_rules_priority", "priority"),)

    name: Mapped[str] = mapped_column(String(100))
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    """Lower first."""
    error_codes: Mapped[Any] = mapped_column(JsonText, default=list)
    keywords: Mapped[Any] = mapped_column(JsonText, default=list)
    match_mode: Mapped[str] = mapped_column(String(10), default="any")
    """any | all, where there are codes and keywords."""
    platforms: Mapped[Any] = mapped_column(JsonText, default=list)
    """Empty: all."""
    passthrough_code: Mapped[bool] = mapped_column(Boolean, default=True)
    response_code: Mapped[int | None] = mapped_column(Integer, default=None)
    passthrough_body: Mapped[bool] = mapped_column(Boolean, default=True)
    custom_message: Mapped[str | None] = mapped_column(Text, default=None)
    skip_monitoring: Mapped[bool] = mapped_column(Boolean, default=False)
    description: Mapped[str] = mapped_column(Text, default="")
