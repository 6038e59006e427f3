"""The books: intents, usage records, ledger, traces. Written by `storage.journal` only; append-only but for
intents.

Instants of these tables are plain BIGINT milliseconds: the journal writes them by the thousand.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base
from headgate.storage.types import BigId

ADJUSTMENTS = text("kind = 'adjustment'")
TO_REVIEW = text("review IS NOT NULL AND reviewed_at_ms IS NULL")


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
    subscription_id: Mapped[int | None] = mapped_column(BigId, default=None)
    """Whose windows pay instead of the balance."""
    counts_key: Mapped[bool] = mapped_column(Boolean, default=False)
    """The key has a quota or windows, which the charge raises."""
    quota_basis: Mapped[str] = mapped_column(String(10), default="charge")
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
    known_audio_input_tokens: Mapped[int | None] = mapped_column(BigInteger, default=None)
    known_audio_output_tokens: Mapped[int | None] = mapped_column(BigInteger, default=None)
    known_web_search_calls: Mapped[int | None] = mapped_column(Integer, default=None)
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
        Index(
            "ix_usage_records_to_review",
            "created_at_ms",
            sqlite_where=TO_REVIEW,
            postgresql_where=TO_REVIEW,
        ),
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
    image_size: Mapped[str | None] = mapped_column(String(4), default=None)
    """1K | 2K | 4K"""
    audio_input_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    """Beside `input_tokens`, not inside them; the same for output."""
    audio_output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    web_search_calls: Mapped[int] = mapped_column(Integer, default=0)
    input_cost_nano: Mapped[int] = mapped_column(BigInteger)
    output_cost_nano: Mapped[int] = mapped_column(BigInteger)
    cache_read_cost_nano: Mapped[int] = mapped_column(BigInteger)
    cache_write_cost_nano: Mapped[int] = mapped_column(BigInteger)
    other_cost_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    """Pictures, audio, web searches."""
    list_cost_nano: Mapped[int] = mapped_column(BigInteger)
    charge_nano: Mapped[int] = mapped_column(BigInteger)
    """What the user pays: list cost x charge multiplier; 0 on attempts that are not charged."""
    account_cost_nano: Mapped[int] = mapped_column(BigInteger)
    charge_multiplier: Mapped[int] = mapped_column(Integer)
    cost_multiplier: Mapped[int] = mapped_column(Integer)
    price_version: Mapped[str] = mapped_column(String(64))
    is_price_default: Mapped[bool] = mapped_column(Boolean)
    """The model had no price: the operator's configured default was used; listed for review."""
    subscription_id: Mapped[int | None] = mapped_column(BigId, default=None)
    """Paid by this subscription's windows; None: from the balance."""
    review: Mapped[str | None] = mapped_column(String(20), default=None)
    """Why somebody should look: estimated | default_price | implausible; None: nothing to see."""
    reviewed_at_ms: Mapped[int | None] = mapped_column(BigInteger, default=None)
    quarantined: Mapped[str | None] = mapped_column(Text, default=None)
    """JSON of the usage that the provider reported and nobody can believe; the record holds the estimate."""
    cache_saved_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    """What reading from the provider's cache saved, at list prices."""
    cache_lost_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    """What reading again cost that was cached at another account."""
    moved_because: Mapped[str | None] = mapped_column(String(40), default=None)
    """Why the conversation was not answered by its own account; None: it was, or it had none."""
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

    Books: `user:<id>` (prepaid balance), `subscription:<id>`, `key:<id>` (what a limited key has used),
    `account:<id>` (owed to the provider), `revenue`, `cost`, `usage` (counter of keys),
    `window:<id>:<name>` (what was used in a subscription's window when it was reset), `equity` (admin
    top-ups and resets). Entries of one writer form a chain: `hash` covers the entry, its place and the hash
    before it.
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
        Index("uq_ledger_entries_chain_seq", "chain", "seq", unique=True),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    exchange_id: Mapped[str] = mapped_column(String(64))
    """The exchange, or the id of the admin operation."""
    attempt: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(20))
    """charge | cost | key | adjustment | correction"""
    debit_book: Mapped[str] = mapped_column(String(40))
    credit_book: Mapped[str] = mapped_column(String(40))
    amount_nano: Mapped[int] = mapped_column(BigInteger)
    price_version: Mapped[str] = mapped_column(String(64), default="")
    tariff: Mapped[str] = mapped_column(Text, default="")
    """The tariff lines of the list cost, `input=3600 output=750`, nano-USD; empty when not priced."""
    multiplier: Mapped[int | None] = mapped_column(Integer, default=None)
    """Ten-thousandths, from list cost to amount."""
    note: Mapped[str] = mapped_column(Text, default="")
    actor_id: Mapped[int | None] = mapped_column(BigId, default=None)
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
    chain: Mapped[int | None] = mapped_column(Integer, default=None)
    """Which chain; NULL: written before there were chains."""
    seq: Mapped[int | None] = mapped_column(BigInteger, default=None)
    """Place in the chain, from 1, without gaps."""
    hash: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)


class LedgerChainRow(Base):
    """Head of a chain of ledger entries: what its newest entry must be. Chain 0 is the management plane's."""

    __tablename__ = "ledger_chains"

    chain: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class ExchangeTraceRow(Base):
    """Why an exchange went as it did: candidates, rejections, waits, attempts, tariff lines (DESIGN 1.3)."""

    __tablename__ = "exchange_traces"
    __table_args__ = (Index("ix_exchange_traces_created_at_ms", "created_at_ms"),)

    exchange_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId)
    trace: Mapped[str] = mapped_column(Text)
    """JSON; holds ids, rules and numbers, never a prompt or a secret."""
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
