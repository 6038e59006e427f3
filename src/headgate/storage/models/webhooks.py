"""Webhooks: who is told, what happened, and what was delivered (control/webhooks)."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified
from headgate.storage.types import BigId, EpochMs, JsonText


class WebhookEndpointRow(Identified, Base):
    __tablename__ = "webhook_endpoints"

    name: Mapped[str] = mapped_column(String(100))
    url: Mapped[str] = mapped_column(String(2048))
    secret_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    events: Mapped[Any] = mapped_column(JsonText, default=list)
    """Types of events; empty: all."""
    status: Mapped[str] = mapped_column(String(10), default="active")
    """active | inactive"""
    status_reason: Mapped[str] = mapped_column(String(200), default="")


class WebhookEventRow(Base):
    """Something that happened, written in the transaction in which it did. Only ever added and, when its time
    is over, deleted."""

    __tablename__ = "webhook_events"
    __table_args__ = (Index("ix_webhook_events_at_ms", "at_ms"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    type: Mapped[str] = mapped_column(String(40))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    payload: Mapped[str] = mapped_column(Text)
    """JSON, the bytes that are signed and sent."""


class WebhookDeliveryRow(Base):
    """One event for one endpoint, with how far it came."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_status_next_at_ms", "status", "next_at_ms"),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_event_id", "event_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    endpoint_id: Mapped[int] = mapped_column(BigId, ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    event_id: Mapped[str] = mapped_column(String(40), ForeignKey("webhook_events.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(10), default="pending")
    """pending | delivered | failed"""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at_ms: Mapped[int] = mapped_column(BigInteger)
    answer_status: Mapped[int | None] = mapped_column(Integer, default=None)
    error: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[datetime] = mapped_column(EpochMs)
    finished_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)


class WebhookNoticeRow(Base):
    """What watchers have told already, so that they tell it once."""

    __tablename__ = "webhook_notices"

    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    subject: Mapped[str] = mapped_column(String(200), primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
