"""How far accounts have used what limits them right now (spec 3.7, 8.4): only where there is such a limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from headgate.control.work import Work
from headgate.core.ids import AccountId
from headgate.core.limits.account_limits import limits_from, rpm_counter, window_start_ms
from headgate.core.money import to_usd
from headgate.storage.models import UsageRecordRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """Used, and the most; None where nothing limits it."""

    sessions: tuple[int, int] | None = None
    rpm: tuple[int, int] | None = None


async def limited(work: Work, account_id: int, extra: Mapping[str, Any]) -> Limited:
    """Raises `StateUnavailable`."""
    limits, state = limits_from(extra), work.deps.state
    if limits is None:
        return Limited()
    sessions = rpm = None
    if limits.max_sessions > 0:
        idle_ms = limits.session_idle_ms
        used = await state.sessions.count(f"account:{account_id}", idle_ms=idle_ms)
        sessions = (used, limits.max_sessions)
    if limits.base_rpm > 0:
        used = await state.counters.value(rpm_counter(AccountId(account_id), work.now_ms()))
        rpm = (used, limits.base_rpm)
    return Limited(sessions=sessions, rpm=rpm)


async def window_cost_usd(work: Work, account_id: int, extra: Mapping[str, Any]) -> float | None:
    """List cost since the five-hour window began, as booked; None without a limit on it. Raises
    `StateUnavailable`."""
    limits = limits_from(extra)
    if limits is None or limits.window_cost_nano <= 0:
        return None
    readings = await work.deps.state.quota_windows.readings(AccountId(account_id))
    record, since_ms = UsageRecordRow, window_start_ms(readings, work.now_ms())
    spent = await work.session.scalar(
        select(func.sum(record.list_cost_nano)).where(
            record.account_id == account_id, record.created_at_ms >= since_ms
        )
    )
    return to_usd(int(spent or 0))
