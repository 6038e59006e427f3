"""Price books: every version that was used; dated overrides with audio, picture sizes and web searches."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NEW_PRICES = ("audio_input_nano", "audio_output_nano", "image_2k_nano", "image_4k_nano", "web_search_nano")


def upgrade() -> None:
    op.create_table(
        "price_books",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("effective_from_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_price_books"),
    )
    with op.batch_alter_table("price_overrides") as table:
        table.add_column(sa.Column("effective_from", sa.BigInteger(), nullable=False, server_default="0"))
        for column in _NEW_PRICES:
            table.add_column(sa.Column(column, sa.BigInteger(), nullable=True))
        table.drop_constraint("uq_price_overrides_model", type_="unique")
    op.create_index(
        "uq_price_overrides_model_effective_from", "price_overrides", ["model", "effective_from"], unique=True
    )


def downgrade() -> None:
    """Of several prices of a model the one that is valid first remains: the schema before knows no dates."""
    op.execute(
        "DELETE FROM price_overrides WHERE EXISTS (SELECT 1 FROM price_overrides AS earlier"
        " WHERE earlier.model = price_overrides.model"
        " AND earlier.effective_from < price_overrides.effective_from)"
    )
    op.drop_index("uq_price_overrides_model_effective_from", table_name="price_overrides")
    with op.batch_alter_table("price_overrides") as table:
        table.create_unique_constraint("uq_price_overrides_model", ["model"])
        for column in reversed(_NEW_PRICES):
            table.drop_column(column)
        table.drop_column("effective_from")
    op.drop_table("price_books")
