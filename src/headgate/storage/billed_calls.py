"""Usage records of a period with what the ledger says about each, in pages (for `headgate ledger replay`)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from headgate.core.pricing.rebilling import BilledCall
from headgate.core.usage import TokenUsage
from headgate.storage.models import LedgerEntryRow, UsageRecordRow

PAGE = 500


@dataclass(frozen=True, slots=True)
class Period:
    """From (inclusive) to (exclusive), Unix ms, by the instant of the settlement."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """The last record of a page: where the next begins."""

    created_at_ms: int
    id: int


@dataclass(slots=True)
class _Booked:
    """Sums of the lines of one attempt."""

    paid: int = 0
    key: int | None = None
    account: int = 0
    multipliers: dict[str, int | None] = field(default_factory=dict)
    """Of the original lines, by kind."""


async def billed_page(
    connection: AsyncConnection, period: Period, after: Place | None
) -> tuple[list[BilledCall], Place | None]:
    """The next calls, oldest first, and where they end; None: there are no more."""
    record = UsageRecordRow
    query = select(*record.__table__.columns).where(*_within(period, after))
    found = (await connection.execute(query.order_by(record.created_at_ms, record.id).limit(PAGE))).all()
    booked = await _booked(connection, sorted({row.exchange_id for row in found}))
    calls = [_call(row, booked.get((row.exchange_id, row.attempt), _Booked())) for row in found]
    return calls, Place(found[-1].created_at_ms, found[-1].id) if found else None


def _within(period: Period, after: Place | None) -> list[ColumnElement[bool]]:
    at, number = UsageRecordRow.created_at_ms, UsageRecordRow.id
    if after is None:
        return [at >= period.from_ms, at < period.to_ms]
    beyond = or_(at > after.created_at_ms, and_(at == after.created_at_ms, number > after.id))
    return [at >= after.created_at_ms, at < period.to_ms, beyond]


async def _booked(connection: AsyncConnection, exchange_ids: Sequence[str]) -> dict[tuple[str, int], _Booked]:
    entry = LedgerEntryRow
    query = select(
        entry.exchange_id, entry.attempt, entry.kind, entry.debit_book, entry.credit_book, entry.amount_nano,
        entry.multiplier,
    ).where(entry.exchange_id.in_(exchange_ids), entry.kind != "adjustment")  # fmt: skip
    sums: dict[tuple[str, int], _Booked] = {}
    for row in await connection.execute(query):
        _add(sums.setdefault((row.exchange_id, row.attempt), _Booked()), row)
    return sums


def _add(booked: _Booked, row: Any) -> None:
    """Which counter a line moves is told by the book on its other side; a correction may go backwards."""
    booked.multipliers[row.kind] = row.multiplier
    amount: int = row.amount_nano
    if "revenue" in (row.debit_book, row.credit_book):
        booked.paid += amount if row.credit_book == "revenue" else -amount
    elif "usage" in (row.debit_book, row.credit_book):
        booked.key = (booked.key or 0) + (amount if row.credit_book == "usage" else -amount)
    elif "cost" in (row.debit_book, row.credit_book):
        booked.account += amount if row.debit_book == "cost" else -amount


def _call(row: Any, booked: _Booked) -> BilledCall:
    def counts_list_cost(kind: str) -> bool:
        return bool(booked.multipliers.get(kind, row.charge_multiplier) != row.charge_multiplier)

    return BilledCall(
        exchange_id=row.exchange_id,
        attempt=row.attempt,
        outcome=row.outcome,
        user_id=row.user_id,
        key_id=row.key_id,
        group_id=row.group_id,
        subscription_id=row.subscription_id,
        client_model=row.client_model,
        upstream_model=row.upstream_model,
        usage=_usage(row),
        service_tier=row.service_tier,
        charge_multiplier=row.charge_multiplier,
        cost_multiplier=row.cost_multiplier,
        started_at_ms=row.created_at_ms - row.duration_ms,
        paid_nano=booked.paid,
        pays_list_cost=row.subscription_id is not None and counts_list_cost("charge"),
        key_nano=booked.key,
        key_counts_list_cost=counts_list_cost("key"),
        account_nano=booked.account,
    )


def _usage(row: Any) -> TokenUsage:
    return TokenUsage(
        input=row.input_tokens,
        cache_read=row.cache_read_tokens,
        cache_write_5m=row.cache_write_5m_tokens,
        cache_write_1h=row.cache_write_1h_tokens,
        output=row.output_tokens,
        reasoning=row.reasoning_tokens,
        images=row.image_count,
        image_size=row.image_size,
        audio_input=row.audio_input_tokens,
        audio_output=row.audio_output_tokens,
        web_search_calls=row.web_search_calls,
    )
