"""Usage records know what caches saved and what moves lost."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("usage_records") as table:
        table.add_column(sa.Column("cache_saved_nano", sa.BigInteger(), nullable=False, server_default="0"))
        table.add_column(sa.Column("cache_lost_nano", sa.BigInteger(), nullable=False, server_default="0"))
        table.add_column(sa.Column("moved_because", sa.String(40), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("usage_records") as table:
        table.drop_column("moved_because")
        table.drop_column("cache_lost_nano")
        table.drop_column("cache_saved_nano")
