"""Users and the keys they own (spec 1.2, 1.5). Keys are kept as keyed hash plus a displayable prefix
(DESIGN 8)."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified, SoftDeleted
from headgate.storage.types import BigId, EpochMs, JsonText

NOT_DELETED = text("deleted_at IS NULL")


class UserRow(Identified, SoftDeleted, Base):
    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_email", "email", unique=True, sqlite_where=NOT_DELETED, postgresql_where=NOT_DELETED),
    )

    email: Mapped[str] = mapped_column(String(255))
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(20), default="user")
    status: Mapped[str] = mapped_column(String(20), default="active")
    username: Mapped[str] = mapped_column(String(100), default="")
    notes: Mapped[str] = mapped_column(Text, default="")
    balance_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    concurrency: Mapped[int] = mapped_column(Integer, default=5)
    token_version: Mapped[int] = mapped_column(Integer, default=0)
    rpm_limit: Mapped[int] = mapped_column(Integer, default=0)
    """Requests a minute over all keys; 0 = unlimited."""
    tpm_limit: Mapped[int] = mapped_column(BigInteger, default=0)
    """Tokens a minute over all keys; 0 = unlimited."""
    totp_secret_sealed: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    totp_enabled_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    """None: no second factor."""
    totp_last_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """The newest 30-second step of which a code was accepted: a code counts once."""


class UserAllowedGroupRow(Base):
    """Exclusive groups that a user may bind keys to."""

    __tablename__ = "user_allowed_groups"
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True
    )
    created_at: Mapped[datetime] = mapped_column(EpochMs)


class UserGroupMultiplierRow(Base):
    """Personal multiplier of a user in a group, in ten-thousandths; replaces the group's (spec 4.3)."""

    __tablename__ = "user_group_multipliers"
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True
    )
    charge_multiplier: Mapped[int] = mapped_column(Integer)


class ApiKeyRow(Identified, SoftDeleted, Base):
    __tablename__ = "api_keys"
    __table_args__ = (
        Index("uq_api_keys_key_hash", "key_hash", unique=True),
        Index("ix_api_keys_user_id", "user_id"),
        Index("ix_api_keys_group_id", "group_id"),
        Index("ix_api_keys_parent_id", "parent_id"),
    )

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    key_prefix: Mapped[str] = mapped_column(String(24))
    """What is shown in lists: the first characters, an ellipsis, the last four."""
    name: Mapped[str] = mapped_column(String(100))
    group_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("groups.id"))
    status: Mapped[str] = mapped_column(String(20), default="active")
    last_used_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    ip_whitelist: Mapped[Any] = mapped_column(JsonText, default=list)
    ip_blacklist: Mapped[Any] = mapped_column(JsonText, default=list)
    quota_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    quota_used_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    expires_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    limit_5h_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    limit_1d_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    limit_7d_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    used_5h_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    used_1d_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    used_7d_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    window_5h_start: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    window_1d_start: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    window_7d_start: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    rpm_limit: Mapped[int] = mapped_column(Integer, default=0)
    tpm_limit: Mapped[int] = mapped_column(BigInteger, default=0)
    concurrency: Mapped[int] = mapped_column(Integer, default=0)
    """Slots of this key, within its user's; 0 = no limit of its own."""
    priority: Mapped[str] = mapped_column(String(10), default="normal")
    """normal | background: who is served later where slots are shared."""
    model_limits: Mapped[Any] = mapped_column(JsonText, default=None, nullable=True)
    """Requests and tokens a minute by model: {pattern: {rpm_limit, tpm_limit}}; NULL: none."""
    parent_id: Mapped[int | None] = mapped_column(BigId, default=None)
    """The key of the same owner that this one has its budget and end from."""


class RetiredKeyRow(Base):
    """A secret that a rotation replaced. It works until `valid_until`, and is never given out again."""

    __tablename__ = "retired_keys"
    __table_args__ = (Index("ix_retired_keys_key_id", "key_id"),)

    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    key_id: Mapped[int] = mapped_column(BigId, ForeignKey("api_keys.id"))
    valid_until: Mapped[datetime] = mapped_column(EpochMs)
    created_at: Mapped[datetime] = mapped_column(EpochMs)
