"""The journal's writer on PostgreSQL: one connection of its own, one transaction per group, arrays instead
of rows.

The connection holds an advisory lock named after the process: that is how another process sees that this
one lives and leaves its open intents alone. Rows of users and keys are locked in id order before they
change, so that two gateways cannot deadlock. A connection lost around COMMIT is harmless: the group is
written again, and what is in the books already moves no money twice.
"""

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import asyncpg

from headgate.kit.clock import Clock
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoint, FailPoints
from headgate.storage import journal_money as booking
from headgate.storage import journal_rows as rows
from headgate.storage.engine import DatabaseTarget, postgres_session
from headgate.storage.journal import Intent, OpenIntent, RowRefused, StorageUnavailable
from headgate.storage.journal_chains import PostgresChain
from headgate.storage.journal_group import Op
from headgate.storage.journal_rows import OpKind, Row
from headgate.storage.ledger_chain import ENTRY_COLUMNS

_ROW_ERRORS = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    OverflowError,
    ValueError,
    TypeError,
)
"""What says "this row", not "this database" (asyncpg raises its own DataError before sending a bad value)."""
_OUTAGES = (
    asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError,
)  # fmt: skip
_LAST_USED_EVERY_MS = 30_000


def _insert(table: str, columns: Mapping[str, str], tail: str) -> str:
    """`columns` name -> PostgreSQL type of the array element; `flag` is an int that becomes a boolean."""
    given = ", ".join(
        f"${n}::{'int' if kind == 'flag' else kind}[]" for n, kind in enumerate(columns.values(), 1)
    )
    values = [f"{name}::boolean" if kind == "flag" else name for name, kind in columns.items()]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"  # noqa: S608
        f" FROM unnest({given}) AS given({', '.join(columns)}) {tail}"
    )


def _types(columns: Sequence[str], texts: frozenset[str]) -> dict[str, str]:
    flags = {"is_stream", "is_price_default", "counts_key"}
    small = {
        "attempt", "charge_multiplier", "cost_multiplier", "multiplier", "chain", "image_count",
        "web_search_calls",
    }  # fmt: skip
    kinds = {
        **dict.fromkeys(columns, "bigint"),
        **dict.fromkeys(small, "int"),
        **dict.fromkeys(flags, "flag"),
    }
    kinds.update(dict.fromkeys(texts, "text"))
    return {column: kinds[column] for column in columns}


