"""What an installation wants to know of its users besides (spec 1.12)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified
from headgate.storage.types import BigId, EpochMs, JsonText


class UserAttributeDefinitionRow(Identified, Base):
    __tablename__ = "user_attribute_definitions"
    __table_args__ = (Index("uq_user_attribute_definitions_key", "key", unique=True),)

    key: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text, default="")
    type: Mapped[str] = mapped_column(String(20))
    """text | textarea | number | email | url | date | select | multi_select"""
    options: Mapped[Any] = mapped_column(JsonText, default=list)
    """[{"value", "label"}] of select and multi_select."""
    required: Mapped[bool] = mapped_column(Boolean, default=False)
    validation: Mapped[Any] = mapped_column(JsonText, default=dict)
    """min_length, max_length, min, max, pattern, message; each may be absent."""
    placeholder: Mapped[str] = mapped_column(String(255), default="")
    display_order: Mapped[int] = mapped_column(Integer, default=0)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)


class UserAttributeValueRow(Base):
    """A value goes with its definition and with its user."""

    __tablename__ = "user_attribute_values"
    __table_args__ = (Index("ix_user_attribute_values_attribute_id", "attribute_id"),)

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    attribute_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("user_attribute_definitions.id", ondelete="CASCADE"), primary_key=True
    )
    value: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(EpochMs)
