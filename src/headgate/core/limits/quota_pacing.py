"""Pacing by priority class: whose work can wait uses a provider's quota window no faster than it lasts, so
that what is left is there for everybody else until it begins anew. Two questions: is more used than the part
of its time that is over, and would what is left last at the fastest pace that the readings of late allow (the
upper bound of the forecast's interval)?

Knows: the classes, the line that a window's use is held to, when it is under the line again. Refuses to know:
requests, stores, clocks. Invariants: pure; the normal class is never held back; a window that lasts at its
pace so far holds nobody back; whoever is held back is told an instant before or at the reset.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from headgate.core.limits.quota_windows import (
    FULL_PPM,
    LEAST_SPAN_MS,
    LONG_MS,
    SAME_RESET_MS,
    TELLING_PPM,
    Answer,
    QuotaForecast,
    QuotaReading,
    Safety,
    safe_to_start,
)

_HOUR_MS = 3_600_000
QUOTA_PACING = "quota_pacing"
"""Cause of an account's being left alone, in traces and messages."""


class PriorityClass(StrEnum):
    NORMAL = "normal"
    BACKGROUND = "background"
    """What can wait (`priority` of a key)."""


class HeldBack(NamedTuple):
    window: str
    model: str
    """Upstream model that the window counts alone; empty: the whole account."""
    until_ms: int
    """When the use so far is under the line again."""
    used_ppm: int


def fastest_of(seen: QuotaForecast) -> int:
    """The upper bound of a window's pace, ppm per hour; 0: too few readings of late to tell one."""
    return seen.burn_high_ppm_per_hour if seen.is_measured else 0


def held_back(
    reading: QuotaReading, now_ms: int, *, reserve_ppm: int, fastest_ppm_per_hour: int = 0
) -> HeldBack | None:
    """Why the background class must not draw on the window now. At any instant it may have been used for as
    much as the part of its time that is over, less `reserve_ppm` of that; and what is left beside the reserve
    must last until the reset at the fastest likely pace (`fastest_of`). None: it may be drawn on, is too
    young to tell, or refills within the hour."""
    if reading.length_ms < LONG_MS or not reading.starts_at_ms <= now_ms < reading.resets_at_ms:
        return None
    if now_ms - reading.starts_at_ms < LEAST_SPAN_MS or reading.used_ppm < TELLING_PPM:
        return None
    usable_ppm = max(1, FULL_PPM - reserve_ppm)
    even_at_ms = max(
        reading.starts_at_ms + reading.used_ppm * reading.length_ms // usable_ppm,
        _lasts_from(reading, usable_ppm, fastest_ppm_per_hour),
    )
    if even_at_ms <= now_ms and not reading.is_exhausted:
        return None
    until_ms = reading.resets_at_ms if reading.is_exhausted else min(even_at_ms, reading.resets_at_ms)
    return HeldBack(reading.window, reading.model, until_ms, reading.used_ppm)


def _lasts_from(reading: QuotaReading, usable_ppm: int, fastest_ppm_per_hour: int) -> int:
    """From when on what is left lasts until the reset at that pace (Unix ms). A pace that no reading has
    confirmed for a while is over: nothing was used, or there would be news."""
    if fastest_ppm_per_hour <= 0:
        return 0
    left_ppm = max(0, usable_ppm - reading.used_ppm)
    lasts_ms = left_ppm * _HOUR_MS // fastest_ppm_per_hour
    return min(reading.resets_at_ms - lasts_ms, reading.at_ms + SAME_RESET_MS)


def worst_of(
    windows: Iterable[tuple[QuotaReading, int]], now_ms: int, *, reserve_ppm: int
) -> HeldBack | None:
    """Of several windows, each with its fastest likely pace (`fastest_of`), the one that holds back
    longest."""
    found = [
        held
        for reading, fastest in windows
        if (held := held_back(reading, now_ms, reserve_ppm=reserve_ppm, fastest_ppm_per_hour=fastest))
    ]
    return max(found, key=lambda held: held.until_ms, default=None)


def safe_for_background(
    forecasts: list[QuotaForecast], *, job_ms: int, now_ms: int, reserve_ppm: int
) -> Safety:
    """Whether a long job of the background class may be started: the windows last, and none of them holds the
    class back."""
    held = worst_of(((seen.reading, fastest_of(seen)) for seen in forecasts), now_ms, reserve_ppm=reserve_ppm)
    if held is not None:
        minutes = -(-(held.until_ms - now_ms) // 60_000)
        return Safety(
            answer=Answer.NO,
            reason=f"the {held.window} window is used faster than it lasts: background work waits"
            f" another {minutes} min",
        )
    return safe_to_start(forecasts, job_ms=job_ms, now_ms=now_ms)