_TEXTS = frozenset({
    "exchange_id", "process", "dialect", "endpoint", "client_model", "upstream_model", "outcome",
    "usage_source",
    "fault", "upstream_request_id", "inbound_endpoint", "upstream_endpoint", "served_model", "price_version",
    "service_tier", "reasoning_effort", "user_agent", "client_ip", "kind", "debit_book", "credit_book",
    "trace", "quota_basis", "image_size", "review", "quarantined", "tariff", "moved_because",
    "note",
})  # fmt: skip
_OR_NOTHING = "ON CONFLICT DO NOTHING"
_INTENTS = _insert("usage_intents", _types(rows.INTENT_COLUMNS, _TEXTS), _OR_NOTHING)
_USAGE = _insert(
    "usage_records", _types(rows.USAGE_COLUMNS, _TEXTS), f"{_OR_NOTHING} RETURNING exchange_id, attempt"
)
_TRACES = _insert("exchange_traces", _types(rows.TRACE_COLUMNS, _TEXTS), _OR_NOTHING)
_LEDGER = _insert("ledger_entries", _types(ENTRY_COLUMNS, _TEXTS) | {"hash": "bytea"}, "")
_LOCK_USERS = "SELECT id FROM users WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"
_LOCK_KEYS = "SELECT id FROM api_keys WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"
_LOCK_SUBSCRIPTIONS = (
    "SELECT id FROM user_subscriptions WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"
)
_LOCK_ACCOUNTS = "SELECT id FROM accounts WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"
_BALANCES = (
    "UPDATE users SET balance_nano = balance_nano - d.delta"
    " FROM unnest($1::bigint[], $2::bigint[]) AS d(id, delta) WHERE users.id = d.id"
)
_KEYS = (
    f"UPDATE api_keys SET {booking.key_update('$3::bigint', '$4::bigint', 'd.delta')}"  # noqa: S608
    " FROM unnest($1::bigint[], $2::bigint[]) AS d(id, delta)"
    f" WHERE api_keys.id = d.id AND {booking.KEY_HAS_LIMITS}"
    f" RETURNING api_keys.id, quota_nano > 0 AS has_quota, {booking.KEY_SPENT} AS is_spent"
)
_SUBSCRIPTIONS = (
    f"UPDATE user_subscriptions SET {booking.subscription_update('$3::bigint', '$4::bigint', 'd.delta')}"  # noqa: S608
    " FROM unnest($1::bigint[], $2::bigint[]) AS d(id, delta) WHERE user_subscriptions.id = d.id"
)
_QUOTAS = (
    f"UPDATE accounts SET {booking.account_update('$7::bigint', 'd.nano', 'd.')}"  # noqa: S608
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])"
    " AS d(id, nano, daily_start, daily_end, weekly_start, weekly_end) WHERE accounts.id = d.id"
)
_CROSSED = (
    "SELECT COUNT(*) FROM accounts"  # noqa: S608
    " JOIN unnest($1::bigint[], $2::bigint[]) AS d(number, nano) ON id = number"
    f" WHERE {booking.account_crossed('nano')}"
)
_EXHAUSTED = "UPDATE api_keys SET status = 'quota_exhausted' WHERE id = ANY($1::bigint[])"
_FORGET = "DELETE FROM usage_intents WHERE attempt = $1 AND exchange_id = ANY($2::text[])"
_KEY_USED = "UPDATE api_keys SET last_used_at = $1 WHERE id = ANY($2::bigint[])"
_ACCOUNT_USED = "UPDATE accounts SET last_used_at = $1 WHERE id = ANY($2::bigint[])"
_BUMP = "UPDATE directory_version SET version = version + 1 WHERE id = 1"


