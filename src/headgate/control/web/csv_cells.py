"""CSV as spreadsheets read it safely (RFC 4180). Pure. No cell begins like a formula: a spreadsheet would run
it."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

from headgate.core.money import NANO_PER_USD

MAX_ROWS = 10_000
"""Of one document; `X-Total-Count` says how many there are."""
MEDIA_TYPE = "text/csv; charset=utf-8"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def document(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A head line and one line a row, ended by CRLF."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue().encode()


def headers(name: str, total: int) -> dict[str, str]:
    """Of the answer that carries the document."""
    return {"Content-Disposition": f'attachment; filename="{name}.csv"', "X-Total-Count": str(total)}


def text_cell(value: str | None) -> str:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if not value:
        return ""
    return f"'{value}" if value.startswith(_FORMULA) else value


def usd_cell(nano: int) -> str:
    """Exact, without an exponent: 0.1, 10, -2.5."""
    text = f"{Decimal(nano) / NANO_PER_USD:.9f}"
    return text.rstrip("0").rstrip(".")
