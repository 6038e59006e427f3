"""Older secrets of rotated keys."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "retired_keys",
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key_id", _ID, nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_retired_keys_key_id"),
        sa.PrimaryKeyConstraint("key_hash", name="pk_retired_keys"),
    )
    op.create_index("ix_retired_keys_key_id", "retired_keys", ["key_id"])


def downgrade() -> None:
    op.drop_table("retired_keys")
