"""What is sold and given away: subscriptions, redeem codes, promo codes (spec 1.6, 1.8, 1.9)."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified, SoftDeleted
from headgate.storage.models.people import NOT_DELETED
from headgate.storage.types import BigId, EpochMs


class SubscriptionRow(Identified, SoftDeleted, Base):
    """A user's time-boxed right to a group; its windows are spent instead of the balance."""

    __tablename__ = "user_subscriptions"
    __table_args__ = (
        Index(
            "uq_user_subscriptions_user_id_group_id",
            "user_id",
            "group_id",
            unique=True,
            sqlite_where=NOT_DELETED,
            postgresql_where=NOT_DELETED,
        ),
        Index("ix_user_subscriptions_group_id", "group_id"),
        Index("ix_user_subscriptions_expires_at", "expires_at"),
    )

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    group_id: Mapped[int] = mapped_column(BigId, ForeignKey("groups.id"))
    starts_at: Mapped[datetime] = mapped_column(EpochMs)
    expires_at: Mapped[datetime] = mapped_column(EpochMs)
    status: Mapped[str] = mapped_column(String(20), default="active")
    """active | expired | suspended"""
    daily_window_start: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    weekly_window_start: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    monthly_window_start: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    daily_used_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    weekly_used_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    monthly_used_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    total_used_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    """Since the beginning: what the ledger's book `subscription:<id>` says."""
    assigned_by: Mapped[int | None] = mapped_column(BigId, default=None)
    assigned_at: Mapped[datetime] = mapped_column(EpochMs)
    notes: Mapped[str] = mapped_column(Text, default="")


class RedeemCodeRow(Identified, Base):
    """A code that gives its first redeemer something."""

    __tablename__ = "redeem_codes"
    __table_args__ = (
        Index("uq_redeem_codes_code", "code", unique=True),
        Index("ix_redeem_codes_used_by", "used_by"),
        Index("ix_redeem_codes_status_type", "status", "type"),
    )

    code: Mapped[str] = mapped_column(String(128))
    type: Mapped[str] = mapped_column(String(20))
    """balance | concurrency | subscription | invitation; admin_balance, admin_concurrency: audit rows."""
    value_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    """Nano-USD; for concurrency, slots times 10^9. May be negative."""
    status: Mapped[str] = mapped_column(String(20), default="unused")
    """unused | used | expired"""
    used_by: Mapped[int | None] = mapped_column(BigId, ForeignKey("users.id"), default=None)
    used_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    notes: Mapped[str] = mapped_column(Text, default="")
    group_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("groups.id"), default=None)
    validity_days: Mapped[int] = mapped_column(Integer, default=30)
    expires_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    """Unused codes are void from then on; None: never."""
    batch: Mapped[str] = mapped_column(String(64), default="")
    """Names the codes that were generated together."""
    created_by: Mapped[int | None] = mapped_column(BigId, default=None)


class PromoCodeRow(Identified, Base):
    """A bonus at registration, for many users, once each."""

    __tablename__ = "promo_codes"
    __table_args__ = (Index("uq_promo_codes_code", "code", unique=True),)

    code: Mapped[str] = mapped_column(String(32))
    bonus_nano: Mapped[int] = mapped_column(BigInteger)
    max_uses: Mapped[int] = mapped_column(Integer, default=0)
    """0 = unlimited."""
    used_count: Mapped[int] = mapped_column(Integer, default=0)
    status: Mapped[str] = mapped_column(String(20), default="active")
    """active | disabled"""
    expires_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    notes: Mapped[str] = mapped_column(Text, default="")


class PromoCodeUsageRow(Base):
    __tablename__ = "promo_code_usages"
    __table_args__ = (
        Index("uq_promo_code_usages_promo_code_id_user_id", "promo_code_id", "user_id", unique=True),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    promo_code_id: Mapped[int] = mapped_column(BigId, ForeignKey("promo_codes.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    bonus_nano: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[datetime] = mapped_column(EpochMs)
