"""What the ledger browser shows."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel


class BookView(BaseModel):
    """One side of a movement of money."""

    book: str
    """`user:3`, `account:7`, `key:9`, `subscription:2`, `revenue`, `cost`, `usage`, `equity`, ..."""
    name: str
    """E-mail of a user, name of an account or key; empty: there is none."""


class LedgerEntryView(BaseModel):
    """`amount` USD left `debit` and entered `credit`."""

    id: int
    created_at: datetime
    kind: str
    exchange_id: str
    """The exchange, or the id of the administrator's operation."""
    attempt: int
    debit: BookView
    credit: BookView
    amount: float
    tariff: Mapping[str, float]
    """USD at list price by tariff line; empty when not priced."""
    multiplier: float | None
    price_version: str
    note: str
    actor_id: int | None
    actor: str
    """E-mail of who did it; empty: a request, or the system."""
    chain: int | None
    seq: int | None
    hash: str
    """Of this line, its place and the line before it; hex."""


class LedgerLinesView(BaseModel):
    items: Sequence[LedgerEntryView]
    """Newest first."""
    next_cursor: int | None
    """`cursor` of the next page; None: there is nothing older. A page may hold fewer lines than asked for, or
    none, and still have one after it: only so many lines are looked at for a page."""
    searched_to: datetime | None
    """Lines of this age and newer have been looked at; None: all."""


class FindingView(BaseModel):
    check: str
    """chain | line | book | record | entry | negative"""
    text: str


class ChainView(BaseModel):
    chain: int
    entries: int
    is_whole: bool
    newest_hash: str


class LedgerProofView(BaseModel):
    """What `headgate ledger verify` prints."""

    is_sound: bool
    entries: int
    unchained: int
    """From before there were chains: summed, not proven."""
    chains: Sequence[ChainView]
    counts: Mapping[str, int]
    """How much is wrong, by check; a check that is absent found nothing."""
    findings: Sequence[FindingView]
    """The first hundred."""
    overdraft_usd: float
    """How far below zero a balance may be, ..."""
    per_stream_usd: float
    """... and so much for each slot of its user besides."""
    took_ms: int
