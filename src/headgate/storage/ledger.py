"""What the management plane writes into the ledger: adjustments, resets, corrections (DESIGN 5, ADR 14).

A user's balance is what entered the book `user:<id>` minus what left it. Every change of
`users.balance_nano` writes an entry in the same transaction: charges by the journal, everything else
through `adjust_balance`. The same holds for the used quota of a key (`key:<id>`, `reset_key_quota`) and all
that a subscription has used (`subscription:<id>`). Entries are only ever added: what was wrong is put right
by `correct_charge`. A subscription's window that an administrator resets leaves a line in the book
`window:<id>:<name>`.

Whoever changes a balance here first locks its row, then the head of the management plane's chain. A
transaction that moves several users' money should do so in the order of their ids.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

import structlog
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.storage.ledger_chain import (
    ENTRY_COLUMNS,
    LEDGER_KEY,
    MANAGEMENT,
    NO_KEY,
    Head,
    beginning,
    link,
    resume,
)
from headgate.storage.ledger_verify import BookMismatch, LedgerReport, verify
from headgate.storage.models import ApiKeyRow, LedgerChainRow, LedgerEntryRow, UserRow

__all__ = [
    "BookMismatch", "LedgerReport", "NewEntry", "adjust_balance", "append", "note_window_resets",
    "reset_key_quota", "verify", "window_book",
]  # fmt: skip

log = structlog.get_logger(__name__)

_STORED = text("SELECT seq, hash FROM ledger_chains WHERE chain = :chain")
_NEWEST = text("SELECT seq, hash FROM ledger_entries WHERE chain = :chain ORDER BY seq DESC LIMIT 1")
_BEGIN = text("INSERT INTO ledger_chains (chain, seq, hash) VALUES (:chain, 0, :seal) ON CONFLICT DO NOTHING")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """A line about to be written: `amount_nano` (positive) leaves `debit_book` and enters `credit_book`."""

    exchange_id: str
    """The exchange, or the id of the operation (at most 64 characters)."""
    attempt: int = 0
    kind: str
    debit_book: str
    credit_book: str
    amount_nano: int
    price_version: str = ""
    tariff: str = ""
    multiplier: int | None = None
    note: str = ""
    actor_id: int | None
    created_at_ms: int


async def append(session: AsyncSession, entry: NewEntry) -> None:
    """Write a line at the end of the management plane's chain, in the caller's transaction.

    Raises the database's IntegrityError where (exchange_id, attempt, kind) is in the ledger already."""
    key: bytes = session.info.get(LEDGER_KEY, NO_KEY)
    head = await _locked_head(session, key)
    (row,), head = link(
        key,
        head,
        [
            (
                entry.exchange_id, entry.attempt, entry.kind, entry.debit_book, entry.credit_book,
                entry.amount_nano, entry.price_version, entry.tariff, entry.multiplier, entry.note,
                entry.actor_id, entry.created_at_ms,
            )
        ],
    )  # fmt: skip
    await session.execute(insert(LedgerEntryRow).values(dict(zip(ENTRY_COLUMNS, row, strict=True))))
    heads = LedgerChainRow
    await session.execute(
        update(heads)
        .where(heads.chain == head.chain)
        .values(seq=head.seq, hash=head.seal)
        .execution_options(synchronize_session=False)
    )


async def adjust_balance(
    session: AsyncSession,
    *,
    user_id: int,
    delta_nano: int,
    note: str,
    actor_id: int | None,
    operation_id: str,
    now_ms: int,
) -> None:
    """Raise (or, negative, lower) a balance and write the `adjustment` entry, in the caller's transaction.

    `operation_id` (at most 64 characters) makes it happen once: a repetition fails with the database's
    IntegrityError.
    """
    book = f"user:{user_id}"
    await _raise_balance(session, user_id, delta_nano)
    await append(
        session,
        NewEntry(
            exchange_id=operation_id,
            kind="adjustment",
            debit_book="equity" if delta_nano >= 0 else book,
            credit_book=book if delta_nano >= 0 else "equity",
            amount_nano=abs(delta_nano),
            note=note,
            actor_id=actor_id,
            created_at_ms=now_ms,
        ),
    )


