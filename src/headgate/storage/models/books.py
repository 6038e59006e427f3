"""The books: intents, usage records, ledger, traces. Written by `storage.journal` only; append-only but for
intents.

Instants of these tables are plain BIGINT milliseconds: the journal writes them by the thousand.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base
from headgate.storage.types import BigId

ADJUSTMENTS = text("kind = 'adjustment'")


class UsageIntentRow(Base):
    """An upstream call that has been or is about to be made and is not settled yet (DESIGN 5). Deleted by
    its settlement."""

    __tablename__ = "usage_intents"
    __table_args__ = {"sqlite_with_rowid": False}
    """Short-lived rows found by their key only: one B-tree instead of two."""

    exchange_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    process: Mapped[str] = mapped_column(String(32))
    """Which gateway process owns it: at start-up a process completes what its dead predecessors left open."""
    user_id: Mapped[int] = mapped_column(BigId)
    key_id: Mapped[int] = mapped_column(BigId)
    group_id: Mapped[int] = mapped_column(BigId)
    account_id: Mapped[int] = mapped_column(BigId)
    dialect: Mapped[str] = mapped_column(String(32))
    endpoint: Mapped[str] = mapped_column(String(64))
    client_model: Mapped[str] = mapped_column(String(200))
    upstream_model: Mapped[str] = mapped_column(String(200))
    is_stream: Mapped[bool] = mapped_column(Boolean)
    charge_multiplier: Mapped[int] = mapped_column(Integer)
    cost_multiplier: Mapped[int] = mapped_column(Integer)
    input_estimate: Mapped[int] = mapped_column(BigInteger)
    started_at_ms: Mapped[int] = mapped_column(BigInteger)
    known_input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    """This and the following: what the provider had said when a long answer's progress was last noted; NULL
    before that."""
    known_output_tokens: Mapped[int | None] = mapped_column(BigInteger)
    known_reasoning_tokens: Mapped[int | None] = mapped_column(BigInteger)
    known_cache_read_tokens: Mapped[int | None] = mapped_column(BigInteger)
    known_cache_write_5m_tokens: Mapped[int | None] = mapped_column(BigInteger)
    known_cache_write_1h_tokens: Mapped[int | None] = mapped_column(BigInteger)
    known_image_count: Mapped[int | None] = mapped_column(Integer)
    upstream_request_id: Mapped[str | None] = mapped_column(String(128))


class UsageRecordRow(Base):
    """One row per upstream call (attempt). The user is charged on at most one attempt of an exchange (spec
    1.7)."""

    __tablename__ = "usage_records"
    __table_args__ = (
        Index("uq_usage_records_exchange_id_attempt", "exchange_id", "attempt", unique=True),
        Index("ix_usage_records_created_at_ms", "created_at_ms"),
        # Each index costs the journal a page per exchange, so a key's records are found through its user's:
        # a query
        # by key names the user as well, and the key is tested inside this index.
        Index("ix_usage_records_user_id_created_at_ms_key_id", "user_id", "created_at_ms", "key_id"),
        Index("ix_usage_records_account_id_created_at_ms", "account_id", "created_at_ms"),
        CheckConstraint(
            "input_tokens >= 0 AND output_tokens >= 0 AND cache_read_tokens >= 0"
            " AND cache_write_5m_tokens >= 0 AND cache_write_1h_tokens >= 0",
            name="tokens_not_negative",
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    exchange_id: Mapped[str] = mapped_column(String(64))
    attempt: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(String(20))
    """completed | partial (broke off after output) | failed (no usable answer) | interrupted (gateway
    died)."""
    usage_source: Mapped[str] = mapped_column(String(10))
    fault: Mapped[str | None] = mapped_column(String(40))
    upstream_request_id: Mapped[str | None] = mapped_column(String(128))
    user_id: Mapped[int] = mapped_column(BigId)
    key_id: Mapped[int] = mapped_column(BigId)
    group_id: Mapped[int] = mapped_column(BigId)
    account_id: Mapped[int] = mapped_column(BigId)
    dialect: Mapped[str] = mapped_column(String(32))
    inbound_endpoint: Mapped[str] = mapped_column(String(64))
    upstream_endpoint: Mapped[str] = mapped_column(String(128))
    client_model: Mapped[str] = mapped_column(String(200))
    upstream_model: Mapped[str] = mapped_column(String(200))
    served_model: Mapped[str | None] = mapped_column(String(200))
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_read_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_5m_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_1h_tokens: Mapped[int] = mapped_column(BigInteger)
    image_count: Mapped[int] = mapped_column(Integer)
    input_cost_nano: Mapped[int] = mapped_column(BigInteger)
    output_cost_nano: Mapped[int] = mapped_column(BigInteger)
    cache_read_cost_nano: Mapped[int] = mapped_column(BigInteger)
    cache_write_cost_nano: Mapped[int] = mapped_column(BigInteger)
    list_cost_nano: Mapped[int] = mapped_column(BigInteger)
    charge_nano: Mapped[int] = mapped_column(BigInteger)
    """What the user pays: list cost x charge multiplier; 0 on attempts that are not charged."""
    account_cost_nano: Mapped[int] = mapped_column(BigInteger)
    charge_multiplier: Mapped[int] = mapped_column(Integer)
    cost_multiplier: Mapped[int] = mapped_column(Integer)
    price_version: Mapped[str] = mapped_column(String(64))
    is_price_default: Mapped[bool] = mapped_column(Boolean)
    """The model had no price: the operator's configured default was used; listed for review."""
    service_tier: Mapped[str | None] = mapped_column(String(32))
    reasoning_effort: Mapped[str | None] = mapped_column(String(32))
    is_stream: Mapped[bool] = mapped_column(Boolean)
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    first_byte_ms: Mapped[int | None] = mapped_column(BigInteger)
    user_agent: Mapped[str] = mapped_column(String(512))
    client_ip: Mapped[str] = mapped_column(String(45))
    created_at_ms: Mapped[int] = mapped_column(BigInteger)


