"""Keys that are part of another key."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("parent_id", _ID, nullable=True))
    op.create_index("ix_api_keys_parent_id", "api_keys", ["parent_id"])


def downgrade() -> None:
    op.drop_index("ix_api_keys_parent_id", "api_keys")
    op.drop_column("api_keys", "parent_id")
