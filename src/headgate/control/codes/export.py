"""Codes as CSV (spec 8.6). Pure. No cell begins like a formula: a spreadsheet would run it."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from headgate.control.codes.repository import state_of
from headgate.core.money import NANO_PER_USD
from headgate.storage.models import RedeemCodeRow, UserRow

MAX_ROWS = 10_000
COLUMNS = ("id", "code", "type", "value", "status", "used_by", "used_by_email", "used_at", "created_at")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_document(rows: Iterable[tuple[RedeemCodeRow, UserRow | None]], now: datetime) -> bytes:
    """A head line and one line a code, with CRLF as RFC 4180 wants it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows(_cells(row, user, now) for row, user in rows)
    return out.getvalue().encode()


def _cells(row: RedeemCodeRow, user: UserRow | None, now: datetime) -> Sequence[object]:
    return (
        row.id,
        _text(row.code),
        row.type,
        _decimal(row.value_nano),
        state_of(row, now),
        row.used_by or "",
        _text(user.email if user else ""),
        row.used_at.isoformat() if row.used_at else "",
        row.created_at.isoformat(),
    )


def _text(value: str) -> str:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def _decimal(nano: int) -> str:
    """Exact, without an exponent: 0.1, 10, -2.5."""
    text = f"{Decimal(nano) / NANO_PER_USD:.9f}"
    return text.rstrip("0").rstrip(".")
