"""Recorded traffic out of usage records and traces: when, whose, which conversation, how many tokens.

Users become numbers; there is no prompt to leave out. What was refused before a call is not in it: its size
was never known.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.kit import json
from headgate.simulation.traffic import SimulatedRequest
from headgate.storage.models import ExchangeTraceRow, GroupRow, UsageRecordRow

_ANSWERED = ("completed", "partial")


async def recorded(engine: AsyncEngine, *, from_ms: int, to_ms: int) -> AsyncIterator[SimulatedRequest]:
    """The answered requests of a period, in the order in which they ended; times are Unix milliseconds."""
    row, trace = UsageRecordRow, ExchangeTraceRow
    query = (
        select(row, GroupRow.name, trace.trace)
        .join(GroupRow, GroupRow.id == row.group_id)
        .outerjoin(trace, trace.exchange_id == row.exchange_id)
        .where(row.created_at_ms >= from_ms, row.created_at_ms < to_ms, row.outcome.in_(_ANSWERED))
        .order_by(row.created_at_ms, row.id)
    )
    async with engine.connect() as connection:
        found = await connection.stream(
            query.with_only_columns(*row.__table__.columns, GroupRow.name.label("group_name"), trace.trace)
        )
        async for each in found.mappings():
            yield request_of(dict(each))


def request_of(row: Mapping[str, Any]) -> SimulatedRequest:
    trace = _trace(row["trace"])
    waited = sum(wait.get("waited_ms", 0) for wait in trace.get("waits", []) if isinstance(wait, dict))
    cached = row["cache_read_tokens"] + row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"]
    total = row["input_tokens"] + cached
    session = trace.get("session")
    is_automatic = row["dialect"] != "anthropic_messages"
    first = row["first_byte_ms"]
    return SimulatedRequest(
        at_ms=max(0, row["created_at_ms"] - row["duration_ms"] - waited),
        user=f"user-{row['user_id']}",
        group=row["group_name"],
        model=row["client_model"],
        session=session if isinstance(session, str) else "",
        input_tokens=total,
        cacheable_tokens=total if is_automatic and session else cached,
        output_tokens=row["output_tokens"],
        ttft_ms=None if first is None else max(0, first - waited),
        duration_ms=row["duration_ms"],
        stream=row["is_stream"],
    )


def _trace(stored: str | None) -> dict[str, Any]:
    try:
        found = json.loads(stored or "{}")
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
