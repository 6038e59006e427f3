"""Putting a charge right after the fact: new lines, never changed ones (DESIGN 5, ADR 14).

A correction moves the book and the counter of whoever paid, as the charge did; a subscription's and a key's
windows that were running at the time of the call and still are move along, unless they were reset since. The
usage record keeps what was measured and charged then; what an exchange has cost in the end is the sum of its
lines.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from headgate.kit.clock import instant
from headgate.storage.journal_rows import SUBSCRIPTION_WINDOW_MS, WINDOW_MS
from headgate.storage.ledger import NewEntry, append, window_book
from headgate.storage.models import ApiKeyRow, LedgerEntryRow, SubscriptionRow, UsageRecordRow, UserRow

CORRECTION = "correction"
"""Kind of a correction's first line; the exchange's later ones are `correction.2`, `correction.3` ..."""


class NoSuchExchange(LookupError):
    """There is no usage record of this exchange and attempt."""


class ChargeMoved(RuntimeError):
    """Somebody else corrected the same charge meanwhile: work the correction out anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What an attempt costs more than is booked; negative: less. Nano-USD."""

    exchange_id: str
    attempt: int
    charge_nano: int = 0
    """Of the payer: the subscription that the record names, else the user."""
    key_nano: int = 0
    """Of the key's used quota; 0 for a key that has none."""
    account_nano: int = 0
    """Owed to the provider."""
    reason: str
    actor_id: int | None
    now_ms: int
    price_version: str = ""
    tariff: str = ""
    paid_before_nano: int
    """What the attempt had cost its payer, corrections included, when this one was worked out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedCharge:
    """What an exchange has cost its payer so far."""

    attempt: int
    paid_nano: int
    """Corrections included."""
    counts_key: bool
    """The key's quota counted it."""


async def booked_charge(session: AsyncSession, exchange_id: str) -> BookedCharge | None:
    """None: the exchange was never charged."""
    entry = LedgerEntryRow
    query = select(entry.attempt, entry.kind, entry.debit_book, entry.credit_book, entry.amount_nano).where(
        entry.exchange_id == exchange_id
    )
    lines = (await session.execute(query)).all()
    attempt = next((line.attempt for line in lines if line.kind == "charge"), None)
    if attempt is None:
        return None
    mine = [line for line in lines if line.attempt == attempt]
    paid = sum(line.amount_nano for line in mine if line.credit_book == "revenue")
    back = sum(line.amount_nano for line in mine if line.debit_book == "revenue")
    counts_key = any(line.kind == "key" for line in mine)
    return BookedCharge(attempt=attempt, paid_nano=paid - back, counts_key=counts_key)


async def correct_charge(session: AsyncSession, correction: Correction) -> list[str]:
    """Write the lines and move the counters, in the caller's transaction; returns the spending bounds that
    changed. Raises NoSuchExchange, ChargeMoved."""
    record = await _record(session, correction)
    bounds: list[str] = []
    if record.subscription_id is None:
        payer = f"user:{record.user_id}"
        await _raise_balance(session, record.user_id, -correction.charge_nano)
        bounds.append(f"{payer}:balance")
    else:
        payer = f"subscription:{record.subscription_id}"
        await _raise_subscription(session, record, correction)
        bounds += [f"sub:{record.subscription_id}:{name}" for name in SUBSCRIPTION_WINDOW_MS]
    await _require_unmoved(session, correction)
    if correction.key_nano:
        await _raise_key(session, record, correction)
        bounds += [f"key:{record.key_id}:{name}" for name in ("quota", *WINDOW_MS)]
    moves = (
        (payer, "revenue", correction.charge_nano),
        (f"key:{record.key_id}", "usage", correction.key_nano),
        ("cost", f"account:{record.account_id}", correction.account_nano),
    )
    await _write(session, correction, [move for move in moves if move[2]])
    return bounds


async def _require_unmoved(session: AsyncSession, correction: Correction) -> None:
    """The payer's row is locked by now: what the lines say can no longer change."""
    entry = LedgerEntryRow
    paid = case((entry.credit_book == "revenue", entry.amount_nano), else_=-entry.amount_nano)
    now = await session.scalar(
        select(func.sum(paid)).where(
            entry.exchange_id == correction.exchange_id,
            entry.attempt == correction.attempt,
            or_(entry.credit_book == "revenue", entry.debit_book == "revenue"),
        )
    )
    if int(now or 0) != correction.paid_before_nano:
        raise ChargeMoved(f"the charge of {correction.exchange_id} was corrected by somebody else meanwhile")


