"""Money: subscriptions, codes, idempotency, account quotas, rate limits, ledger chains, review.

New columns have server defaults, so that a program of the schema before can go on writing."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LIVE = sa.text("deleted_at IS NULL")
_TO_REVIEW = sa.text("review IS NOT NULL AND reviewed_at_ms IS NULL")

_TABLES = (
    "user_subscriptions",
    "redeem_codes",
    "promo_codes",
    "promo_code_usages",
    "idempotency_records",
    "ledger_chains",
)
_NEW_COLUMNS: tuple[tuple[str, str, Any, Any], ...] = (
    ("accounts", "quota_limit_nano", sa.BigInteger(), "0"),
    ("accounts", "quota_used_nano", sa.BigInteger(), "0"),
    ("accounts", "quota_daily_limit_nano", sa.BigInteger(), "0"),
    ("accounts", "quota_daily_used_nano", sa.BigInteger(), "0"),
    ("accounts", "quota_daily_start", sa.BigInteger(), None),
    ("accounts", "quota_daily_end", sa.BigInteger(), None),
    ("accounts", "quota_daily_reset_mode", sa.String(length=10), "rolling"),
    ("accounts", "quota_daily_reset_hour", sa.Integer(), "0"),
    ("accounts", "quota_weekly_limit_nano", sa.BigInteger(), "0"),
    ("accounts", "quota_weekly_used_nano", sa.BigInteger(), "0"),
    ("accounts", "quota_weekly_start", sa.BigInteger(), None),
    ("accounts", "quota_weekly_end", sa.BigInteger(), None),
    ("accounts", "quota_weekly_reset_mode", sa.String(length=10), "rolling"),
    ("accounts", "quota_weekly_reset_day", sa.Integer(), "1"),
    ("accounts", "quota_weekly_reset_hour", sa.Integer(), "0"),
    ("accounts", "quota_reset_timezone", sa.String(length=64), "UTC"),
    ("api_keys", "rpm_limit", sa.Integer(), "0"),
    ("api_keys", "tpm_limit", sa.BigInteger(), "0"),
    ("groups", "overrun_policy", sa.String(length=10), "strict"),
    ("groups", "overdraft_limit_nano", sa.BigInteger(), "0"),
    ("groups", "unknown_price", sa.String(length=10), "inherit"),
    ("groups", "quota_basis", sa.String(length=10), "charge"),
    ("groups", "rpm_limit", sa.Integer(), "0"),
    ("groups", "tpm_limit", sa.BigInteger(), "0"),
    ("ledger_entries", "tariff", sa.Text(), ""),
    ("ledger_entries", "multiplier", sa.Integer(), None),
    ("ledger_entries", "chain", sa.Integer(), None),
    ("ledger_entries", "seq", sa.BigInteger(), None),
    ("ledger_entries", "hash", sa.LargeBinary(), None),
    ("usage_intents", "subscription_id", _ID, None),
    ("usage_intents", "counts_key", sa.Boolean(), sa.false()),
    ("usage_intents", "quota_basis", sa.String(length=10), "charge"),
    ("usage_intents", "known_audio_input_tokens", sa.BigInteger(), None),
    ("usage_intents", "known_audio_output_tokens", sa.BigInteger(), None),
    ("usage_intents", "known_web_search_calls", sa.Integer(), None),
    ("usage_records", "image_size", sa.String(length=4), None),
    ("usage_records", "audio_input_tokens", sa.BigInteger(), "0"),
    ("usage_records", "audio_output_tokens", sa.BigInteger(), "0"),
    ("usage_records", "web_search_calls", sa.Integer(), "0"),
    ("usage_records", "other_cost_nano", sa.BigInteger(), "0"),
    ("usage_records", "subscription_id", _ID, None),
    ("usage_records", "review", sa.String(length=20), None),
    ("usage_records", "reviewed_at_ms", sa.BigInteger(), None),
    ("usage_records", "quarantined", sa.Text(), None),
    ("users", "rpm_limit", sa.Integer(), "0"),
    ("users", "tpm_limit", sa.BigInteger(), "0"),
)
"""Table, column, type, server default (None: may be NULL)."""
_KEYS_USED_BEFORE = (
    "INSERT INTO ledger_entries (exchange_id, attempt, kind, debit_book, credit_book, amount_nano,"
    " price_version, note, created_at_ms)"
    " SELECT 'opening:key:' || id, 0, 'adjustment', 'key:' || id, 'equity', quota_used_nano, '',"
    " 'used before the ledger kept it', updated_at FROM api_keys WHERE quota_used_nano > 0"
)
"""From now on a key's used quota is what the book `key:<id>` says: it begins with what is used already."""
_NEW_INDEXES = (
    ("usage_records", "ix_usage_records_to_review"),
    ("ledger_entries", "uq_ledger_entries_chain_seq"),
)


