"""What an installation wants to know of its users besides."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "user_attribute_definitions",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("validation", sa.Text(), nullable=False),
        sa.Column("placeholder", sa.String(length=255), nullable=False),
        sa.Column("display_order", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_attribute_definitions"),
    )
    op.create_index("uq_user_attribute_definitions_key", "user_attribute_definitions", ["key"], unique=True)
    op.create_table(
        "user_attribute_values",
        sa.Column("user_id", _BIG_ID, nullable=False),
        sa.Column("attribute_id", _BIG_ID, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_user_attribute_values_user_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["attribute_id"],
            ["user_attribute_definitions.id"],
            name="fk_user_attribute_values_attribute_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "attribute_id", name="pk_user_attribute_values"),
    )
    op.create_index("ix_user_attribute_values_attribute_id", "user_attribute_values", ["attribute_id"])


def downgrade() -> None:
    op.drop_table("user_attribute_values")
    op.drop_table("user_attribute_definitions")
