"""Adjustments of balances from before they left an audit row: the balance history shows them again."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "INSERT INTO redeem_codes (code, type, value_nano, status, used_by, used_at, notes, validity_days,"
        " batch, created_by, created_at, updated_at)"
        " SELECT e.exchange_id, 'admin_balance',"
        " CASE WHEN e.credit_book LIKE 'user:%' THEN e.amount_nano ELSE -e.amount_nano END,"
        " 'used', CAST(substr(CASE WHEN e.credit_book LIKE 'user:%' THEN e.credit_book ELSE e.debit_book END,"
        " 6) AS BIGINT), e.created_at_ms, e.note, 30,"
        " '', e.actor_id, e.created_at_ms, e.created_at_ms"
        " FROM ledger_entries AS e"
        " WHERE e.kind = 'adjustment' AND e.exchange_id LIKE 'op:%'"
        " AND (e.credit_book LIKE 'user:%' OR e.debit_book LIKE 'user:%')"
        " AND NOT EXISTS (SELECT 1 FROM redeem_codes AS c WHERE c.code = e.exchange_id)"
        " ORDER BY e.id"
    )


def downgrade() -> None:
    """The rows stay: they say the truth under the schema before as well."""
