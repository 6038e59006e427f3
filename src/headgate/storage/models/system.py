"""Settings, secrets of the installation, operator prices, the directory version (spec 1.13)."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base, Identified
from headgate.storage.types import EpochMs

ALWAYS = datetime.fromtimestamp(0, tz=UTC)
"""Since when a price without a date is valid."""


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
    """An operator's own price for a model (exact id or trailing `*`) from an instant on; nano-USD per million
    tokens, pictures and searches apiece; NULL = what `core.pricing.price.rates_of` fills in."""

    __tablename__ = "price_overrides"
    __table_args__ = (
        Index("uq_price_overrides_model_effective_from", "model", "effective_from", unique=True),
    )

    model: Mapped[str] = mapped_column(String(200))
    effective_from: Mapped[datetime] = mapped_column(EpochMs, default=ALWAYS)
    input_nano: Mapped[int] = mapped_column(BigInteger)
    output_nano: Mapped[int] = mapped_column(BigInteger)
    cache_read_nano: Mapped[int | None] = mapped_column(BigInteger)
    cache_write_5m_nano: Mapped[int | None] = mapped_column(BigInteger)
    cache_write_1h_nano: Mapped[int | None] = mapped_column(BigInteger)
    audio_input_nano: Mapped[int | None] = mapped_column(BigInteger)
    audio_output_nano: Mapped[int | None] = mapped_column(BigInteger)
    image_nano: Mapped[int | None] = mapped_column(BigInteger)
    image_2k_nano: Mapped[int | None] = mapped_column(BigInteger)
    image_4k_nano: Mapped[int | None] = mapped_column(BigInteger)
    web_search_nano: Mapped[int | None] = mapped_column(BigInteger)


class PriceBookRow(Base):
    """A price book as it was used, or a part that several books share (`catalogue:...`, `file:...`), under a
    name for exactly this content: whatever a record is stamped with can be built again. Never changed, never
    deleted."""

    __tablename__ = "price_books"
    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[str] = mapped_column(Text)
    """JSON, see `core.pricing.content`."""
    source: Mapped[str] = mapped_column(Text, default="")
    """Where it came from, for people."""
    effective_from_ms: Mapped[int] = mapped_column(BigInteger)
    """When it was first used."""
    created_at_ms: Mapped[int] = mapped_column(BigInteger)


class DirectoryVersionRow(Base):
    """One row (id 1): bumped in the transaction of every change that the data plane must see."""

    __tablename__ = "directory_version"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, default=0)
