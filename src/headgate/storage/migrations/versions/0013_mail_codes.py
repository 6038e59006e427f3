"""Codes that went out by mail (spec 7.2, 7.6)."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "mail_codes",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=32), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mail_codes"),
    )
    op.create_index("uq_mail_codes_purpose_subject", "mail_codes", ["purpose", "subject"], unique=True)
    op.create_index("ix_mail_codes_expires_at", "mail_codes", ["expires_at"])


def downgrade() -> None:
    op.drop_table("mail_codes")
