"""What we recorded per account and day, for the comparison with a provider's bill. Days are UTC, and those
on which the calls began."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from headgate.storage.models import AccountRow, UsageRecordRow
from headgate.storage.scratch_bill import Sums

DAY_MS = 86_400_000
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredCall:
    """A call of ours."""

    account: int
    exchange_id: str
    attempt: int
    upstream_request_id: str | None
    upstream_model: str
    outcome: str
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAccount:
    id: int
    name: str
    is_deleted: bool


async def known_accounts(connection: AsyncConnection) -> list[KnownAccount]:
    """Deleted ones too: their calls are still on somebody's bill."""
    row = AccountRow
    found = await connection.execute(select(row.id, row.name, row.deleted_at).order_by(row.id))
    return [KnownAccount(id=n, name=name, is_deleted=gone is not None) for n, name, gone in found]


async def metered_by_account_and_day(
    connection: AsyncConnection, days: tuple[int, int]
) -> dict[tuple[int, int], Sums]:
    """(account, day) -> sums, from the first to the last of `days` (since 1970)."""
    day, account = _day(), UsageRecordRow.account_id
    query = select(account, day, *_sums()).where(*_on(days)).group_by(account, day)
    found = await connection.execute(query)
    return {(number, int(on) // DAY_MS): _read(numbers) for number, on, *numbers in found}


async def metered_by_model(connection: AsyncConnection, account: int, day: int) -> dict[str, Sums]:
    """Upstream model -> sums."""
    record = UsageRecordRow
    query = select(record.upstream_model, *_sums()).where(record.account_id == account, *_on((day, day)))
    found = await connection.execute(query.group_by(record.upstream_model))
    return {model: _read(numbers) for model, *numbers in found}


async def metered_calls(
    connection: AsyncConnection, accounts: Sequence[int], days: tuple[int, int]
) -> AsyncIterator[MeteredCall]:
    """Every call, oldest first, a page at a time."""
    record = UsageRecordRow
    columns = (record.exchange_id, record.attempt, record.upstream_request_id, record.upstream_model)
    query = (
        select(record.id, record.created_at_ms, record.account_id, record.outcome, *columns, *_parts())
        .where(record.account_id.in_(accounts), *_on(days))
        .order_by(record.created_at_ms, record.id)
        .limit(_PAGE)
    )
    page = (await connection.execute(query)).all()
    while page:
        for row in page:
            yield _call(row)
        last = page[-1]
        beyond = (record.created_at_ms > last.created_at_ms) | (
            (record.created_at_ms == last.created_at_ms) & (record.id > last.id)
        )
        page = (await connection.execute(query.where(beyond))).all()


def _call(row: Any) -> MeteredCall:
    return MeteredCall(
        account=row.account_id,
        exchange_id=row.exchange_id,
        attempt=row.attempt,
        upstream_request_id=row.upstream_request_id,
        upstream_model=row.upstream_model,
        outcome=row.outcome,
        sums=_read([1, *row[-6:]]),
    )


def _day() -> ColumnElement[int]:
    """The beginning of the day on which a call began, Unix ms. With a literal: PostgreSQL groups by what it
    can see to be the same."""
    began = UsageRecordRow.created_at_ms - UsageRecordRow.duration_ms
    return began - began % literal_column(str(DAY_MS), BigInteger)


def _on(days: tuple[int, int]) -> list[ColumnElement[bool]]:
    """Calls that began on the days; the index is on their end, at most a day later."""
    record, (first, last) = UsageRecordRow, days
    began = record.created_at_ms - record.duration_ms
    return [
        record.created_at_ms >= first * DAY_MS,
        record.created_at_ms < (last + 2) * DAY_MS,
        began >= first * DAY_MS,
        began < (last + 1) * DAY_MS,
    ]


def _parts() -> tuple[ColumnElement[int], ...]:
    """Columns in the order of `Sums`, without the calls."""
    record = UsageRecordRow
    return (
        record.input_tokens.expression,
        record.cache_read_tokens.expression,
        record.cache_write_5m_tokens + record.cache_write_1h_tokens,
        record.output_tokens.expression,
        record.audio_input_tokens + record.audio_output_tokens,
        record.account_cost_nano.expression,
    )


def _sums() -> tuple[ColumnElement[Any], ...]:
    return (func.count(), *(func.sum(part) for part in _parts()))


def _read(numbers: Sequence[Any]) -> Sums:
    """PostgreSQL sums BIGINT as NUMERIC: back to int."""
    calls, plain, cache_read, cache_write, output, audio, cost = (int(number) for number in numbers)
    return Sums(
        calls=calls, input=plain, cache_read=cache_read, cache_write=cache_write, output=output, audio=audio,
        cost_nano=cost,
    )  # fmt: skip
