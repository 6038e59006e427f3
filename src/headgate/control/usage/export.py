"""Usage records as CSV (spec 7.12, 8.7). Pure; amounts are exact, not floats."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import compress

from headgate.control.usage.schemas import References
from headgate.control.web.amounts import FIELDS
from headgate.control.web.csv_cells import document, text_cell, usd_cell
from headgate.core.money import MULTIPLIER_ONE
from headgate.kit.clock import instant
from headgate.storage.models import UsageRecordRow

COLUMNS = (
    "created_at", "request_id", "attempt", "api_key", "group", "model", "endpoint", "request_type", "outcome",
    "usage_source", "input_tokens", "output_tokens", "reasoning_tokens", "cache_creation_tokens",
    "cache_read_tokens", "total_cost", "rate_multiplier", "actual_cost", "billing_type", "duration_ms",
    "first_token_ms",
)  # fmt: skip
ADMIN_COLUMNS = (
    *COLUMNS, "id", "user_id", "user_email", "account_id", "account", "upstream_model", "account_cost",
    "fault", "ip_address",
)  # fmt: skip


def csv_document(
    rows: Iterable[UsageRecordRow], names: References, *, for_admin: bool, hides_amounts: bool = False
) -> bytes:
    """A head line and one line a record, as the lists show them."""
    if not for_admin:
        return document(COLUMNS, (_cells(row, names) for row in rows))
    lines = ((*_cells(row, names), *_more(row, names)) for row in rows)
    if not hides_amounts:
        return document(ADMIN_COLUMNS, lines)
    is_shown = [name not in FIELDS for name in ADMIN_COLUMNS]
    return document([*compress(ADMIN_COLUMNS, is_shown)], ([*compress(line, is_shown)] for line in lines))


def _cells(row: UsageRecordRow, names: References) -> Sequence[object]:
    key, group = names.keys.get(row.key_id), names.groups.get(row.group_id)
    return (
        instant(row.created_at_ms).isoformat(),
        text_cell(row.exchange_id),
        row.attempt,
        text_cell(key.name if key else ""),
        text_cell(group.name if group else ""),
        text_cell(row.client_model),
        text_cell(row.inbound_endpoint),
        "stream" if row.is_stream else "sync",
        row.outcome,
        row.usage_source,
        row.input_tokens + row.audio_input_tokens,
        row.output_tokens + row.audio_output_tokens,
        row.reasoning_tokens,
        row.cache_write_5m_tokens + row.cache_write_1h_tokens,
        row.cache_read_tokens,
        usd_cell(row.list_cost_nano),
        str(Decimal(row.charge_multiplier) / MULTIPLIER_ONE),
        usd_cell(row.charge_nano),
        "balance" if row.subscription_id is None else "subscription",
        row.duration_ms,
        "" if row.first_byte_ms is None else row.first_byte_ms,
    )


def _more(row: UsageRecordRow, names: References) -> Sequence[object]:
    user, account = names.users.get(row.user_id), names.accounts.get(row.account_id)
    return (
        row.id,
        row.user_id,
        text_cell(user.email if user else ""),
        row.account_id,
        text_cell(account.name if account else ""),
        text_cell(row.upstream_model),
        usd_cell(row.account_cost_nano),
        row.fault or "",
        text_cell(row.client_ip),
    )
