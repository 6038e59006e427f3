"""Sums of usage by hour, user and group (ADR 28)."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SUMS = (
    "requests", "input_tokens", "output_tokens", "cache_write_tokens", "cache_read_tokens", "list_cost_nano",
    "charge_nano", "account_cost_nano", "duration_ms",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "usage_hours",
        sa.Column("hour_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", _ID, autoincrement=False, nullable=False),
        sa.Column("group_id", _ID, autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sa.PrimaryKeyConstraint("hour_ms", "user_id", "group_id", name="pk_usage_hours"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_hours_user_id_hour_ms", "usage_hours", ["user_id", "hour_ms"])


def downgrade() -> None:
    op.drop_table("usage_hours")
