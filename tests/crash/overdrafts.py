"""How far below zero a balance went, and how far it may: by decisions 17 and 41, from what each exchange had
covered and what it then cost.

A charge beyond what was covered has one of three causes. A conversation that was admitted on its warm cache
and missed it: any number may come at once, but they overdraw like one. Output that a provider bills without
showing it: at most one slice per stream. The death of the process, after which recovery books a call whose
reservation has expired. Whatever is below zero by more than these explain is a defect.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.core.money import MULTIPLIER_ONE
from tests.crash.tariff import RATES
from tests.e2e.money_books import Books

SLICE_TOKENS = 1024
"""`limits.first_output_slice_tokens`, which the runs leave alone."""
_SLICE_NANO = SLICE_TOKENS * max(rates.output for rates in RATES.values())
"""List cost of a slice of the dearest output."""
_RECENT_MS = 60_000
"""Exchanges of a run take 20 s at most: one that took the balance below zero ended less than this before."""
COLD, UNSEEN, DIED = "a cold cache", "output that was not shown", "its process died"


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """A charge beyond what was covered, in nano-USD."""

    cause: str
    nano: int
    at_ms: int
    exchange_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowest:
    """The lowest point of a user's balance, after whichever line of the ledger; 0 when it never was below."""

    user_id: int
    nano: int = 0
    bound_nano: int = 0
    """How low it may have been then, a negative number."""
    because: tuple[Excess, ...] = ()

    def __str__(self) -> str:
        causes = ", ".join(f"{excess.exchange_id} {excess.nano} ({excess.cause})" for excess in self.because)
        return f"user {self.user_id}: {self.nano}, the bound is {self.bound_nano}: {causes or 'nothing'}"


def lowest_balances(books: Books) -> list[Lowest]:
    """Of every user that was below zero at any time, the lowest point first."""
    users = books.rows("SELECT DISTINCT user_id FROM usage_records")
    found = [low for row in users if (low := _of_user(books, row["user_id"])).nano < 0]
    return sorted(found, key=lambda low: low.nano)


def beyond(low: Lowest) -> bool:
    """Below the stated bound; or a stream took more than its slice."""
    slices = [excess.nano for excess in low.because if excess.cause == UNSEEN]
    return low.nano < low.bound_nano or max(slices, default=0) > _most_of_a_slice()


def _of_user(books: Books, user_id: int) -> Lowest:
    lowest, lowest_at_ms, balance = 0, 0, 0
    for at_ms, nano in _moves(books, user_id):
        balance += nano
        if balance < lowest:
            lowest, lowest_at_ms = balance, at_ms
    if lowest == 0:
        return Lowest(user_id=user_id)
    recent = tuple(
        excess
        for excess in _excesses(books, user_id)
        if lowest_at_ms - _RECENT_MS <= excess.at_ms <= lowest_at_ms
    )
    return Lowest(user_id=user_id, nano=lowest, bound_nano=-allowed(recent), because=recent)


def allowed(recent: Sequence[Excess]) -> int:
    """Cold caches overdraw by one of them together, everything else by its sum."""
    cold = max((excess.nano for excess in recent if excess.cause == COLD), default=0)
    return cold + sum(excess.nano for excess in recent if excess.cause != COLD)


def _moves(books: Books, user_id: int) -> Iterator[tuple[int, int]]:
    book = f"user:{user_id}"
    for row in books.rows(
        "SELECT created_at_ms, debit_book, amount_nano FROM ledger_entries"
        f" WHERE debit_book = '{book}' OR credit_book = '{book}' ORDER BY id"
    ):
        yield row["created_at_ms"], row["amount_nano"] * (-1 if row["debit_book"] == book else 1)


def _excesses(books: Books, user_id: int) -> Iterator[Excess]:
    for row in books.rows(
        "SELECT e.exchange_id, e.amount_nano, e.created_at_ms, e.multiplier, t.trace FROM ledger_entries e"
        " LEFT JOIN exchange_traces t ON t.exchange_id = e.exchange_id"
        f" WHERE e.kind = 'charge' AND e.debit_book = 'user:{user_id}' ORDER BY e.id"
    ):
        trace: dict[str, Any] = json.loads(row["trace"]) if row["trace"] else {}
        covered = trace.get("bill", {}).get("covered_list_nano")
        held = 0 if covered is None else -(-covered * row["multiplier"] // MULTIPLIER_ONE)
        if row["amount_nano"] > held:
            yield Excess(
                cause=_cause(trace, covered),
                nano=row["amount_nano"] - held,
                at_ms=row["created_at_ms"],
                exchange_id=row["exchange_id"],
            )


def _cause(trace: dict[str, Any], covered: int | None) -> str:
    if covered is None:
        return DIED
    return COLD if "input" in trace.get("reserved", {}) else UNSEEN


def _most_of_a_slice() -> int:
    return _SLICE_NANO * 2  # the dearest group charges 1.75 of the list cost
