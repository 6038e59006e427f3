"""The statements of the journal's writer on SQLite: one per table, over all rows of a group.

Why multi-row VALUES and not executemany: each `sqlite3_step` gives the GIL away and must win it back from a
busy event loop. One statement for up to 64 rows does that once: beside a loop that never rests, commits
took 1.4 ms instead of 3.8 ms (16 callers) and 3.6 ms instead of 7.1 ms (128), at the same CPU.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from headgate.storage import journal_money as booking
from headgate.storage import journal_rows as rows
from headgate.storage.journal_rows import Row
from headgate.storage.ledger_chain import ENTRY_COLUMNS

_MAX_ROWS = 64
"""Rows of one statement at most: bounds what a prepared statement holds."""


class Bulk:
    """One statement over many rows, `{rows}` standing for the VALUES; prepared for every number of rows that
    occurs, so that a group takes one step per table and not one per power of two."""

    def __init__(self, template: str, row: str, *, alone: str = "") -> None:
        """`alone`: a cheaper statement for a single row, with the same parameters."""
        self._template = template
        self._row = row
        self._sql = ["", alone, *[""] * _MAX_ROWS]

    def run(self, connection: sqlite3.Connection, given: Sequence[Row], *, first: Row = ()) -> int:
        """Returns the number of rows changed. `first` are parameters before the rows."""
        return sum(connection.execute(*statement).rowcount for statement in self._statements(given, first))

    def fetch(self, connection: sqlite3.Connection, given: Sequence[Row]) -> list[Row]:
        """The rows that a SELECT finds for `given`."""
        found: list[Row] = []
        for statement in self._statements(given, ()):
            found += connection.execute(*statement).fetchall()
        return found

    def _statements(self, given: Sequence[Row], first: Row) -> Iterator[tuple[str, list[Any]]]:
        for start in range(0, len(given), _MAX_ROWS):
            part = given[start : start + _MAX_ROWS] if len(given) > _MAX_ROWS else given
            yield self._of(len(part)), [*first, *chain.from_iterable(part)]

    def _of(self, size: int) -> str:
        if not self._sql[size]:
            self._sql[size] = self._template.replace("{rows}", ",".join([self._row] * size))
        return self._sql[size]


def _insert(table: str, columns: Sequence[str], conflict: str = "") -> Bulk:
    marks = f"({','.join('?' * len(columns))})"
    return Bulk(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {{rows}} {conflict}", marks)  # noqa: S608


class LedgerBulk(Bulk):
    """Lines of settlements: nobody acted and there is nothing to note, so that two of 15 columns are told by
    the statement. Binding these was a tenth of what the insert cost."""

    def __init__(self) -> None:
        marks = ",".join(_SAID.get(column, "?") for column in ENTRY_COLUMNS)
        super().__init__(
            f"INSERT INTO ledger_entries ({', '.join(ENTRY_COLUMNS)}) VALUES {{rows}}",  # noqa: S608
            f"({marks})",
        )

    def run(self, connection: sqlite3.Connection, given: Sequence[Row], *, first: Row = ()) -> int:
        return super().run(connection, list(map(_UNSAID, given)), first=first)


_SAID = {"note": "''", "actor_id": "NULL"}
_UNSAID = itemgetter(*(place for place, column in enumerate(ENTRY_COLUMNS) if column not in _SAID))
_OR_NOTHING = "ON CONFLICT DO NOTHING"
INTENTS = _insert("usage_intents", rows.INTENT_COLUMNS, _OR_NOTHING)
USAGE = _insert("usage_records", rows.USAGE_COLUMNS, _OR_NOTHING)
TRACES = _insert("exchange_traces", rows.TRACE_COLUMNS, _OR_NOTHING)
LEDGER = LedgerBulk()
BALANCES = Bulk(
    "UPDATE users SET balance_nano = balance_nano - d.column2"
    " FROM (VALUES {rows}) AS d WHERE users.id = d.column1",
    "(?,?)",
    alone="UPDATE users SET balance_nano = balance_nano - ?2 WHERE id = ?1",
)


KEYS = Bulk(
    f"UPDATE api_keys SET {booking.key_update('d.column3', 'd.column4', 'd.column2')}"  # noqa: S608
    f" FROM (VALUES {{rows}}) AS d WHERE api_keys.id = d.column1 AND {booking.KEY_HAS_LIMITS}",
    "(?,?,?,?)",
    alone=f"UPDATE api_keys SET {booking.key_update('?3', '?4', '?2')}"  # noqa: S608
    f" WHERE id = ?1 AND {booking.KEY_HAS_LIMITS}",
)
WITH_QUOTA = Bulk(
    f"SELECT id, {booking.KEY_SPENT} FROM api_keys WHERE quota_nano > 0 AND id IN ({{rows}})",  # noqa: S608
    "?",
)
SUBSCRIPTIONS = Bulk(
    f"UPDATE user_subscriptions SET {booking.subscription_update('d.column3', 'd.column4', 'd.column2')}"  # noqa: S608
    " FROM (VALUES {rows}) AS d WHERE user_subscriptions.id = d.column1",
    "(?,?,?,?)",
)
_QUOTA_ROW = ("id", "nano", "daily_start", "daily_end", "weekly_start", "weekly_end")
QUOTAS = Bulk(
    f"WITH d({', '.join(_QUOTA_ROW)}, now) AS (VALUES {{rows}})"  # noqa: S608
    f" UPDATE accounts SET {booking.account_update('d.now', 'd.nano', 'd.')} FROM d WHERE accounts.id = d.id",
    "(?,?,?,?,?,?,?)",
)
CROSSED = Bulk(
    "WITH d(number, nano) AS (VALUES {rows}) SELECT id FROM accounts JOIN d ON id = number"  # noqa: S608
    f" WHERE {booking.account_crossed('nano')}",
    "(?,?)",
)
EXHAUSTED = "UPDATE api_keys SET status = 'quota_exhausted' WHERE id = ?"
FORGET = Bulk("DELETE FROM usage_intents WHERE attempt = ? AND exchange_id IN ({rows})", "?")
PROGRESS = rows.progress_update()
KEY_USED = "UPDATE api_keys SET last_used_at = ? WHERE id = ?"
ACCOUNT_USED = "UPDATE accounts SET last_used_at = ? WHERE id = ?"
BUMP = "UPDATE directory_version SET version = version + 1 WHERE id = 1"
