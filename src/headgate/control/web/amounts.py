"""What is money in an answer, by the names of its fields; an answer without it (docs/operations/roles.md).

Whoever runs the gateway without holding the permission `amounts` sees the same documents with null where an
amount would be. By name, so that a new route cannot forget it; tests/control/web/test_amounts.py fails when a
number that looks like money is neither here nor explained there. Pure.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from headgate.kit import json

FIELDS: Final = frozenset(
    {
        # what was spent
        "account_cost", "actual_cost", "amount", "cache_creation_cost", "cache_read_cost", "charge", "cost",
        "current_window_cost", "input_cost", "list_cost", "lost", "other_cost", "output_cost", "saved",
        "standard_cost", "today_actual_cost", "today_cost", "total_account_cost", "total_actual_cost",
        "total_cost", "user_cost", "window_cost",
        # what there is to spend
        "balance", "daily_limit_usd", "daily_usage_usd", "default_balance", "limit_usd", "monthly_limit_usd",
        "monthly_usage_usd", "overdraft_limit_usd", "quota", "quota_daily_limit", "quota_daily_used",
        "quota_limit", "quota_used", "quota_weekly_limit", "quota_weekly_used", "rate_limit_1d",
        "rate_limit_5h", "rate_limit_7d", "remaining_usd", "reserved", "usage_1d", "usage_5h", "usage_7d",
        "used_usd", "weekly_limit_usd", "weekly_usage_usd",
        # what things cost
        "account_rate_multiplier", "group_rates", "image_price_1k", "image_price_2k", "image_price_4k",
        "multiplier", "rate_multiplier",
    }
)  # fmt: skip
DOCUMENTS: Final = frozenset(
    {"after", "before", "evidence", "extra", "facts", "failover", "fault", "filters", "payload",
     "quarantined", "request", "score", "trace"}
)  # fmt: skip
"""Fields that hold what somebody sent or a table holds: there every name that looks like money is taken for
it."""
_LOOKS = re.compile(
    r"(^|_)(usd|nano|costs?|balance|prices?|amounts?|charged?|quota|spent|saved|lost|revenue|multipliers?"
    r"|recharged|budget|values?|bonus|overdraft|credit|tariff|rates|paid|document)(_|$)"
)
_PERIOD = re.compile(r"(rate_limit|usage|limit|used)_(1d|5h|7d)$")


def looks_like_money(name: str) -> bool:
    """By the words in it. More than what is money: the caller explains the others."""
    return bool(_LOOKS.search(name) or _PERIOD.search(name))


def without_amounts(body: bytes) -> bytes:
    """The JSON document with null for every amount."""
    return json.dumps(_masked(json.loads(body), is_document=False))


def _masked(value: Any, *, is_document: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            name: None
            if name in FIELDS or (is_document and looks_like_money(name))
            else _masked(inner, is_document=is_document or name in DOCUMENTS)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_masked(inner, is_document=is_document) for inner in value]
    return value
