"""Scheduled tests of accounts and their results."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "scheduled_test_plans",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("account_id", _BIG_ID, nullable=False),
        sa.Column("model_id", sa.String(length=100), nullable=False, server_default=""),
        sa.Column("cron_expression", sa.String(length=100), nullable=False, server_default="*/30 * * * *"),
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("max_results", sa.Integer(), nullable=False, server_default="50"),
        sa.Column("auto_recover", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("last_run_at", sa.BigInteger(), nullable=True),
        sa.Column("next_run_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_scheduled_test_plans_account_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_scheduled_test_plans"),
    )
    op.create_index("ix_scheduled_test_plans_account_id", "scheduled_test_plans", ["account_id"])
    op.create_index(
        "ix_scheduled_test_plans_enabled_next_run_at", "scheduled_test_plans", ["enabled", "next_run_at"]
    )
    op.create_table(
        "scheduled_test_results",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("plan_id", _BIG_ID, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("response_text", sa.Text(), nullable=False, server_default=""),
        sa.Column("error_message", sa.Text(), nullable=False, server_default=""),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["scheduled_test_plans.id"],
            name="fk_scheduled_test_results_plan_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_scheduled_test_results"),
    )
    op.create_index("ix_scheduled_test_results_plan_id_id", "scheduled_test_results", ["plan_id", "id"])


def downgrade() -> None:
    op.drop_table("scheduled_test_results")
    op.drop_table("scheduled_test_plans")
