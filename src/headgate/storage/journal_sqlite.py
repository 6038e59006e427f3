"""The journal's writer on SQLite: one thread with one connection, one transaction per group.

Why multi-row VALUES and not executemany: each `sqlite3_step` gives the GIL away and must win it back from a
busy event loop. One statement for up to 64 rows does that once: beside a loop that never rests, commits
took 1.4 ms instead of 3.8 ms (16 callers) and 3.6 ms instead of 7.1 ms (128), at the same CPU.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from headgate.kit.clock import Clock
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoint, FailPoints
from headgate.storage import journal_money as booking
from headgate.storage import journal_rows as rows
from headgate.storage.journal import Intent, OpenIntent, RowRefused, StorageUnavailable
from headgate.storage.journal_chains import SqliteChain
from headgate.storage.journal_group import Op
from headgate.storage.journal_rows import OpKind, Row
from headgate.storage.ledger_chain import ENTRY_COLUMNS

T = TypeVar("T")

_MAX_ROWS = 64
"""Rows of one statement at most: bounds what a prepared statement holds."""
_PREPARED = 1024
"""Prepared statements kept: one per table and number of rows, less than 16 tables of 64."""
_ROW_ERRORS = (
    sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError,
    OverflowError, ValueError, TypeError, AttributeError,
)  # fmt: skip
"""What says "this row", not "this database"."""
_LAST_USED_EVERY_MS = 30_000
"""`last_used_at` is for people; writing it once in 30 s saves an update per exchange (spec 1.5)."""


_BROKEN = "the journal's writer thread has ended; the log says why; restart the gateway"


class _NotAllNew(Exception):
    """Some settlements of the group are in the books already."""


class _Bulk:
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


def _insert(table: str, columns: Sequence[str], conflict: str = "") -> _Bulk:
    marks = f"({','.join('?' * len(columns))})"
    return _Bulk(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {{rows}} {conflict}", marks)  # noqa: S608


_OR_NOTHING = "ON CONFLICT DO NOTHING"
_INTENTS = _insert("usage_intents", rows.INTENT_COLUMNS, _OR_NOTHING)
_USAGE = _insert("usage_records", rows.USAGE_COLUMNS, _OR_NOTHING)
_TRACES = _insert("exchange_traces", rows.TRACE_COLUMNS, _OR_NOTHING)
_LEDGER = _insert("ledger_entries", ENTRY_COLUMNS)
_BALANCES = _Bulk(
    "UPDATE users SET balance_nano = balance_nano - d.column2"
    " FROM (VALUES {rows}) AS d WHERE users.id = d.column1",
    "(?,?)",
    alone="UPDATE users SET balance_nano = balance_nano - ?2 WHERE id = ?1",
)
_KEYS = _Bulk(
    f"UPDATE api_keys SET {booking.key_update('d.column3', 'd.column4', 'd.column2')}"  # noqa: S608
    f" FROM (VALUES {{rows}}) AS d WHERE api_keys.id = d.column1 AND {booking.KEY_HAS_LIMITS}",
    "(?,?,?,?)",
    alone=f"UPDATE api_keys SET {booking.key_update('?3', '?4', '?2')}"  # noqa: S608
    f" WHERE id = ?1 AND {booking.KEY_HAS_LIMITS}",
)
_WITH_QUOTA = _Bulk(
    f"SELECT id, {booking.KEY_SPENT} FROM api_keys WHERE quota_nano > 0 AND id IN ({{rows}})",  # noqa: S608
    "?",
)
_SUBSCRIPTIONS = _Bulk(
    f"UPDATE user_subscriptions SET {booking.subscription_update('d.column3', 'd.column4', 'd.column2')}"  # noqa: S608
    " FROM (VALUES {rows}) AS d WHERE user_subscriptions.id = d.column1",
    "(?,?,?,?)",
)
_QUOTA_ROW = ("id", "nano", "daily_start", "daily_end", "weekly_start", "weekly_end")
_QUOTAS = _Bulk(
    f"WITH d({', '.join(_QUOTA_ROW)}, now) AS (VALUES {{rows}})"  # noqa: S608
    f" UPDATE accounts SET {booking.account_update('d.now', 'd.nano', 'd.')} FROM d WHERE accounts.id = d.id",
    "(?,?,?,?,?,?,?)",
)
_CROSSED = _Bulk(
    "WITH d(number, nano) AS (VALUES {rows}) SELECT id FROM accounts JOIN d ON id = number"  # noqa: S608
    f" WHERE {booking.account_crossed('nano')}",
    "(?,?)",
)
_EXHAUSTED = "UPDATE api_keys SET status = 'quota_exhausted' WHERE id = ?"
_FORGET = _Bulk("DELETE FROM usage_intents WHERE attempt = ? AND exchange_id IN ({rows})", "?")
_PROGRESS = rows.progress_update()
_KEY_USED = "UPDATE api_keys SET last_used_at = ? WHERE id = ?"
_ACCOUNT_USED = "UPDATE accounts SET last_used_at = ? WHERE id = ?"
_BUMP = "UPDATE directory_version SET version = version + 1 WHERE id = 1"


class SqliteBooks:
    """The synchronous half, on its own thread: applies groups to the file."""

    def __init__(
        self,
        path: Path,
        *,
        pragmas: Sequence[str],
        busy_timeout_s: float,
        process: str,
        clock: Clock,
        timezone: str,
        ledger_key: bytes,
        fail_points: FailPoints = NO_FAIL_POINTS,
    ) -> None:
        self._process = process
        self._clock = clock
        self._fail_points = fail_points
        self._day_start = rows.DayStart(timezone)
        self._used: dict[tuple[str, int], int] = {}
        self._connection = sqlite3.connect(
            path,
            timeout=busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_PREPARED,
        )
        for pragma in (*pragmas, "PRAGMA cache_size = -32768"):
            self._connection.execute(pragma).close()
        self._chain = SqliteChain(self._connection, ledger_key, _LEDGER)

    def write(self, ops: Sequence[Op]) -> Mapping[Op, RowRefused]:
        """See `GroupWriter.write`."""
        try:
            try:
                self._in_transaction(lambda: self._apply(ops))
                return {}
            except (_NotAllNew, *_ROW_ERRORS):
                return self._in_transaction(lambda: self._one_by_one(ops))
        except sqlite3.Error as error:
            raise StorageUnavailable(f"SQLite: {error}") from None

    def open_intents(self) -> Sequence[OpenIntent]:
        columns = ", ".join(rows.INTENT_COLUMNS + rows.KNOWN_COLUMNS)
        query = f"SELECT {columns} FROM usage_intents WHERE process <> ? ORDER BY started_at_ms"  # noqa: S608
        try:
            return [rows.open_intent_from(row) for row in self._connection.execute(query, (self._process,))]
        except sqlite3.Error as error:
            raise StorageUnavailable(f"SQLite: {error}") from None

    def close(self) -> None:
        self._connection.close()

    def _in_transaction(self, work: Callable[[], T]) -> T:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work()
            self._fail_points.reach(FailPoint.BEFORE_COMMIT)
            self._connection.execute("COMMIT")
            self._fail_points.reach(FailPoint.AFTER_COMMIT)
            return result
        finally:
            if self._connection.in_transaction:
                self._used.clear()
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def _one_by_one(self, ops: Sequence[Op]) -> Mapping[Op, RowRefused]:
        """Each operation in its own savepoint: one bad row, or one settled already, leaves the others
        alone."""
        refused: dict[Op, RowRefused] = {}
        for op in ops:
            self._connection.execute("SAVEPOINT one")
            try:
                self._apply((op,))
            except _ROW_ERRORS as error:
                self._connection.execute("ROLLBACK TO one")
                refused[op] = RowRefused(f"{type(error).__name__}: {error}")
            self._connection.execute("RELEASE one")
        return refused

    def _apply(self, ops: Sequence[Op]) -> None:
        kinds: dict[OpKind, list[Any]] = {}
        for op in ops:
            kinds.setdefault(op.kind, []).append(op.body)
        if intents := kinds.get(OpKind.INTENT):
            _INTENTS.run(self._connection, [rows.intent_row(intent, self._process) for intent in intents])
        for progress in kinds.get(OpKind.PROGRESS, ()):
            self._connection.execute(_PROGRESS, rows.progress_row(progress))
        settlements = kinds.get(OpKind.SETTLEMENT, [])
        if settlements:
            self._settle(settlements)
        if notes := rows.trace_rows(settlements, kinds.get(OpKind.TRACE, ())):
            _TRACES.run(self._connection, notes)
        if withdrawn := kinds.get(OpKind.WITHDRAWAL):
            self._forget(withdrawn)
        for mark in kinds.get(OpKind.MARK, ()):
            self._mark(mark)

    def _settle(self, settlements: list[Any]) -> None:
        inserted = _USAGE.run(self._connection, [rows.usage_row(settlement) for settlement in settlements])
        self._forget([settlement.intent for settlement in settlements])
        if inserted != len(settlements):
            if len(settlements) > 1:
                raise _NotAllNew
            return
        now_ms = self._clock.now_ms()
        with_quota = self._move(booking.money(settlements), now_ms)
        if entries := booking.ledger_rows(settlements, with_quota):
            self._chain.append(entries)
        self._touch(settlements, now_ms)

    def _move(self, money: booking.Money, now_ms: int) -> Collection[int]:
        """Raise the counters; returns the keys that have a quota."""
        day_ms = self._day_start.of(now_ms)
        _BALANCES.run(self._connection, list(money.users.items()))
        subscriptions = [(number, nano, now_ms, day_ms) for number, nano in money.subscriptions.items()]
        _SUBSCRIPTIONS.run(self._connection, subscriptions)
        has_crossed = money.accounts and self._raise_quotas(money.accounts, now_ms)
        with_quota, has_exhausted = self._raise_keys(money.keys, now_ms, day_ms)
        if has_crossed or has_exhausted:
            self._connection.execute(_BUMP)
        return with_quota

    def _raise_keys(self, keys: dict[int, int], now_ms: int, day_ms: int) -> tuple[Collection[int], bool]:
        """Returns the keys that have a quota, and whether one used it up now."""
        if not keys:
            return (), False
        _KEYS.run(self._connection, [(key, delta, now_ms, day_ms) for key, delta in keys.items()])
        with_quota: dict[int, int] = dict(_WITH_QUOTA.fetch(self._connection, [(key,) for key in keys]))
        spent = [key for key, is_spent in with_quota.items() if is_spent]
        for key in spent:
            self._connection.execute(_EXHAUSTED, (key,))
        return with_quota, bool(spent)

    def _raise_quotas(self, accounts: dict[int, booking.AccountSpend], now_ms: int) -> bool:
        """Returns whether an account has just reached a limit."""
        spent = booking.account_rows(accounts)
        _QUOTAS.run(self._connection, [(*row, now_ms) for row in spent])
        return bool(_CROSSED.fetch(self._connection, [row[:2] for row in spent]))

    def _touch(self, settlements: Sequence[Any], now_ms: int) -> None:
        touched = {(_KEY_USED, settlement.intent.key_id) for settlement in settlements}
        touched.update([(_ACCOUNT_USED, settlement.intent.account_id) for settlement in settlements])
        for sql, number in touched:
            if now_ms - self._used.get((sql, number), 0) >= _LAST_USED_EVERY_MS:
                self._used[sql, number] = now_ms
                self._connection.execute(sql, (now_ms, number))

    def _forget(self, intents: Sequence[Intent]) -> None:
        for attempt, names in rows.by_attempt(intents).items():
            _FORGET.run(self._connection, [(name,) for name in names], first=(attempt,))

    def _mark(self, mark: rows.AccountMark) -> None:
        statements = rows.mark_statements(mark, self._clock.now_ms())
        if sum(self._connection.execute(sql, parameters).rowcount for sql, parameters in statements):
            self._connection.execute(_BUMP)


class SqliteWriter:
    """The asynchronous half: hands groups to the thread and wakes the event loop when they are done."""

    def __init__(self, books: SqliteBooks) -> None:
        self._books = books
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._work, name="headgate-journal", daemon=True)
        self._thread.start()

    async def write(self, ops: Sequence[Op]) -> Mapping[Op, RowRefused]:
        return await self._call(lambda: self._books.write(ops))

    async def open_intents(self) -> Sequence[OpenIntent]:
        return await self._call(self._books.open_intents)

    async def close(self) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        self._books.close()

    async def _call(self, job: Callable[[], T]) -> T:
        if not self._thread.is_alive():
            raise StorageUnavailable(_BROKEN)
        answer: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((job, answer))
        return await answer

    def _work(self) -> None:
        while (entry := self._jobs.get()) is not None:
            job, answer = entry
            outcome: Any = None
            failure: StorageUnavailable | None = StorageUnavailable(_BROKEN)
            try:
                outcome, failure = job(), None
            except StorageUnavailable as error:
                failure = error
            finally:  # also when a bug ends this thread: nobody may wait for ever
                self._loop.call_soon_threadsafe(_deliver, answer, outcome, failure)


def _deliver(answer: asyncio.Future[Any], outcome: Any, failure: StorageUnavailable | None) -> None:
    if answer.done():
        return
    if failure is None:
        answer.set_result(outcome)
    else:
        answer.set_exception(failure)
