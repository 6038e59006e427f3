"""The first schema: people, supply, books, system.

Types are spelled out, not imported from the models: a migration must not change when the models do.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LIVE = sa.text("deleted_at IS NULL")
_ADJUSTMENTS = sa.text("kind = 'adjustment'")


_TABLES = (
    "groups",
    "users",
    "user_allowed_groups",
    "user_group_multipliers",
    "api_keys",
    "proxies",
    "accounts",
    "account_groups",
    "usage_intents",
    "usage_records",
    "ledger_entries",
    "exchange_traces",
    "settings",
    "security_secrets",
    "price_overrides",
    "directory_version",
)


def upgrade() -> None:
    _create_groups()
    _create_people()
    _create_keys()
    _create_proxies()
    _create_accounts()
    _create_intents()
    _create_usage_records()
    _index_usage_records()
    _create_ledger()
    _create_system()


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("charge_multiplier", sa.Integer(), nullable=False),
        sa.Column("is_exclusive", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("subscription_type", sa.String(length=20), nullable=False),
        sa.Column("daily_limit_nano", sa.BigInteger(), nullable=True),
        sa.Column("weekly_limit_nano", sa.BigInteger(), nullable=True),
        sa.Column("monthly_limit_nano", sa.BigInteger(), nullable=True),
        sa.Column("default_validity_days", sa.Integer(), nullable=False),
        sa.Column("image_price_1k_nano", sa.BigInteger(), nullable=True),
        sa.Column("image_price_2k_nano", sa.BigInteger(), nullable=True),
        sa.Column("image_price_4k_nano", sa.BigInteger(), nullable=True),
        sa.Column("claude_code_only", sa.Boolean(), nullable=False),
        sa.Column("fallback_group_id", _ID, nullable=True),
        sa.Column("fallback_group_id_on_invalid_request", _ID, nullable=True),
        sa.Column("default_proxy_id", _ID, nullable=True),
        sa.Column("model_routing", sa.Text(), nullable=False),
        sa.Column("model_routing_enabled", sa.Boolean(), nullable=False),
        sa.Column("supported_model_scopes", sa.Text(), nullable=False),
        sa.Column("allow_messages_dispatch", sa.Boolean(), nullable=False),
        sa.Column("default_mapped_model", sa.String(length=100), nullable=False),
        sa.Column("sort_order", sa.Integer(), nullable=False),
        sa.Column("disconnect_policy", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_groups"),
    )
    op.create_index(
        "uq_groups_name", "groups", ["name"], unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE
    )


def _create_people() -> None:
    op.create_table(
        "users",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("username", sa.String(length=100), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("balance_nano", sa.BigInteger(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index(
        "uq_users_email", "users", ["email"], unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE
    )
    op.create_table(
        "user_allowed_groups",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("group_id", _ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name="fk_user_allowed_groups_group_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_user_allowed_groups_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "group_id", name="pk_user_allowed_groups"),
    )
    op.create_table(
        "user_group_multipliers",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("group_id", _ID, nullable=False),
        sa.Column("charge_multiplier", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name="fk_user_group_multipliers_group_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_user_group_multipliers_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "group_id", name="pk_user_group_multipliers"),
    )


def _create_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key_prefix", sa.String(length=24), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("group_id", _ID, nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("ip_whitelist", sa.Text(), nullable=False),
        sa.Column("ip_blacklist", sa.Text(), nullable=False),
        sa.Column("quota_nano", sa.BigInteger(), nullable=False),
        sa.Column("quota_used_nano", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("limit_5h_nano", sa.BigInteger(), nullable=False),
        sa.Column("limit_1d_nano", sa.BigInteger(), nullable=False),
        sa.Column("limit_7d_nano", sa.BigInteger(), nullable=False),
        sa.Column("used_5h_nano", sa.BigInteger(), nullable=False),
        sa.Column("used_1d_nano", sa.BigInteger(), nullable=False),
        sa.Column("used_7d_nano", sa.BigInteger(), nullable=False),
        sa.Column("window_5h_start", sa.BigInteger(), nullable=True),
        sa.Column("window_1d_start", sa.BigInteger(), nullable=True),
        sa.Column("window_7d_start", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name="fk_api_keys_group_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_keys_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_group_id", "api_keys", ["group_id"])
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])
    op.create_index("uq_api_keys_key_hash", "api_keys", ["key_hash"], unique=True)


def _create_proxies() -> None:
    op.create_table(
        "proxies",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("protocol", sa.String(length=10), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("password_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_proxies"),
    )


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("credentials_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("credentials_open", sa.Text(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("proxy_id", _ID, nullable=True),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("load_factor", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("cost_multiplier", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("auto_pause_on_expired", sa.Boolean(), nullable=False),
        sa.Column("schedulable", sa.Boolean(), nullable=False),
        sa.Column("rate_limited_at", sa.BigInteger(), nullable=True),
        sa.Column("rate_limit_reset_at", sa.BigInteger(), nullable=True),
        sa.Column("overload_until", sa.BigInteger(), nullable=True),
        sa.Column("temp_unschedulable_until", sa.BigInteger(), nullable=True),
        sa.Column("temp_unschedulable_reason", sa.Text(), nullable=False),
        sa.Column("session_window_start", sa.BigInteger(), nullable=True),
        sa.Column("session_window_end", sa.BigInteger(), nullable=True),
        sa.Column("session_window_status", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["proxy_id"], ["proxies.id"], name="fk_accounts_proxy_id"),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
    )
    op.create_table(
        "account_groups",
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("group_id", _ID, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_account_groups_account_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name="fk_account_groups_group_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "group_id", name="pk_account_groups"),
    )


def _create_intents() -> None:
    op.create_table(
        "usage_intents",
        sa.Column("exchange_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("process", sa.String(length=32), nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("key_id", _ID, nullable=False),
        sa.Column("group_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("dialect", sa.String(length=32), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("client_model", sa.String(length=200), nullable=False),
        sa.Column("upstream_model", sa.String(length=200), nullable=False),
        sa.Column("is_stream", sa.Boolean(), nullable=False),
        sa.Column("charge_multiplier", sa.Integer(), nullable=False),
        sa.Column("cost_multiplier", sa.Integer(), nullable=False),
        sa.Column("input_estimate", sa.BigInteger(), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("known_input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("known_output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("known_reasoning_tokens", sa.BigInteger(), nullable=True),
        sa.Column("known_cache_read_tokens", sa.BigInteger(), nullable=True),
        sa.Column("known_cache_write_5m_tokens", sa.BigInteger(), nullable=True),
        sa.Column("known_cache_write_1h_tokens", sa.BigInteger(), nullable=True),
        sa.Column("known_image_count", sa.Integer(), nullable=True),
        sa.Column("upstream_request_id", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("exchange_id", "attempt", name="pk_usage_intents"),
        sqlite_with_rowid=False,
    )


def _create_usage_records() -> None:
    op.create_table(
        "usage_records",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("exchange_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("usage_source", sa.String(length=10), nullable=False),
        sa.Column("fault", sa.String(length=40), nullable=True),
        sa.Column("upstream_request_id", sa.String(length=128), nullable=True),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("key_id", _ID, nullable=False),
        sa.Column("group_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("dialect", sa.String(length=32), nullable=False),
        sa.Column("inbound_endpoint", sa.String(length=64), nullable=False),
        sa.Column("upstream_endpoint", sa.String(length=128), nullable=False),
        sa.Column("client_model", sa.String(length=200), nullable=False),
        sa.Column("upstream_model", sa.String(length=200), nullable=False),
        sa.Column("served_model", sa.String(length=200), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_5m_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), nullable=False),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("input_cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("output_cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("list_cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("charge_nano", sa.BigInteger(), nullable=False),
        sa.Column("account_cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("charge_multiplier", sa.Integer(), nullable=False),
        sa.Column("cost_multiplier", sa.Integer(), nullable=False),
        sa.Column("price_version", sa.String(length=64), nullable=False),
        sa.Column("is_price_default", sa.Boolean(), nullable=False),
        sa.Column("service_tier", sa.String(length=32), nullable=True),
        sa.Column("reasoning_effort", sa.String(length=32), nullable=True),
        sa.Column("is_stream", sa.Boolean(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("first_byte_ms", sa.BigInteger(), nullable=True),
        sa.Column("user_agent", sa.String(length=512), nullable=False),
        sa.Column("client_ip", sa.String(length=45), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "input_tokens >= 0 AND output_tokens >= 0 AND cache_read_tokens >= 0"
            " AND cache_write_5m_tokens >= 0 AND cache_write_1h_tokens >= 0",
            name="ck_usage_records_tokens_not_negative",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_usage_records"),
    )


def _index_usage_records() -> None:
    op.create_index(
        "ix_usage_records_account_id_created_at_ms", "usage_records", ["account_id", "created_at_ms"]
    )
    op.create_index("ix_usage_records_created_at_ms", "usage_records", ["created_at_ms"])
    op.create_index(
        "ix_usage_records_user_id_created_at_ms_key_id",
        "usage_records",
        ["user_id", "created_at_ms", "key_id"],
    )
    op.create_index(
        "uq_usage_records_exchange_id_attempt", "usage_records", ["exchange_id", "attempt"], unique=True
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("exchange_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("debit_book", sa.String(length=40), nullable=False),
        sa.Column("credit_book", sa.String(length=40), nullable=False),
        sa.Column("amount_nano", sa.BigInteger(), nullable=False),
        sa.Column("price_version", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("actor_id", _ID, nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_entries"),
    )
    op.create_index(
        "ix_ledger_entries_adjustment",
        "ledger_entries",
        ["credit_book", "debit_book"],
        sqlite_where=_ADJUSTMENTS,
        postgresql_where=_ADJUSTMENTS,
    )
    op.create_index(
        "uq_ledger_entries_exchange_id_attempt_kind",
        "ledger_entries",
        ["exchange_id", "attempt", "kind"],
        unique=True,
    )
    op.create_table(
        "exchange_traces",
        sa.Column("exchange_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("exchange_id", name="pk_exchange_traces"),
    )
    op.create_index("ix_exchange_traces_created_at_ms", "exchange_traces", ["created_at_ms"])


def _create_system() -> None:
    op.create_table(
        "settings",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_settings"),
    )
    op.create_table(
        "security_secrets",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("value_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_security_secrets"),
    )
    op.create_table(
        "price_overrides",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("input_nano", sa.BigInteger(), nullable=False),
        sa.Column("output_nano", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_nano", sa.BigInteger(), nullable=True),
        sa.Column("cache_write_5m_nano", sa.BigInteger(), nullable=True),
        sa.Column("cache_write_1h_nano", sa.BigInteger(), nullable=True),
        sa.Column("image_nano", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_price_overrides"),
        sa.UniqueConstraint("model", name="uq_price_overrides_model"),
    )
    op.create_table(
        "directory_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_directory_version"),
    )
    op.execute("INSERT INTO directory_version (id, version) VALUES (1, 0)")
