"""Groups choose how their accounts are chosen: layered, or scored."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("groups") as table:
        table.add_column(
            sa.Column("scheduling_policy", sa.String(length=10), nullable=False, server_default="layered")
        )


def downgrade() -> None:
    with op.batch_alter_table("groups") as table:
        table.drop_column("scheduling_policy")
