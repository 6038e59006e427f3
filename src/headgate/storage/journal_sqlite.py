"""The journal's writer on SQLite: one thread with one connection, one transaction per group."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from headgate.kit.clock import Clock
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoint, FailPoints
from headgate.storage import journal_money as booking
from headgate.storage import journal_rows as rows
from headgate.storage import journal_sqlite_statements as sql
from headgate.storage.journal import Intent, OpenIntent, RowRefused, StorageUnavailable
from headgate.storage.journal_chains import SqliteChain
from headgate.storage.journal_group import Op
from headgate.storage.journal_rows import OpKind

T = TypeVar("T")

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
        self._chain = SqliteChain(self._connection, ledger_key, sql.LEDGER)

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
            sql.INTENTS.run(self._connection, [rows.intent_row(intent, self._process) for intent in intents])
        for progress in kinds.get(OpKind.PROGRESS, ()):
            self._connection.execute(sql.PROGRESS, rows.progress_row(progress))
        settlements = kinds.get(OpKind.SETTLEMENT, [])
        if settlements:
            self._settle(settlements)
        if notes := rows.trace_rows(settlements, kinds.get(OpKind.TRACE, ())):
            sql.TRACES.run(self._connection, notes)
        if withdrawn := kinds.get(OpKind.WITHDRAWAL):
            self._forget(withdrawn)
        for mark in kinds.get(OpKind.MARK, ()):
            self._mark(mark)

    def _settle(self, settlements: list[Any]) -> None:
        inserted = sql.USAGE.run(self._connection, [rows.usage_row(settlement) for settlement in settlements])
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
        sql.BALANCES.run(self._connection, list(money.users.items()))
        subscriptions = [(number, nano, now_ms, day_ms) for number, nano in money.subscriptions.items()]
        sql.SUBSCRIPTIONS.run(self._connection, subscriptions)
        has_crossed = money.accounts and self._raise_quotas(money.accounts, now_ms)
        with_quota, has_exhausted = self._raise_keys(money.keys, now_ms, day_ms)
        if has_crossed or has_exhausted:
            self._connection.execute(sql.BUMP)
        return with_quota

    def _raise_keys(self, keys: dict[int, int], now_ms: int, day_ms: int) -> tuple[Collection[int], bool]:
        """Returns the keys that have a quota, and whether one used it up now."""
        if not keys:
            return (), False
        given = [(key, delta, now_ms, day_ms) for key, delta in keys.items()]
        sql.KEYS.run(self._connection, given)
        with_quota: dict[int, int] = dict(sql.WITH_QUOTA.fetch(self._connection, [(key,) for key in keys]))
        spent = [key for key, is_spent in with_quota.items() if is_spent]
        for key in spent:
            self._connection.execute(sql.EXHAUSTED, (key,))
        return with_quota, bool(spent)

    def _raise_quotas(self, accounts: dict[int, booking.AccountSpend], now_ms: int) -> bool:
        """Returns whether an account has just reached a limit."""
        spent = booking.account_rows(accounts)
        sql.QUOTAS.run(self._connection, [(*row, now_ms) for row in spent])
        return bool(sql.CROSSED.fetch(self._connection, [row[:2] for row in spent]))

    def _touch(self, settlements: Sequence[Any], now_ms: int) -> None:
        touched = {(sql.KEY_USED, settlement.intent.key_id) for settlement in settlements}
        touched.update([(sql.ACCOUNT_USED, settlement.intent.account_id) for settlement in settlements])
        for update, number in touched:
            if now_ms - self._used.get((update, number), 0) >= _LAST_USED_EVERY_MS:
                self._used[update, number] = now_ms
                self._connection.execute(update, (now_ms, number))

    def _forget(self, intents: Sequence[Intent]) -> None:
        for attempt, names in rows.by_attempt(intents).items():
            sql.FORGET.run(self._connection, [(name,) for name in names], first=(attempt,))

    def _mark(self, mark: rows.AccountMark) -> None:
        statements = rows.mark_statements(mark, self._clock.now_ms())
        if sum(self._connection.execute(update, given).rowcount for update, given in statements):
            self._connection.execute(sql.BUMP)


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
