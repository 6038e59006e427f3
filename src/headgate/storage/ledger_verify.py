"""The proof that the ledger agrees with balances, counters and usage records (DESIGN 5)."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from headgate.storage.models import LedgerEntryRow, UsageRecordRow, UserRow


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceMismatch:
    """A user whose stored balance is not what the ledger says, in nano-USD."""

    user_id: int
    balance_nano: int
    ledger_nano: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReport:
    """The result of `verify`."""

    entries: int
    mismatches: tuple[BalanceMismatch, ...]
    records_without_entry: int
    """Usage records with a charge or an account cost and no ledger entry of the same amount."""
    entries_without_record: int
    """Charges, costs and key usage whose usage record is missing or says another amount."""

    @property
    def is_sound(self) -> bool:
        return not (self.mismatches or self.records_without_entry or self.entries_without_record)


async def verify(engine: AsyncEngine) -> LedgerReport:
    """Compare the ledger with the balances and with the usage records. Reads everything: not for the
    request path."""
    async with AsyncSession(engine) as session:
        books = await _book_sums(session)
        users = await session.execute(select(UserRow.id, UserRow.balance_nano))
        mismatches = tuple(
            BalanceMismatch(
                user_id=user_id, balance_nano=balance, ledger_nano=books.get(f"user:{user_id}", 0)
            )
            for user_id, balance in users
            if balance != books.get(f"user:{user_id}", 0)
        )
        return LedgerReport(
            entries=await session.scalar(select(func.count()).select_from(LedgerEntryRow)) or 0,
            mismatches=mismatches,
            records_without_entry=await _count(session, _unbooked("charge"), _unbooked("cost")),
            entries_without_record=await session.scalar(_unfounded()) or 0,
        )


async def _book_sums(session: AsyncSession) -> Mapping[str, int]:
    """Credits minus debits of every user book."""
    sums: dict[str, int] = {}
    for column, sign in ((LedgerEntryRow.credit_book, 1), (LedgerEntryRow.debit_book, -1)):
        query = (
            select(column, func.sum(LedgerEntryRow.amount_nano)).where(column.like("user:%")).group_by(column)
        )
        for book, amount in await session.execute(query):
            sums[book] = sums.get(book, 0) + sign * int(amount)
    return sums


async def _count(session: AsyncSession, *queries: Select[int]) -> int:
    return sum([await session.scalar(query) or 0 for query in queries])


def _unbooked(kind: str) -> Select[int]:
    entry, record = LedgerEntryRow, UsageRecordRow
    amount = record.charge_nano if kind == "charge" else record.account_cost_nano
    same = and_(
        entry.exchange_id == record.exchange_id,
        entry.attempt == record.attempt,
        entry.kind == kind,
        _amount_of(kind),
    )
    return (
        select(func.count()).select_from(record).outerjoin(entry, same).where(amount > 0, entry.id.is_(None))
    )


def _unfounded() -> Select[int]:
    entry, record = LedgerEntryRow, UsageRecordRow
    same = and_(
        entry.exchange_id == record.exchange_id,
        entry.attempt == record.attempt,
        or_(
            *(and_(entry.kind == kind, _amount_of(kind)) for kind in ("charge", "cost", "key")),
            entry.kind.startswith("correction"),
        ),
    )
    query = select(func.count()).select_from(entry).outerjoin(record, same)
    return query.where(entry.kind != "adjustment", record.id.is_(None))


def _amount_of(kind: str) -> ColumnElement[bool]:
    """The entry's amount is the record's: what a quota counts may be the list cost (group's quota basis)."""
    entry, record = LedgerEntryRow, UsageRecordRow
    if kind == "cost":
        return entry.amount_nano == record.account_cost_nano
    is_list_cost = entry.amount_nano == record.list_cost_nano
    if kind == "charge":
        is_list_cost = and_(record.subscription_id.is_not(None), is_list_cost)
    return or_(entry.amount_nano == record.charge_nano, is_list_cost)
