"""Spending windows of a key: 5 hours, a day, a week (spec 4.5, 4.6).

Knows: when a window starts, ends and what of its usage still counts. Refuses to know: who stores the
counters. Invariants: usage of an ended window is 0; a 5h window starts with the request that opens it, 1d and
7d windows start with the local day of that request; lengths are fixed durations (daylight saving does not
stretch them).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

HOUR_MS = 3_600_000
WINDOW_LENGTHS_MS: Mapping[str, int] = {"5h": 5 * HOUR_MS, "1d": 24 * HOUR_MS, "7d": 168 * HOUR_MS}
WINDOW_TITLES: Mapping[str, str] = {"5h": "5-hour", "1d": "daily", "7d": "7-day"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowUsage:
    """A window's counter as stored. Amounts in nano-USD, instants in Unix ms."""

    length_ms: int
    started_at_ms: int | None
    """None: never opened."""
    used_nano: int = 0

    def resets_at_ms(self, now_ms: int) -> int | None:
        """When the running window ends; None: no window is running."""
        if self.started_at_ms is None:
            return None
        end = self.started_at_ms + self.length_ms
        return end if end > now_ms else None

    def effective_nano(self, now_ms: int) -> int:
        """Usage that counts now: 0 once the window has ended."""
        return 0 if self.resets_at_ms(now_ms) is None else self.used_nano


def window_start(name: str, now_ms: int, zone: tzinfo = UTC) -> int:
    """Start of a window that a request at `now_ms` opens; days begin at midnight of `zone`."""
    if name == "5h":
        return now_ms
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return int(midnight.timestamp() * 1000)


def add_usage(
    name: str, stored: WindowUsage, charge_nano: int, now_ms: int, zone: tzinfo = UTC
) -> WindowUsage:
    """The counter after a charge: added to the running window, or the first of a new one."""
    if stored.resets_at_ms(now_ms) is None:
        start = window_start(name, now_ms, zone)
        return WindowUsage(length_ms=stored.length_ms, started_at_ms=start, used_nano=charge_nano)
    return WindowUsage(
        length_ms=stored.length_ms,
        started_at_ms=stored.started_at_ms,
        used_nano=stored.used_nano + charge_nano,
    )