class PostgresWriter:
    """`GroupWriter` on PostgreSQL. Connects with the first group, and again after an outage."""

    def __init__(
        self,
        target: DatabaseTarget,
        *,
        process: str,
        clock: Clock,
        timezone: str,
        ledger_key: bytes,
        fail_points: FailPoints = NO_FAIL_POINTS,
    ) -> None:
        self._target = target
        self._process = process
        self._clock = clock
        self._fail_points = fail_points
        self._day_start = rows.DayStart(timezone)
        self._used: dict[tuple[str, int], int] = {}
        self._ledger_key = ledger_key
        self._connection: Any = None
        self._chain: PostgresChain

    async def write(self, ops: Sequence[Op]) -> Mapping[Op, RowRefused]:
        """See `GroupWriter.write`."""
        try:
            async with asyncio.timeout(self._target.statement_timeout_s):
                connection = await self._connected()
                try:
                    async with connection.transaction():
                        await self._apply(connection, ops)
                        self._fail_points.reach(FailPoint.BEFORE_COMMIT)
                    self._fail_points.reach(FailPoint.AFTER_COMMIT)
                    return {}
                except _ROW_ERRORS:
                    self._used.clear()
                    self._chain.forget()
                    async with connection.transaction():
                        return await self._one_by_one(connection, ops)
        except _OUTAGES as error:
            self._drop_connection()
            raise StorageUnavailable(f"PostgreSQL: {type(error).__name__}") from None

    async def open_intents(self) -> Sequence[OpenIntent]:
        """On a connection of its own: a process is dead when its advisory lock is free."""
        columns = ", ".join(rows.INTENT_COLUMNS + rows.KNOWN_COLUMNS)
        query = f"SELECT {columns} FROM usage_intents WHERE process = ANY($1::text[])"  # noqa: S608
        try:
            async with asyncio.timeout(self._target.statement_timeout_s):
                connection = await self._connect()
                try:
                    dead = await self._dead_processes(connection)
                    found = await connection.fetch(f"{query} ORDER BY started_at_ms", dead)
                finally:
                    await connection.close()
        except _OUTAGES as error:
            raise StorageUnavailable(f"PostgreSQL: {type(error).__name__}") from None
        return [rows.open_intent_from(tuple(record)) for record in found]

    async def close(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            try:
                await self._connection.close(timeout=self._target.commit_timeout_s)
            except _OUTAGES:
                self._connection.terminate()
        self._connection = None

    async def _connect(self) -> Any:
        return await asyncpg.connect(
            **self._target.asyncpg_options,
            timeout=self._target.statement_timeout_s,
            server_settings=postgres_session(self._target),
        )

    async def _connected(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            connection = await self._connect()
            try:
                await connection.execute(f"SELECT pg_advisory_lock({_lock_id(self._process)})")
            except _OUTAGES:
                connection.terminate()
                raise
            self._connection = connection
            self._chain = PostgresChain(connection, self._ledger_key, _LEDGER)
        return self._connection

    def _drop_connection(self) -> None:
        self._used.clear()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _dead_processes(self, connection: Any) -> list[str]:
        query = "SELECT DISTINCT process FROM usage_intents WHERE process <> $1"
        dead = []
        for record in await connection.fetch(query, self._process):
            lock = _lock_id(record["process"])
            if await connection.fetchval(f"SELECT pg_try_advisory_lock({lock})"):
                dead.append(record["process"])
        return dead

    async def _one_by_one(self, connection: Any, ops: Sequence[Op]) -> Mapping[Op, RowRefused]:
        """Each operation in its own savepoint: one bad row leaves the others alone."""
        refused: dict[Op, RowRefused] = {}
        for op in ops:
            try:
                async with connection.transaction():
                    await self._apply(connection, (op,))
            except _ROW_ERRORS as error:
                self._chain.forget()
                refused[op] = RowRefused(type(error).__name__)
        return refused

    async def _apply(self, connection: Any, ops: Sequence[Op]) -> None:
        kinds: dict[OpKind, list[Any]] = {}
        for op in ops:
            kinds.setdefault(op.kind, []).append(op.body)
        if intents := kinds.get(OpKind.INTENT):
            await connection.execute(_INTENTS, *_arrays([rows.intent_row(i, self._process) for i in intents]))
        for progress in kinds.get(OpKind.PROGRESS, ()):
            await connection.execute(_PROGRESS, *rows.progress_row(progress))
        settlements = kinds.get(OpKind.SETTLEMENT, [])
        if settlements:
            await self._settle(connection, settlements)
        if notes := rows.trace_rows(settlements, kinds.get(OpKind.TRACE, ())):
            await connection.execute(_TRACES, *_arrays(notes))
        if withdrawn := kinds.get(OpKind.WITHDRAWAL):
            await self._forget(connection, withdrawn)
        for mark in kinds.get(OpKind.MARK, ()):
            await self._mark(connection, mark)

    async def _settle(self, connection: Any, settlements: list[Any]) -> None:
        found = await connection.fetch(
            _USAGE, *_arrays([rows.usage_row(settlement) for settlement in settlements])
        )
        await self._forget(connection, [settlement.intent for settlement in settlements])
        new = _first_of_each(settlements, {tuple(record) for record in found})
        now_ms = self._clock.now_ms()
        with_quota = await self._move(connection, booking.money(new), now_ms)
        if entries := booking.ledger_rows(new, with_quota):
            await self._chain.append(entries)
        await self._touch(connection, _KEY_USED, {s.intent.key_id for s in new}, now_ms)
        await self._touch(connection, _ACCOUNT_USED, {s.intent.account_id for s in new}, now_ms)

    async def _move(self, connection: Any, money: booking.Money, now_ms: int) -> Collection[int]:
        """Raise the counters; returns the keys that have a quota. Tables and rows always in the same
        order."""
        day_ms = self._day_start.of(now_ms)
        with_quota: Collection[int] = ()
        has_exhausted = has_crossed = False
        if users := money.users:
            await connection.execute(_LOCK_USERS, list(users))
            await connection.execute(_BALANCES, list(users), list(users.values()))
        if keys := money.keys:
            with_quota, has_exhausted = await self._raise_keys(connection, keys, now_ms, day_ms)
        if used := money.subscriptions:
            await connection.execute(_LOCK_SUBSCRIPTIONS, list(used))
            await connection.execute(_SUBSCRIPTIONS, list(used), list(used.values()), now_ms, day_ms)
        if money.accounts:
            has_crossed = await self._raise_quotas(connection, money.accounts, now_ms)
        if has_exhausted or has_crossed:
            await connection.execute(_BUMP)
        return with_quota

    async def _raise_keys(
        self, connection: Any, keys: dict[int, int], now_ms: int, day_ms: int
    ) -> tuple[Collection[int], bool]:
        """Returns the keys that have a quota, and whether one used it up now."""
        await connection.execute(_LOCK_KEYS, list(keys))
        raised = await connection.fetch(_KEYS, list(keys), list(keys.values()), now_ms, day_ms)
        if spent := [record["id"] for record in raised if record["is_spent"]]:
            await connection.execute(_EXHAUSTED, spent)
        return {record["id"] for record in raised if record["has_quota"]}, bool(spent)

    async def _raise_quotas(
        self, connection: Any, accounts: dict[int, booking.AccountSpend], now_ms: int
    ) -> bool:
        """Returns whether an account has just reached a limit."""
        spent = _arrays(booking.account_rows(accounts))
        await connection.execute(_LOCK_ACCOUNTS, spent[0])
        await connection.execute(_QUOTAS, *spent, now_ms)
        return bool(await connection.fetchval(_CROSSED, *spent[:2]))

    async def _touch(self, connection: Any, sql: str, numbers: set[int], now_ms: int) -> None:
        due = sorted(n for n in numbers if now_ms - self._used.get((sql, n), 0) >= _LAST_USED_EVERY_MS)
        if due:
            await connection.execute(sql, now_ms, due)
            self._used.update(dict.fromkeys(((sql, number) for number in due), now_ms))

    async def _forget(self, connection: Any, intents: Sequence[Intent]) -> None:
        for attempt, names in rows.by_attempt(intents).items():
            await connection.execute(_FORGET, attempt, names)

    async def _mark(self, connection: Any, mark: rows.AccountMark) -> None:
        changed = 0
        for sql, parameters in rows.mark_statements(mark, self._clock.now_ms()):
            changed += _count(await connection.execute(_numbered(sql), *parameters))
        if changed:
            await connection.execute(_BUMP)


def _first_of_each(settlements: Sequence[Any], new: set[tuple[str, int]]) -> list[Any]:
    """The settlements whose usage record was inserted now; of twins within one group, the first."""
    first: dict[tuple[str, int], Any] = {}
    for settlement in settlements:
        name = (settlement.intent.exchange_id, settlement.intent.attempt)
        if name in new:
            first.setdefault(name, settlement)
    return list(first.values())


def _arrays(given: Sequence[Row]) -> list[tuple[Any, ...]]:
    return list(zip(*given, strict=True))


def _count(tag: str) -> int:
    """Rows of a command tag such as `UPDATE 3`."""
    return int(tag.rsplit(" ", 1)[1])


def _numbered(sql: str) -> str:
    head, *rest = sql.split("?")
    return head + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


_PROGRESS = _numbered(rows.progress_update())


def _lock_id(process: str) -> int:
    return int.from_bytes(hashlib.blake2b(process.encode(), digest_size=8).digest(), "big", signed=True)
