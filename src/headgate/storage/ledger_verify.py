"""The proof that the ledger is whole and agrees with balances, counters and usage records (DESIGN 5).

Reads everything, in one consistent picture of the database, with bounded memory: a gateway may go on serving.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from headgate.core.money import to_usd
from headgate.storage.ledger_chain import CHAINED_COLUMNS
from headgate.storage.ledger_walk import ChainEnd, ChainWalk, Finding, check_line
from headgate.storage.models import LedgerEntryRow, UsageRecordRow, UserRow

MAX_FINDINGS = 100
"""Kept word for word; beyond that they are only counted."""
UNLIMITED_STREAMS = 100
"""What a user without a limit on slots is taken to have at once."""
_EXAMPLES = 20
_PAGE = 1000
_COUNTERS = (
    ("user", "users", "balance_nano", 1),
    ("subscription", "user_subscriptions", "total_used_nano", -1),
    ("key", "api_keys", "quota_used_nano", -1),
)
"""Book, its table and counter; 1: what entered the book minus what left it, -1: the other way round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookMismatch:
    """A counter that is not what its book says, in nano-USD. `counter_nano` None: there is no such row."""

    book: str
    counter_nano: int | None
    ledger_nano: int

    def __str__(self) -> str:
        if self.counter_nano is None:
            return f"{self.book} has {_usd(self.ledger_nano)} in the ledger and does not exist"
        counter, ledger = _usd(self.counter_nano), _usd(self.ledger_nano)
        off = _usd(self.counter_nano - self.ledger_nano)
        return f"{self.book}: the counter says {counter}, the ledger {ledger} ({off} apart)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeBound:
    """How far below zero a balance may be, in nano-USD: so much, and so much for each of the streams that
    its user may have at once."""

    flat_nano: int = 0
    per_stream_nano: int = 0


@dataclass(slots=True, kw_only=True)
class LedgerReport:
    """The result of `verify`."""

    entries: int = 0
    unchained: int = 0
    """Entries from before there were chains: summed, but not proven."""
    chains: tuple[ChainEnd, ...] = ()
    """Empty when hashes were not checked."""
    mismatches: tuple[BookMismatch, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    """The first `MAX_FINDINGS`."""
    counts: dict[str, int] = field(default_factory=dict)
    """All findings, by check."""

    @property
    def is_sound(self) -> bool:
        return not self.counts

    def add(self, finding: Finding, times: int = 1) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)
        self.counts[finding.check] = self.counts.get(finding.check, 0) + times


