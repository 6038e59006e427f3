"""Spending windows of keys (5 hours, a day, a week; spec 4.5, 4.6) and of account quotas (spec 1.4).

Knows: when a window starts, ends and what of its usage still counts. Refuses to know: who stores the
counters. Invariants: usage of an ended window is 0; a 5h window starts with the request that opens it, 1d and
7d windows start with the local day of that request; lengths are fixed durations (daylight saving does not
stretch them), except for account quotas that reset at an hour of the clock on the wall.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headgate.core.world import AccountQuota

HOUR_MS = 3_600_000
WINDOW_TITLES: Mapping[str, str] = {"5h": "5-hour", "1d": "daily", "7d": "7-day"}
"""How a key's windows are called; a subscription's (`daily` ...) are called by their names."""


def is_over(started_at_ms: int, length_ms: int, now_ms: int) -> bool:
    """Ended, or begun by a clock that was set back since by more than the window is long: such a window would
    count for far too long."""
    return not started_at_ms - length_ms <= now_ms < started_at_ms + length_ms


def window_start(name: str, now_ms: int, zone: tzinfo = UTC) -> int:
    """Start of a window that a request at `now_ms` opens; days begin at midnight of `zone`, and the 25th hour
    of the day on which clocks go back counts as one (a window must not be over before it begins)."""
    if name == "5h":
        return now_ms
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    start = int(midnight.timestamp() * 1000)
    return start + 24 * HOUR_MS if now_ms >= start + 24 * HOUR_MS else start


def account_windows(quota: AccountQuota, now_ms: int) -> tuple[int, int, int, int]:
    """Start and end of the daily and of the weekly window that a cost at `now_ms` opens, Unix ms.

    Rolling: 24 hours or 7 days from now. Fixed: from the last to the next time that the quota's clock on the
    wall shows its hour (and weekday); an hour that daylight saving skips happens when the clocks are put on,
    one that comes twice happens the first time. An unknown time zone is UTC.
    """
    daily, weekly = (now_ms, now_ms + 24 * HOUR_MS), (now_ms, now_ms + 168 * HOUR_MS)
    if quota.daily_is_fixed:
        daily = _around(now_ms, quota.timezone, quota.daily_hour)
    if quota.weekly_is_fixed:
        weekly = _around(now_ms, quota.timezone, quota.weekly_hour, weekday=quota.weekly_day)
    return (*daily, *weekly)


def _around(now_ms: int, zone_name: str, hour: int, *, weekday: int | None = None) -> tuple[int, int]:
    """The last occurrence not after `now_ms`, and the next after it. `weekday` 0 = Sunday; None: every
    day."""
    zone = zone_named(zone_name)
    day = datetime.fromtimestamp(now_ms / 1000, zone).date()
    if weekday is not None:
        day -= timedelta(days=(day.isoweekday() - weekday) % 7)
    step = timedelta(days=1 if weekday is None else 7)
    if (latest := _instant(day, hour, zone)) > now_ms:
        return _instant(day - step, hour, zone), latest
    return latest, _instant(day + step, hour, zone)


def _instant(day: date, hour: int, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, hour % 24, tzinfo=zone).timestamp() * 1000)


@lru_cache(maxsize=256)
def zone_named(name: str) -> tzinfo:
    """A pure function of the name: the zone files do not change while we run."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
