"""Quota windows of an account as its provider reported them, what it served inside them, and what they
foretell (spec 5.10; core/limits/quota_windows.py).

Passive: from the answers of the account. No provider's private endpoint is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from headgate.control.accounts.bulk_schemas import WindowStats
from headgate.control.accounts.repository import AccountRepository
from headgate.control.accounts.stats import window as stats_of
from headgate.control.statistics.repository import StatisticsRepository
from headgate.control.usage.period import Span
from headgate.control.usage.repository import UsageFilter
from headgate.control.work import Work
from headgate.core.ids import AccountId
from headgate.core.limits.account_limits import limits_from, rpm_counter, window_start_ms
from headgate.core.limits.quota_pacing import PriorityClass, fastest_of, safe_for_background, worst_of
from headgate.core.limits.quota_windows import (
    FULL_PPM,
    Answer,
    Outlook,
    QuotaForecast,
    QuotaReading,
    Safety,
    current,
    forecast,
    safe_to_start,
)
from headgate.core.money import to_usd
from headgate.kit.clock import instant
from headgate.storage.models import AccountRow

MAX_JOB_MINUTES = 7 * 24 * 60
_FIELDS = {
    "5h": "five_hour",
    "7d": "seven_day",
    "7d_sonnet": "seven_day_sonnet",
    "7d_opus": "seven_day_opus",
}


class ForecastView(BaseModel):
    outlook: Outlook
    burn_percent_per_hour: float
    burn_percent_per_hour_low: float
    burn_percent_per_hour_high: float
    """With `_low` the 95 % interval of the pace."""
    exhausted_at: datetime | None
    """At the present pace; null: not before the window resets. `earliest` and `latest` are its interval."""
    earliest: datetime | None
    latest: datetime | None
    is_stale: bool
    """The account has not answered for half an hour."""


class QuotaWindowView(BaseModel):
    model: str
    """Upstream model that alone is counted; empty: the whole account."""
    utilization: float
    """Percent; 100 = used up."""
    resets_at: datetime
    remaining_seconds: int
    observed_at: datetime
    window_stats: WindowStats
    """What this gateway sent through the account since the window began."""
    forecast: ForecastView


class LimitView(BaseModel):
    """How a limit of the account stands; absent where there is none."""

    limit: float
    used: float


class AccountLimitsView(BaseModel):
    window_cost: LimitView | None
    """USD at list price since `window_since`."""
    window_since: datetime
    requests_per_minute: LimitView | None
    """In the running minute of the clock, against `base_rpm`."""
    sessions: LimitView | None


class LongJobView(BaseModel):
    """May a job of `minutes` be started now?"""

    minutes: int
    safe: Answer
    reason: str


class ClassView(BaseModel):
    """How keys of one priority fare with the account's windows (docs/operations/scheduling.md, pacing)."""

    priority: PriorityClass
    is_admitted: bool
    """May draw on the windows now; of windows of single models: on those that are not listed."""
    held_back_by: str | None
    """Window that is used faster than it lasts."""
    until: datetime | None
    long_job: LongJobView


class AccountUsageView(BaseModel):
    source: Literal["passive"]
    updated_at: datetime | None
    five_hour: QuotaWindowView | None
    seven_day: QuotaWindowView | None
    seven_day_sonnet: QuotaWindowView | None
    seven_day_opus: QuotaWindowView | None
    model_windows: Sequence[QuotaWindowView]
    """Windows of single models (Gemini)."""
    limits: AccountLimitsView | None
    """None: the account has none."""
    long_job: LongJobView
    """Of a key of normal priority."""
    priorities: Sequence[ClassView]