async def verify(
    engine: AsyncEngine, *, ledger_key: bytes | None = None, negative: NegativeBound | None = None
) -> LedgerReport:
    """Compare the ledger with itself, with the counters and with the usage records.

    `ledger_key` None: entries are summed, their hashes and arithmetic are not checked.
    `negative` None: a balance may be as far below zero as it likes.
    """
    report = LedgerReport()
    async with snapshot(engine) as connection:
        await _count(connection, report)
        if ledger_key is not None:
            await _walk(connection, ledger_key, report)
        await _compare_books(connection, report)
        await _compare_records(connection, report)
        if negative is not None:
            await _find_negative(connection, negative, report)
    return report


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection all of whose reads see the same moment, however long they take. Nothing is written."""
    async with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execution_options(isolation_level="REPEATABLE READ")
            await connection.execute(text("SET TRANSACTION READ ONLY"))
        else:
            await connection.exec_driver_sql("BEGIN")
        yield connection
        await connection.rollback()


async def overdraft_bound(engine: AsyncEngine) -> int:
    """The furthest below zero that any group lets a balance go, in nano-USD."""
    query = (
        "SELECT COALESCE(MAX(overdraft_limit_nano), 0) FROM groups"
        " WHERE overrun_policy = 'overdraft' AND deleted_at IS NULL"
    )
    async with engine.connect() as connection:
        return int(await connection.scalar(text(query)) or 0)


async def _count(connection: AsyncConnection, report: LedgerReport) -> None:
    entry = LedgerEntryRow
    report.entries = await connection.scalar(select(func.count()).select_from(entry)) or 0
    unchained = select(func.count()).where(entry.chain.is_(None))
    report.unchained = await connection.scalar(unchained) or 0
    first = select(func.min(entry.id)).where(entry.chain.is_not(None)).scalar_subquery()
    late = await connection.execute(
        select(entry.id, entry.exchange_id).where(entry.chain.is_(None), entry.id > first).limit(_EXAMPLES)
    )
    for number, exchange in late:
        report.add(
            Finding(
                check="chain", text=f"entry {number} ({exchange}) is in no chain, and newer than chains are"
            )
        )


async def _walk(connection: AsyncConnection, key: bytes, report: LedgerReport) -> None:
    heads = await connection.execute(text("SELECT chain, seq, hash FROM ledger_chains"))
    walk = ChainWalk(key, {chain: (seq, bytes(seal)) for chain, seq, seal in heads})
    columns = ", ".join(("id", *CHAINED_COLUMNS, "chain", "seq", "hash"))
    query = f"SELECT {columns} FROM ledger_entries WHERE chain "  # noqa: S608
    async for number, *row, _, _, _ in _stream(connection, query + "IS NULL ORDER BY id"):
        if (finding := check_line(number, row)) is not None:
            report.add(finding)
    async for number, *row, chain, seq, digest in _stream(
        connection, query + "IS NOT NULL ORDER BY chain, seq"
    ):
        for finding in walk.see(number, row, chain, seq, bytes(digest)):
            report.add(finding)
        if (line := check_line(number, row)) is not None:
            report.add(line)
    for finding in walk.finish():
        report.add(finding)
    report.chains = tuple(sorted(walk.ends, key=lambda end: end.chain))


async def _stream(connection: AsyncConnection, query: str) -> AsyncIterator[Any]:
    async with connection.stream(text(query), execution_options={"yield_per": _PAGE}) as rows:
        async for row in rows:
            yield row


async def _compare_books(connection: AsyncConnection, report: LedgerReport) -> None:
    found: list[BookMismatch] = []
    for book, table, counter, sign in _COUNTERS:
        found += await _mismatches(connection, book, table, counter, sign)
    report.mismatches = tuple(found)
    for mismatch in found:
        report.add(Finding(check="book", text=str(mismatch)))


async def _mismatches(
    connection: AsyncConnection, book: str, table: str, counter: str, sign: int
) -> list[BookMismatch]:
    net = (
        "WITH moved AS (SELECT credit_book AS book, amount_nano AS nano FROM ledger_entries"  # noqa: S608
        f" WHERE credit_book LIKE '{book}:%' UNION ALL SELECT debit_book, -amount_nano FROM ledger_entries"
        f" WHERE debit_book LIKE '{book}:%'),"
        f" net AS (SELECT book, {sign} * SUM(nano) AS nano FROM moved GROUP BY book)"
    )
    wrong = (
        f"{net} SELECT id, {counter}, COALESCE(nano, 0) FROM {table}"  # noqa: S608
        f" LEFT JOIN net ON book = '{book}:' || id"
        f" WHERE {counter} <> COALESCE(nano, 0) ORDER BY id LIMIT {MAX_FINDINGS}"
    )
    orphans = (
        f"{net} SELECT book, nano FROM net LEFT JOIN {table} ON book = '{book}:' || id"  # noqa: S608
        f" WHERE id IS NULL AND nano <> 0 ORDER BY book LIMIT {MAX_FINDINGS}"
    )
    found = [
        BookMismatch(book=f"{book}:{number}", counter_nano=int(stored), ledger_nano=int(nano))
        for number, stored, nano in await connection.execute(text(wrong))
    ]
    found += [
        BookMismatch(book=name, counter_nano=None, ledger_nano=int(nano))
        for name, nano in await connection.execute(text(orphans))
    ]
    return found


async def _compare_records(connection: AsyncConnection, report: LedgerReport) -> None:
    for kind in ("charge", "cost"):
        await _examples(connection, report, "record", _unbooked(kind), f"has no {kind} of its amount")
    await _examples(connection, report, "entry", _unfounded(), "has no usage record of its amount")


async def _examples(
    connection: AsyncConnection, report: LedgerReport, check: str, query: Select[str, int, str], problem: str
) -> None:
    """A sentence for each of the first few, one for all others."""
    total = await connection.scalar(select(func.count()).select_from(query.subquery())) or 0
    for name, attempt, what in await connection.execute(query.limit(_EXAMPLES)):
        report.add(Finding(check=check, text=f"{what} {name}/{attempt} {problem}"))
    if total > _EXAMPLES:
        more = total - _EXAMPLES
        report.add(Finding(check=check, text=f"... and {more} more: a {check} {problem}"), times=more)


async def _find_negative(connection: AsyncConnection, bound: NegativeBound, report: LedgerReport) -> None:
    user = UserRow
    streams = cast(case((user.concurrency > 0, user.concurrency), else_=UNLIMITED_STREAMS), BigInteger)
    flat, each = literal(-bound.flat_nano, BigInteger), literal(bound.per_stream_nano, BigInteger)
    least = flat - each * streams
    query = select(user.id, user.balance_nano, least).where(user.balance_nano < least)
    for number, balance, allowed in await connection.execute(query.order_by(user.id).limit(MAX_FINDINGS)):
        told = f"user:{number} has {_usd(balance)}, the bound is {_usd(allowed)}"
        report.add(Finding(check="negative", text=told))


def _unbooked(kind: str) -> Select[str, int, str]:
    """Usage records that cost something, without a line that says so."""
    entry, record = LedgerEntryRow, UsageRecordRow
    amount = record.charge_nano if kind == "charge" else record.account_cost_nano
    same = and_(
        entry.exchange_id == record.exchange_id,
        entry.attempt == record.attempt,
        entry.kind == kind,
        _amount_of(kind),
    )
    query = select(record.exchange_id, record.attempt, literal("usage record")).outerjoin(entry, same)
    return query.select_from(record).where(amount > 0, entry.id.is_(None)).order_by(record.id)


def _unfounded() -> Select[str, int, str]:
    """Lines of exchanges that no usage record bears out."""
    entry, record = LedgerEntryRow, UsageRecordRow
    same = and_(
        entry.exchange_id == record.exchange_id,
        entry.attempt == record.attempt,
        or_(
            *(and_(entry.kind == kind, _amount_of(kind)) for kind in ("charge", "cost", "key")),
            entry.kind.startswith("correction"),
        ),
    )
    query = select(entry.exchange_id, entry.attempt, entry.kind).outerjoin(record, same)
    query = query.select_from(entry).where(entry.kind != "adjustment", record.id.is_(None))
    return query.order_by(entry.id)


def _amount_of(kind: str) -> ColumnElement[bool]:
    """The entry's amount is the record's: what a quota counts may be the list cost (group's quota basis)."""
    entry, record = LedgerEntryRow, UsageRecordRow
    if kind == "cost":
        return entry.amount_nano == record.account_cost_nano
    is_list_cost = entry.amount_nano == record.list_cost_nano
    if kind == "charge":
        is_list_cost = and_(record.subscription_id.is_not(None), is_list_cost)
    return or_(entry.amount_nano == record.charge_nano, is_list_cost)


def _usd(nano: int) -> str:
    return f"{to_usd(nano):.9f} USD"
