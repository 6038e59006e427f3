"""Codes as CSV."""

import csv
import io
from datetime import UTC, datetime

from headgate.control.codes.export import COLUMNS, csv_document
from headgate.storage.models import RedeemCodeRow, UserRow

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def code(text: str, *, value_nano: int = 10**8, **fields: object) -> RedeemCodeRow:
    given = {"id": 1, "type": "balance", "status": "unused", "created_at": NOW} | fields
    return RedeemCodeRow(code=text, value_nano=value_nano, **given)


def rows_of(*pairs: tuple[RedeemCodeRow, UserRow | None]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(csv_document(pairs, NOW).decode())))


def test_a_line_holds_the_contract_s_columns() -> None:
    used = code("abc", status="used", used_by=7, used_at=NOW)
    assert rows_of((used, UserRow(email="anna@example.com"))) == [
        list(COLUMNS),
        ["1", "abc", "balance", "0.1", "used", "7", "anna@example.com", NOW.isoformat(), NOW.isoformat()],
    ]  # fmt: skip


def test_values_are_exact() -> None:
    nanos = (1, 10**18, -25 * 10**8, 0, 10**9)
    shown = [row[3] for row in rows_of(*((code("c", value_nano=nano), None) for nano in nanos))[1:]]
    assert shown == ["0.000000001", "1000000000", "-2.5", "0", "1"]


def test_quotes_commas_and_line_ends_survive() -> None:
    text = 'a","b;\r\nc'
    assert rows_of((code(text), None))[1][1] == text


def test_no_cell_is_a_formula() -> None:
    for text in ("=1+1", "+1", "-1", "@x"):
        row = rows_of((code(text), UserRow(email="=cmd@x")))[1]
        assert (row[1], row[6]) == (f"'{text}", "'=cmd@x")


def test_a_code_past_its_end_is_expired() -> None:
    assert rows_of((code("abc", expires_at=NOW), None))[1][4] == "expired"
