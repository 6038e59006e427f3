"""Groups, upstream accounts, egress proxies (spec 1.3, 1.4, 1.10)."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified, SoftDeleted
from headgate.storage.models.people import NOT_DELETED
from headgate.storage.types import BigId, EpochMs, JsonText


class GroupRow(Identified, SoftDeleted, Base):
    __tablename__ = "groups"
    __table_args__ = (
        Index("uq_groups_name", "name", unique=True, sqlite_where=NOT_DELETED, postgresql_where=NOT_DELETED),
    )

    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(Text, default="")
    platform: Mapped[str] = mapped_column(String(20), default="anthropic")
    charge_multiplier: Mapped[int] = mapped_column(Integer, default=10_000)
    is_exclusive: Mapped[bool] = mapped_column(Boolean, default=False)
    status: Mapped[str] = mapped_column(String(20), default="active")
    subscription_type: Mapped[str] = mapped_column(String(20), default="standard")
    daily_limit_nano: Mapped[int | None] = mapped_column(BigInteger, default=None)
    weekly_limit_nano: Mapped[int | None] = mapped_column(BigInteger, default=None)
    monthly_limit_nano: Mapped[int | None] = mapped_column(BigInteger, default=None)
    default_validity_days: Mapped[int] = mapped_column(Integer, default=30)
    image_price_1k_nano: Mapped[int | None] = mapped_column(BigInteger, default=None)
    image_price_2k_nano: Mapped[int | None] = mapped_column(BigInteger, default=None)
    image_price_4k_nano: Mapped[int | None] = mapped_column(BigInteger, default=None)
    claude_code_only: Mapped[bool] = mapped_column(Boolean, default=False)
    fallback_group_id: Mapped[int | None] = mapped_column(BigId, default=None)
    fallback_group_id_on_invalid_request: Mapped[int | None] = mapped_column(BigId, default=None)
    default_proxy_id: Mapped[int | None] = mapped_column(BigId, default=None)
    model_routing: Mapped[Any] = mapped_column(JsonText, default=dict)
    model_routing_enabled: Mapped[bool] = mapped_column(Boolean, default=False)
    supported_model_scopes: Mapped[Any] = mapped_column(JsonText, default=list)
    allow_messages_dispatch: Mapped[bool] = mapped_column(Boolean, default=False)
    default_mapped_model: Mapped[str] = mapped_column(String(100), default="")
    sort_order: Mapped[int] = mapped_column(Integer, default=0)
    disconnect_policy: Mapped[str] = mapped_column(String(10), default="drain")
    overrun_policy: Mapped[str] = mapped_column(String(10), default="strict")
    """What happens when a running stream cannot be covered any further: strict | overdraft."""
    overdraft_limit_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    """How far below zero a balance may go under `overdraft`."""
    unknown_price: Mapped[str] = mapped_column(String(10), default="inherit")
    """Models without a price: inherit (the installation's setting) | refuse | default."""
    quota_basis: Mapped[str] = mapped_column(String(10), default="charge")
    """What subscription windows and key quotas count: charge (after the multiplier) | list_cost."""
    rpm_limit: Mapped[int] = mapped_column(Integer, default=0)
    tpm_limit: Mapped[int] = mapped_column(BigInteger, default=0)
    scheduling_policy: Mapped[str] = mapped_column(String(10), default="layered")
    """How an account is chosen: layered | scored."""
    fair_sharing: Mapped[Any] = mapped_column(JsonText, default=None, nullable=True)
    """How the group's slots are shared among its users (core/limits/fair_share.py); None: they are not."""
    model_limits: Mapped[Any] = mapped_column(JsonText, default=None, nullable=True)
    """Requests and tokens a minute of single models (core/limits/model_rates.py); None: no such limit."""


class ProxyRow(Identified, SoftDeleted, Base):
    __tablename__ = "proxies"

    name: Mapped[str] = mapped_column(String(100))
    protocol: Mapped[str] = mapped_column(String(10))
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int] = mapped_column(Integer)
    username: Mapped[str] = mapped_column(String(255), default="")
    password_sealed: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    status: Mapped[str] = mapped_column(String(20), default="active")
    findings: Mapped[Any] = mapped_column(JsonText, default=None, nullable=True)
    """What the last test and the last quality check found; None: neither was made since it was changed."""


class AccountRow(Identified, SoftDeleted, Base):
    __tablename__ = "accounts"

    name: Mapped[str] = mapped_column(String(100))
    notes: Mapped[str] = mapped_column(Text, default="")
    platform: Mapped[str] = mapped_column(String(20))
    type: Mapped[str] = mapped_column(String(20))
    credentials_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """Envelope-encrypted JSON of the secret part of spec 1.4 `credentials` (api_key, access_token, ...)."""
    credentials_open: Mapped[Any] = mapped_column(JsonText, default=dict)
    """The part that is no secret: base_url, model_mapping, intercept_warmup_requests, ..."""
    extra: Mapped[Any] = mapped_column(JsonText, default=dict)
    proxy_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("proxies.id"), default=None)
    concurrency: Mapped[int] = mapped_column(Integer, default=3)
    load_factor: Mapped[int | None] = mapped_column(Integer, default=None)
    priority: Mapped[int] = mapped_column(Integer, default=50)
    cost_multiplier: Mapped[int] = mapped_column(Integer, default=10_000)
    status: Mapped[str] = mapped_column(String(20), default="active")
    error_message: Mapped[str] = mapped_column(Text, default="")
    last_used_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    expires_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    auto_pause_on_expired: Mapped[bool] = mapped_column(Boolean, default=True)
    schedulable: Mapped[bool] = mapped_column(Boolean, default=True)
    rate_limited_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    rate_limit_reset_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    overload_until: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    temp_unschedulable_until: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    temp_unschedulable_reason: Mapped[str] = mapped_column(Text, default="")
    session_window_start: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    session_window_end: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    session_window_status: Mapped[str] = mapped_column(String(20), default="")
    quota_limit_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    """Account cost that may be spent in all, a day, a week (spec 1.4); 0 = unlimited."""
    quota_used_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    quota_daily_limit_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    quota_daily_used_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    quota_daily_start: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    quota_daily_end: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    """A window's end is fixed when it opens: a mode or time zone changed later counts from the next one."""
    quota_daily_reset_mode: Mapped[str] = mapped_column(String(10), default="rolling")
    quota_daily_reset_hour: Mapped[int] = mapped_column(Integer, default=0)
    quota_weekly_limit_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    quota_weekly_used_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    quota_weekly_start: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    quota_weekly_end: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    quota_weekly_reset_mode: Mapped[str] = mapped_column(String(10), default="rolling")
    quota_weekly_reset_day: Mapped[int] = mapped_column(Integer, default=1)
    """0 = Sunday ... 6."""
    quota_weekly_reset_hour: Mapped[int] = mapped_column(Integer, default=0)
    quota_reset_timezone: Mapped[str] = mapped_column(String(64), default="UTC")


class AccountGroupRow(Base):
    __tablename__ = "account_groups"
    account_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    group_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True
    )
    priority: Mapped[int] = mapped_column(Integer, default=50)
    created_at: Mapped[datetime] = mapped_column(EpochMs)
