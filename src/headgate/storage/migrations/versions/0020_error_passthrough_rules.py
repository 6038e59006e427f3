"""What clients are shown of certain refusals."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "error_passthrough_rules",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("error_codes", sa.Text(), nullable=False),
        sa.Column("keywords", sa.Text(), nullable=False),
        sa.Column("match_mode", sa.String(length=10), nullable=False),
        sa.Column("platforms", sa.Text(), nullable=False),
        sa.Column("passthrough_code", sa.Boolean(), nullable=False),
        sa.Column("response_code", sa.Integer(), nullable=True),
        sa.Column("passthrough_body", sa.Boolean(), nullable=False),
        sa.Column("custom_message", sa.Text(), nullable=True),
        sa.Column("skip_monitoring", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_error_passthrough_rules"),
    )
    op.create_index("ix_error_passthrough_rules_priority", "error_passthrough_rules", ["priority"])


def downgrade() -> None:
    op.drop_table("error_passthrough_rules")