async def reset_key_quota(
    session: AsyncSession, *, key_id: int, actor_id: int | None, operation_id: str, now_ms: int
) -> int:
    """Begin a key's quota anew and write the `adjustment` entry, in the caller's transaction; returns the
    nano-USD that had been used. An ORM row of the key must be refreshed."""
    key = ApiKeyRow
    mine = update(key).where(key.id == key_id).execution_options(synchronize_session=False)
    await session.execute(mine.values(quota_used_nano=key.quota_used_nano))  # locks the row
    used = await session.scalar(select(key.quota_used_nano).where(key.id == key_id)) or 0
    if used == 0:
        return 0
    await session.execute(mine.values(quota_used_nano=key.quota_used_nano - used))
    await append(
        session,
        NewEntry(
            exchange_id=operation_id,
            kind="adjustment",
            debit_book="equity",
            credit_book=f"key:{key_id}",
            amount_nano=used,
            note="quota reset",
            actor_id=actor_id,
            created_at_ms=now_ms,
        ),
    )
    return used


async def note_window_resets(
    session: AsyncSession,
    *,
    subscription_id: int,
    used_nano: Mapping[str, int],
    actor_id: int | None,
    operation_id: str,
    now_ms: int,
) -> None:
    """Write an `adjustment` entry for every window (`daily`, `weekly`, `monthly`) of a subscription that
    begins anew after so much was used in it. The caller holds the subscription's row: what a window has used
    is what left `subscription:<id>` since it began, after the last such line."""
    for number, (window, nano) in enumerate(used_nano.items()):
        if nano > 0:
            await append(
                session,
                NewEntry(
                    exchange_id=operation_id,
                    attempt=number,
                    kind="adjustment",
                    debit_book="equity",
                    credit_book=window_book(subscription_id, window),
                    amount_nano=nano,
                    note=f"{window} window reset",
                    actor_id=actor_id,
                    created_at_ms=now_ms,
                ),
            )


def window_book(subscription_id: int, window: str) -> str:
    """The book of what was forgiven in a subscription's window; no counter has it."""
    return f"window:{subscription_id}:{window}"


async def _raise_balance(session: AsyncSession, user_id: int, delta_nano: int) -> None:
    await session.execute(
        update(UserRow)
        .where(UserRow.id == user_id)
        .values(balance_nano=UserRow.balance_nano + delta_nano)
        .execution_options(synchronize_session=False)
    )


async def _locked_head(session: AsyncSession, key: bytes) -> Head:
    """The end of the management plane's chain, locked to the end of the transaction. A chain that somebody
    has been at is left alone: the next lower number goes on."""
    for chain in count(MANAGEMENT, -1):
        await _lock(session, key, chain)
        stored = (await session.execute(_STORED, {"chain": chain})).one()
        newest = (await session.execute(_NEWEST, {"chain": chain})).one_or_none()
        head = resume(key, chain, (stored[0], stored[1]), None if newest is None else (newest[0], newest[1]))
        if head is not None:
            return head
        log.error("ledger_chain_broken", chain=chain, remedy="run `headgate ledger verify`")
    raise AssertionError("there is always another chain")


async def _lock(session: AsyncSession, key: bytes, chain: int) -> None:
    heads = LedgerChainRow
    if await session.scalar(select(heads.chain).where(heads.chain == chain)) is None:
        await session.execute(_BEGIN, {"chain": chain, "seal": beginning(key, chain).seal})
    lock = update(heads).where(heads.chain == chain).values(seq=heads.seq)
    await session.execute(lock.execution_options(synchronize_session=False))