class LedgerEntryRow(Base):
    """One movement of money: `amount_nano` leaves `debit` and enters `credit` (double entry, one row,
    balanced by shape).

    Books: `user:<id>` (prepaid balance), `revenue`, `cost`, `account:<id>` (owed to the provider), `equity`
    (admin top-ups).
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        Index("uq_ledger_entries_exchange_id_attempt_kind", "exchange_id", "attempt", "kind", unique=True),
        # Only adjustments are listed per book; charges are listed as usage records, and `verify` reads
        # everything.
        Index(
            "ix_ledger_entries_adjustment",
            "credit_book",
            "debit_book",
            sqlite_where=ADJUSTMENTS,
            postgresql_where=ADJUSTMENTS,
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    exchange_id: Mapped[str] = mapped_column(String(64))
    """The exchange, or the id of the admin operation."""
    attempt: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(20))
    """charge | cost | adjustment"""
    debit_book: Mapped[str] = mapped_column(String(40))
    credit_book: Mapped[str] = mapped_column(String(40))
    amount_nano: Mapped[int] = mapped_column(BigInteger)
    price_version: Mapped[str] = mapped_column(String(64), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    actor_id: Mapped[int | None] = mapped_column(BigId, default=None)
    created_at_ms: Mapped[int] = mapped_column(BigInteger)


class ExchangeTraceRow(Base):
    """Why an exchange went as it did: candidates, rejections, waits, attempts, tariff lines (DESIGN 1.3)."""

    __tablename__ = "exchange_traces"
    __table_args__ = (Index("ix_exchange_traces_created_at_ms", "created_at_ms"),)

    exchange_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId)
    trace: Mapped[str] = mapped_column(Text)
    """JSON; holds ids, rules and numbers, never a prompt or a secret."""
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
