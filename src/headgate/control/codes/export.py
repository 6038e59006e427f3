"""Codes as CSV (spec 8.6). Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from headgate.control.codes.repository import state_of
from headgate.control.web.csv_cells import document, text_cell, usd_cell
from headgate.storage.models import RedeemCodeRow, UserRow

COLUMNS = ("id", "code", "type", "value", "status", "used_by", "used_by_email", "used_at", "created_at")


def csv_document(rows: Iterable[tuple[RedeemCodeRow, UserRow | None]], now: datetime) -> bytes:
    """A head line and one line a code."""
    return document(COLUMNS, (_cells(row, user, now) for row, user in rows))


def _cells(row: RedeemCodeRow, user: UserRow | None, now: datetime) -> Sequence[object]:
    return (
        row.id,
        text_cell(row.code),
        row.type,
        usd_cell(row.value_nano),
        state_of(row, now),
        row.used_by or "",
        text_cell(user.email if user else ""),
        row.used_at.isoformat() if row.used_at else "",
        row.created_at.isoformat(),
    )
