"""Groups share their slots among their users; keys have a priority class."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("groups") as table:
        table.add_column(sa.Column("fair_sharing", sa.Text(), nullable=True))
    with op.batch_alter_table("api_keys") as table:
        table.add_column(sa.Column("priority", sa.String(length=10), nullable=False, server_default="normal"))


def downgrade() -> None:
    with op.batch_alter_table("api_keys") as table:
        table.drop_column("priority")
    with op.batch_alter_table("groups") as table:
        table.drop_column("fair_sharing")
