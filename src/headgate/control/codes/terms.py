"""What a code gives: its kind, value and what belongs to it (spec 1.1, 1.8). Pure.

Knows: which values make sense for which kind. Refuses to know: users, the database.
"""

from dataclasses import dataclass
from typing import Literal

from headgate.core.money import NANO_PER_USD, from_usd
from headgate.errors import BadRequest
from headgate.storage.models import RedeemCodeRow

Kind = Literal["balance", "concurrency", "subscription", "invitation"]
BALANCE: Kind = "balance"
CONCURRENCY: Kind = "concurrency"
SUBSCRIPTION: Kind = "subscription"
INVITATION: Kind = "invitation"
ADMIN_BALANCE, ADMIN_CONCURRENCY = "admin_balance", "admin_concurrency"
"""Audit rows: written when an administrator adjusts a user, never redeemed."""

DEFAULT_VALIDITY_DAYS = 30
MAX_CONCURRENCY = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTerms:
    kind: Kind
    value_nano: int
    """Nano-USD of a balance, slots times 10^9 of a concurrency, without meaning otherwise."""
    group_id: int | None = None
    """Of a subscription only."""
    validity_days: int = DEFAULT_VALIDITY_DAYS

    def describes(self, row: RedeemCodeRow) -> bool:
        """Would this code give the same? Only what the kind uses counts."""
        if row.type != self.kind:
            return False
        if self.kind == SUBSCRIPTION:
            return (row.group_id, row.validity_days) == (self.group_id, self.validity_days)
        return row.value_nano == self.value_nano


def checked_terms(*, kind: Kind, value: float, group_id: int | None, validity_days: int | None) -> CodeTerms:
    """`value` in USD or slots, not negative; days of 0 or less stand for 30. Raises INVALID_INPUT."""
    value_nano = from_usd(value)
    match kind:
        case "balance":
            if value_nano <= 0:
                raise BadRequest("value must be greater than 0")
        case "concurrency":
            _require_slots(value_nano)
        case "subscription":
            if not group_id:
                raise BadRequest("group_id is needed for a subscription code", reason="INVALID_GROUP_ID")
            days = validity_days if validity_days and validity_days > 0 else DEFAULT_VALIDITY_DAYS
            return CodeTerms(kind=kind, value_nano=value_nano, group_id=group_id, validity_days=days)
        case "invitation":
            pass
    return CodeTerms(kind=kind, value_nano=value_nano)


def _require_slots(value_nano: int) -> None:
    slots, part = divmod(value_nano, NANO_PER_USD)
    if part or not 0 < slots <= MAX_CONCURRENCY:
        raise BadRequest(f"value must be a whole number of slots from 1 to {MAX_CONCURRENCY}")