def upgrade() -> None:
    _create_subscriptions()
    _create_redeem_codes()
    _create_promo_codes()
    _create_system()
    for table, column, kind, default in _NEW_COLUMNS:
        op.add_column(table, sa.Column(column, kind, nullable=default is None, server_default=default))
    op.create_index(
        "ix_usage_records_to_review",
        "usage_records",
        ["created_at_ms"],
        unique=False,
        sqlite_where=_TO_REVIEW,
        postgresql_where=_TO_REVIEW,
    )
    op.create_index("uq_ledger_entries_chain_seq", "ledger_entries", ["chain", "seq"], unique=True)
    op.execute(_KEYS_USED_BEFORE)


def downgrade() -> None:
    for table, index in _NEW_INDEXES:
        op.drop_index(index, table_name=table)
    for table, column, _, _ in reversed(_NEW_COLUMNS):
        op.drop_column(table, column)
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_subscriptions() -> None:
    op.create_table(
        "user_subscriptions",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("group_id", _ID, nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("daily_window_start", sa.BigInteger(), nullable=True),
        sa.Column("weekly_window_start", sa.BigInteger(), nullable=True),
        sa.Column("monthly_window_start", sa.BigInteger(), nullable=True),
        sa.Column("daily_used_nano", sa.BigInteger(), nullable=False),
        sa.Column("weekly_used_nano", sa.BigInteger(), nullable=False),
        sa.Column("monthly_used_nano", sa.BigInteger(), nullable=False),
        sa.Column("total_used_nano", sa.BigInteger(), nullable=False),
        sa.Column("assigned_by", _ID, nullable=True),
        sa.Column("assigned_at", sa.BigInteger(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name="fk_user_subscriptions_group_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_user_subscriptions_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_user_subscriptions"),
    )
    op.create_index("ix_user_subscriptions_expires_at", "user_subscriptions", ["expires_at"], unique=False)
    op.create_index("ix_user_subscriptions_group_id", "user_subscriptions", ["group_id"], unique=False)
    op.create_index(
        "uq_user_subscriptions_user_id_group_id",
        "user_subscriptions",
        ["user_id", "group_id"],
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )


def _create_redeem_codes() -> None:
    op.create_table(
        "redeem_codes",
        sa.Column("code", sa.String(length=128), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("value_nano", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("used_by", _ID, nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("group_id", _ID, nullable=True),
        sa.Column("validity_days", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.Column("created_by", _ID, nullable=True),
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name="fk_redeem_codes_group_id"),
        sa.ForeignKeyConstraint(["used_by"], ["users.id"], name="fk_redeem_codes_used_by"),
        sa.PrimaryKeyConstraint("id", name="pk_redeem_codes"),
    )
    op.create_index("ix_redeem_codes_status_type", "redeem_codes", ["status", "type"], unique=False)
    op.create_index("ix_redeem_codes_used_by", "redeem_codes", ["used_by"], unique=False)
    op.create_index("uq_redeem_codes_code", "redeem_codes", ["code"], unique=True)


def _create_promo_codes() -> None:
    op.create_table(
        "promo_codes",
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("bonus_nano", sa.BigInteger(), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.Column("used_count", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_promo_codes"),
    )
    op.create_index("uq_promo_codes_code", "promo_codes", ["code"], unique=True)
    op.create_table(
        "promo_code_usages",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("promo_code_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("bonus_nano", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["promo_code_id"],
            ["promo_codes.id"],
            name="fk_promo_code_usages_promo_code_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_promo_code_usages_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_promo_code_usages"),
    )
    op.create_index(
        "uq_promo_code_usages_promo_code_id_user_id",
        "promo_code_usages",
        ["promo_code_id", "user_id"],
        unique=True,
    )


def _create_system() -> None:
    op.create_table(
        "idempotency_records",
        sa.Column("scope", sa.String(length=128), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response_body", sa.LargeBinary(), nullable=True),
        sa.Column("error_reason", sa.String(length=100), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_idempotency_records"),
    )
    op.create_index("ix_idempotency_records_expires_at", "idempotency_records", ["expires_at"], unique=False)
    op.create_index(
        "uq_idempotency_records_scope_key_hash", "idempotency_records", ["scope", "key_hash"], unique=True
    )
    op.create_table(
        "ledger_chains",
        sa.Column("chain", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_ledger_chains"),
    )