async def account_usage(work: Work, account_id: int, *, job_minutes: int) -> AccountUsageView:
    """Raises ACCOUNT_NOT_FOUND; 503 while the shared state is away."""
    row = await AccountRepository(work.session).get(account_id)
    now_ms = work.now_ms()
    readings = await work.deps.state.quota_windows.readings(AccountId(row.id))
    seen = {key: forecast(found, now_ms) for key, found in current(readings, now_ms).items()}
    views = {key: await _window_view(work, row.id, one, now_ms) for key, one in seen.items()}
    known: Mapping[str, QuotaWindowView] = {
        _FIELDS[name]: view for (name, model), view in views.items() if not model and name in _FIELDS
    }
    whole = [one for (_, model), one in seen.items() if not model]
    safety = safe_to_start(whole, job_ms=job_minutes * 60_000, now_ms=now_ms)
    return AccountUsageView(
        source="passive",
        updated_at=_moment(max((reading.at_ms for reading in readings), default=None)),
        five_hour=known.get("five_hour"),
        seven_day=known.get("seven_day"),
        seven_day_sonnet=known.get("seven_day_sonnet"),
        seven_day_opus=known.get("seven_day_opus"),
        model_windows=[view for (_, model), view in views.items() if model],
        limits=await _limits_view(work, row, readings, now_ms),
        long_job=LongJobView(minutes=job_minutes, safe=safety.answer, reason=safety.reason),
        priorities=_classes(whole, safety, job_minutes, now_ms, _reserve_ppm(work)),
    )


def _reserve_ppm(work: Work) -> int:
    return work.deps.settings.gateway.scheduling.background_reserve_percent * 10_000


def _classes(
    whole: list[QuotaForecast], safety: Safety, job_minutes: int, now_ms: int, reserve_ppm: int
) -> Sequence[ClassView]:
    held = worst_of(((seen.reading, fastest_of(seen)) for seen in whole), now_ms, reserve_ppm=reserve_ppm)
    cautious = safe_for_background(whole, job_ms=job_minutes * 60_000, now_ms=now_ms, reserve_ppm=reserve_ppm)
    return [
        ClassView(
            priority=priority,
            is_admitted=held_by is None,
            held_back_by=None if held_by is None else held_by.window,
            until=None if held_by is None else instant(held_by.until_ms),
            long_job=LongJobView(minutes=job_minutes, safe=told.answer, reason=told.reason),
        )
        for priority, held_by, told in (
            (PriorityClass.NORMAL, None, safety),
            (PriorityClass.BACKGROUND, held, cautious),
        )
    ]


async def _limits_view(
    work: Work, row: AccountRow, readings: Sequence[QuotaReading], now_ms: int
) -> AccountLimitsView | None:
    limits, state, name = limits_from(row.extra or {}), work.deps.state, AccountId(row.id)
    if limits is None:
        return None
    since_ms = window_start_ms(readings, now_ms)
    window = requests = sessions = None
    if limits.window_cost_nano > 0:
        span = Span(since_ms, now_ms + 1)
        wanted = replace(UsageFilter(account_id=row.id), span=span)
        spent = (await StatisticsRepository(work.session).total(wanted)).list_cost
        window = LimitView(limit=to_usd(limits.window_cost_nano), used=to_usd(spent))
    if limits.base_rpm > 0:
        count = await state.counters.value(rpm_counter(name, now_ms))
        requests = LimitView(limit=limits.base_rpm, used=count)
    if limits.max_sessions > 0:
        count = await state.sessions.count(f"account:{row.id}", idle_ms=limits.session_idle_ms)
        sessions = LimitView(limit=limits.max_sessions, used=count)
    return AccountLimitsView(
        window_cost=window, window_since=instant(since_ms), requests_per_minute=requests, sessions=sessions
    )


async def _window_view(work: Work, account_id: int, seen: QuotaForecast, now_ms: int) -> QuotaWindowView:
    reading = seen.reading
    span = Span(reading.starts_at_ms, now_ms + 1)
    wanted = replace(UsageFilter(account_id=account_id), span=span)
    figures = await StatisticsRepository(work.session).total(wanted)
    return QuotaWindowView(
        model=reading.model,
        utilization=_percent(reading.used_ppm),
        resets_at=instant(reading.resets_at_ms),
        remaining_seconds=(reading.resets_at_ms - now_ms) // 1000,
        observed_at=instant(reading.at_ms),
        window_stats=stats_of(figures),
        forecast=ForecastView(
            outlook=seen.outlook,
            burn_percent_per_hour=_percent(seen.burn_ppm_per_hour),
            burn_percent_per_hour_low=_percent(seen.burn_low_ppm_per_hour),
            burn_percent_per_hour_high=_percent(seen.burn_high_ppm_per_hour),
            exhausted_at=_moment(seen.exhausted_at_ms),
            earliest=_moment(seen.earliest_ms),
            latest=_moment(seen.latest_ms),
            is_stale=seen.is_stale,
        ),
    )


def _percent(ppm: int) -> float:
    return round(ppm * 100 / FULL_PPM, 2)


def _moment(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else instant(at_ms)
