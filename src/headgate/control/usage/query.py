"""What a usage query asks for, as it came, and the filter that it means (spec 7.12, 8.1, 8.7)."""

from dataclasses import dataclass, replace

from sqlalchemy import select

from headgate.control.usage.period import Span, span_of_dates, span_of_period, zone
from headgate.control.usage.repository import UsageFilter
from headgate.control.work import Work
from headgate.errors import BadRequest
from headgate.storage.models import ApiKeyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """What the client asked, as it came."""

    user_id: int | None = None
    api_key_id: int | None = None
    account_id: int | None = None
    group_id: int | None = None
    model: str = ""
    request_type: str = ""
    stream: str = ""
    billing_type: str = ""
    start_date: str = ""
    end_date: str = ""
    timezone: str = ""
    period: str = ""


async def usage_filter(work: Work, query: UsageQuery, *, hides_failed: bool) -> UsageFilter:
    """Open-ended without dates. Raises INVALID_INPUT (dates, zone, request type)."""
    where = zone(query.timezone, work.deps.settings.timezone)
    has_dates = bool(query.start_date or query.end_date)
    return UsageFilter(
        user_id=await _owner(work, query),
        key_id=query.api_key_id,
        account_id=query.account_id,
        group_id=query.group_id,
        model=query.model,
        is_stream=_is_stream(query),
        is_by_subscription={"0": False, "1": True}.get(query.billing_type),
        is_nothing=query.request_type in ("ws_v2", "unknown"),
        hides_failed=hides_failed,
        span=span_of_dates(query.start_date, query.end_date, where) if has_dates else Span(),
    )


async def period_filter(work: Work, query: UsageQuery, *, hides_failed: bool) -> UsageFilter:
    """With the period where it was named or there are no dates: today, unless said otherwise. Raises
    INVALID_INPUT."""
    wanted = await usage_filter(work, query, hides_failed=hides_failed)
    if query.period or not (query.start_date or query.end_date):
        where = zone(query.timezone, work.deps.settings.timezone)
        return replace(wanted, span=span_of_period(query.period, where, now_ms=work.now_ms()))
    return wanted


async def _owner(work: Work, query: UsageQuery) -> int | None:
    """The user whose records are meant: those of a key lie in the index of its owner."""
    if query.user_id is not None or query.api_key_id is None:
        return query.user_id
    owner = select(ApiKeyRow.user_id).where(ApiKeyRow.id == query.api_key_id)
    return await work.session.scalar(owner) or 0


def _is_stream(query: UsageQuery) -> bool | None:
    """`request_type` wins over the older `stream`. Raises INVALID_INPUT."""
    match query.request_type:
        case "stream":
            return True
        case "sync":
            return False
        case "ws_v2" | "unknown":
            return None
        case "":
            return {"true": True, "false": False}.get(query.stream.lower())
        case _:
            raise BadRequest("request_type must be unknown, sync, stream or ws_v2")
