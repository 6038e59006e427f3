"""Tickets for embedded pages."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "embed_tickets",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("ticket_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("session", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=300), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_embed_tickets"),
    )
    op.create_index("uq_embed_tickets_ticket_hash", "embed_tickets", ["ticket_hash"], unique=True)
    op.create_index("ix_embed_tickets_expires_at", "embed_tickets", ["expires_at"])
    op.create_index("ix_embed_tickets_user_id", "embed_tickets", ["user_id"])


def downgrade() -> None:
    op.drop_table("embed_tickets")