async def _record(session: AsyncSession, correction: Correction) -> Any:
    record = UsageRecordRow
    query = select(
        record.user_id, record.key_id, record.account_id, record.subscription_id, record.created_at_ms
    ).where(record.exchange_id == correction.exchange_id, record.attempt == correction.attempt)
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise NoSuchExchange(f"there is no usage record of {correction.exchange_id}/{correction.attempt}")
    return found


async def _write(session: AsyncSession, correction: Correction, moves: list[tuple[str, str, int]]) -> None:
    """The payer's row is locked by now: corrections of one exchange come one after the other."""
    entry = LedgerEntryRow
    before = await session.scalar(
        select(func.count()).where(
            entry.exchange_id == correction.exchange_id,
            entry.attempt == correction.attempt,
            entry.kind.startswith(CORRECTION),
        )
    )
    for number, (debit, credit, amount) in enumerate(moves, (before or 0) + 1):
        await append(
            session,
            NewEntry(
                exchange_id=correction.exchange_id,
                attempt=correction.attempt,
                kind=CORRECTION if number == 1 else f"{CORRECTION}.{number}",
                debit_book=debit if amount > 0 else credit,
                credit_book=credit if amount > 0 else debit,
                amount_nano=abs(amount),
                price_version=correction.price_version,
                tariff=correction.tariff,
                note=correction.reason,
                actor_id=correction.actor_id,
                created_at_ms=correction.now_ms,
            ),
        )


async def _raise_balance(session: AsyncSession, user_id: int, delta: int) -> None:
    user = UserRow
    await _update(session, user, user_id, {"balance_nano": user.balance_nano + delta})


async def _raise_subscription(session: AsyncSession, record: Any, correction: Correction) -> None:
    row, delta = SubscriptionRow, correction.charge_nano
    values: dict[str, Any] = {"total_used_nano": row.total_used_nano + delta}
    for name, length in SUBSCRIPTION_WINDOW_MS.items():
        begun, used = getattr(row, f"{name}_window_start"), getattr(row, f"{name}_used_nano")
        moved = _within(begun, used, length, delta, record, correction)
        forgiven = _reset_since(window_book(record.subscription_id, name), correction)
        values[f"{name}_used_nano"] = case((forgiven, used), else_=moved)
    await _update(session, row, record.subscription_id, values)


def _reset_since(book: str, correction: Correction) -> ColumnElement[bool]:
    """Whether an administrator has reset the window after the charge: it no longer counts that charge."""
    charge, reset = aliased(LedgerEntryRow), aliased(LedgerEntryRow)
    charged = select(charge.id).where(
        charge.exchange_id == correction.exchange_id,
        charge.attempt == correction.attempt,
        charge.kind == "charge",
    )
    return exists().where(
        reset.kind == "adjustment", reset.credit_book == book, reset.id > charged.scalar_subquery()
    )


async def _raise_key(session: AsyncSession, record: Any, correction: Correction) -> None:
    row, delta = ApiKeyRow, correction.key_nano
    used = row.quota_used_nano + delta
    is_revived = and_(row.status == "quota_exhausted", used < row.quota_nano)
    values: dict[str, Any] = {
        "quota_used_nano": used,
        "status": case((is_revived, "active"), else_=row.status),
    }
    for name, length in WINDOW_MS.items():
        begun, counter = getattr(row, f"window_{name}_start"), getattr(row, f"used_{name}_nano")
        values[f"used_{name}_nano"] = _within(begun, counter, length, delta, record, correction)
    await _update(session, row, record.key_id, values)


def _within(
    begun: Any, used: Any, length_ms: int, delta: int, record: Any, correction: Correction
) -> ColumnElement[int]:
    """The counter of a window: moved, never below 0, if the call fell into it and it still runs."""
    at, now = instant(record.created_at_ms), instant(correction.now_ms - length_ms)
    is_same = and_(begun.is_not(None), begun <= at, begun > now)
    return case((and_(is_same, used + delta > 0), used + delta), (is_same, 0), else_=used)


async def _update(session: AsyncSession, row: Any, number: int, values: dict[str, Any]) -> None:
    change = update(row).where(row.id == number).values(values)
    await session.execute(change.execution_options(synchronize_session=False))
