"""Pacing by priority class: whose work can wait uses a provider's quota window no faster than it lasts, so
that what is left is there for everybody else until it begins anew.

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
    TELLING_PPM,
    Answer,
    QuotaForecast,
    QuotaReading,
    Safety,
    safe_to_start,
)

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


def held_back(reading: QuotaReading, now_ms: int, *, reserve_ppm: int) -> HeldBack | None:
    """Why the background class must not draw on the window now. At any instant it may have been used for as
    much as the part of its time that is over, less `reserve_ppm` of that; None: it may be drawn on, is too
    young to tell, or refills within the hour."""
    if reading.length_ms < LONG_MS or not reading.starts_at_ms <= now_ms < reading.resets_at_ms:
        return None
    if now_ms - reading.starts_at_ms < LEAST_SPAN_MS or reading.used_ppm < TELLING_PPM:
        return None
    usable_ppm = max(1, FULL_PPM - reserve_ppm)
    even_at_ms = reading.starts_at_ms + reading.used_ppm * reading.length_ms // usable_ppm
    if even_at_ms <= now_ms and not reading.is_exhausted:
        return None
    until_ms = reading.resets_at_ms if reading.is_exhausted else min(even_at_ms, reading.resets_at_ms)
    return HeldBack(reading.window, reading.model, until_ms, reading.used_ppm)


def worst_of(readings: Iterable[QuotaReading], now_ms: int, *, reserve_ppm: int) -> HeldBack | None:
    """Of several windows the one that holds back longest."""
    found = [held for reading in readings if (held := held_back(reading, now_ms, reserve_ppm=reserve_ppm))]
    return max(found, key=lambda held: held.until_ms, default=None)


def safe_for_background(
    forecasts: list[QuotaForecast], *, job_ms: int, now_ms: int, reserve_ppm: int
) -> Safety:
    """Whether a long job of the background class may be started: the windows last, and none of them holds the
    class back."""
    held = worst_of((seen.reading for seen in forecasts), now_ms, reserve_ppm=reserve_ppm)
    if held is not None:
        minutes = -(-(held.until_ms - now_ms) // 60_000)
        return Safety(
            answer=Answer.NO,
            reason=f"the {held.window} window is used faster than it lasts: background work waits"
            f" another {minutes} min",
        )
    return safe_to_start(forecasts, job_ms=job_ms, now_ms=now_ms)
