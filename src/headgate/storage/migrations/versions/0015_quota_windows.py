"""The last word of providers about the quota windows of accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "account_quota_windows",
        sa.Column("account_id", _BIG_ID, nullable=False),
        sa.Column("window", sa.String(length=20), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("used_ppm", sa.BigInteger(), nullable=False),
        sa.Column("is_rejected", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("resets_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("length_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_account_quota_windows_account_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "window", "model", name="pk_account_quota_windows"),
    )


def downgrade() -> None:
    op.drop_table("account_quota_windows")
