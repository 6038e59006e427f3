"""Settings, secrets of the installation, operator prices, the directory version (spec 1.13)."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified
from headgate.storage.types import EpochMs


class SettingRow(Base):
    """Operator configuration changeable at run time."""

    __tablename__ = "settings"
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(EpochMs)


class SecuritySecretRow(Base):
    """Generated secrets that all replicas share (JWT signing key); sealed like credentials."""

    __tablename__ = "security_secrets"
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    value_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    updated_at: Mapped[datetime] = mapped_column(EpochMs)


class IdempotencyRecordRow(Identified, Base):
    """What a management write with an Idempotency-Key answered, to answer it again (spec 1.15, 7.15)."""

    __tablename__ = "idempotency_records"
    __table_args__ = (
        Index("uq_idempotency_records_scope_key_hash", "scope", "key_hash", unique=True),
        Index("ix_idempotency_records_expires_at", "expires_at"),
    )

    scope: Mapped[str] = mapped_column(String(128))
    key_hash: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(20))
    """processing | succeeded | failed_retryable"""
    response_status: Mapped[int | None] = mapped_column(Integer, default=None)
    response_body: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    """The answer's bytes, compressed and sealed: some answers show a secret once. None: too large to keep."""
    error_reason: Mapped[str] = mapped_column(String(100), default="")
    locked_until: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    expires_at: Mapped[datetime] = mapped_column(EpochMs)


class PriceOverrideRow(Identified, Base):
    """An operator's own price for a model (exact id or trailing `*`); nano-USD per million tokens; NULL =
    bundled price."""

    __tablename__ = "price_overrides"
    model: Mapped[str] = mapped_column(String(200), unique=True)
    input_nano: Mapped[int] = mapped_column(BigInteger)
    output_nano: Mapped[int] = mapped_column(BigInteger)
    cache_read_nano: Mapped[int | None] = mapped_column(BigInteger)
    cache_write_5m_nano: Mapped[int | None] = mapped_column(BigInteger)
    cache_write_1h_nano: Mapped[int | None] = mapped_column(BigInteger)
    image_nano: Mapped[int | None] = mapped_column(BigInteger)


class DirectoryVersionRow(Base):
    """One row (id 1): bumped in the transaction of every change that the data plane must see."""

    __tablename__ = "directory_version"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, default=0)
