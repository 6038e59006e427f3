"""Quota windows of accounts as their providers report them, and what they foretell (spec 3.7, 3.11).

Knows: readings (so much was used at that instant, the window starts anew then), burn rates, exhaustion with
an interval. Refuses to know: headers and vendors (core/dialects/quota_headers.py), stores, clocks.
Invariants: pure; shares are parts per million of the window, so 1,000,000 is used up; a forecast never claims
more than the readings say: few or coarse readings give a wide interval, none give none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import sqrt

import msgspec

FULL_PPM = 1_000_000
MAX_READINGS = 240
"""Kept of an account, over all its windows. Providers report hundredths: 100 changes fill a window."""
SAME_RESET_MS = 10 * 60_000
"""Two resets that differ by less are of one window: some providers say "in N seconds", rounded."""
_STEP_PPM = 10_000
"""Providers report whole hundredths."""
_HOUR_MS = 3_600_000
_BINS = 6
_SPREAD = 2.57
"""Student's t for 95 % and five degrees of freedom."""
LEAST_SPAN_MS = 5 * 60_000
LONG_MS = _HOUR_MS
"""Shorter windows are rates: they refill while a request waits."""
TELLING_PPM = 100_000
"""What is used of a window before its pace says anything."""
_STALE_MS = 30 * 60_000


class QuotaReading(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one answer said about one window."""

    window: str
    """5h, 7d, 7d_sonnet, 7d_opus, minute, day."""
    model: str = ""
    """Upstream model that alone is counted; empty: the whole account."""
    at_ms: int
    used_ppm: int
    """May exceed `FULL_PPM` where the provider sells beyond the window."""
    resets_at_ms: int
    length_ms: int
    is_rejected: bool = False
    """The provider refuses because of this window."""

    @property
    def is_exhausted(self) -> bool:
        return self.is_rejected or self.used_ppm >= FULL_PPM

    def counts(self, model: str) -> bool:
        """An upstream model draws on it: every one does, or it is the named one, or one of the window's
        family (`7d_sonnet`)."""
        return self.model == model if self.model else self.window.partition("_")[2] in model

    @property
    def starts_at_ms(self) -> int:
        return self.resets_at_ms - self.length_ms


class Outlook(StrEnum):
    EXHAUSTED = "exhausted"
    WILL_EXHAUST = "will_exhaust"
    """Before it resets, even at the slowest pace that the readings allow."""
    MAY_EXHAUST = "may_exhaust"
    LASTS = "lasts"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaForecast:
    reading: QuotaReading
    """The newest."""
    outlook: Outlook
    burn_ppm_per_hour: int
    burn_low_ppm_per_hour: int
    burn_high_ppm_per_hour: int
    exhausted_at_ms: int | None
    """At the present pace; None: not before the reset. Of the two bounds likewise (95 %)."""
    earliest_ms: int | None
    latest_ms: int | None
    is_measured: bool
    """The paces come from readings of late; else from the window's average so far."""
    is_stale: bool
    """The account has not answered for so long that others may have used what is shown as left."""


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """May a long job be started now?"""

    answer: Answer
    reason: str


def is_news(before: QuotaReading | None, reading: QuotaReading) -> bool:
    """Worth keeping: something moved, or the last word is old."""
    return (
        before is None
        or reading.used_ppm != before.used_ppm
        or reading.is_rejected != before.is_rejected
        or abs(reading.resets_at_ms - before.resets_at_ms) >= SAME_RESET_MS
        or reading.at_ms - before.at_ms >= SAME_RESET_MS
    )


def current(readings: Iterable[QuotaReading], now_ms: int) -> dict[tuple[str, str], list[QuotaReading]]:
    """Readings of each window that is still open, oldest first; those of its earlier rounds left out."""
    newest: dict[tuple[str, str], list[QuotaReading]] = {}
    for reading in sorted(readings, key=lambda reading: reading.at_ms, reverse=True):
        if reading.resets_at_ms <= now_ms:
            continue
        found = newest.setdefault((reading.window, reading.model), [])
        if not found or abs(found[0].resets_at_ms - reading.resets_at_ms) < SAME_RESET_MS:
            found.append(reading)
    return {key: found[::-1] for key, found in newest.items()}


def forecast(readings: Sequence[QuotaReading], now_ms: int) -> QuotaForecast:
    """Of one window; `readings` oldest first and at least one, as `current` gives them."""
    last = readings[-1]
    low, burn, high = _burn(readings)
    left = max(0, FULL_PPM - last.used_ppm)
    expected, earliest, latest = (_exhaustion(last, left, rate) for rate in (burn, high, low))
    if last.is_exhausted:
        outlook, expected, earliest, latest = Outlook.EXHAUSTED, last.at_ms, last.at_ms, last.at_ms
    elif latest is not None:
        outlook = Outlook.WILL_EXHAUST
    else:
        outlook = Outlook.LASTS if earliest is None else Outlook.MAY_EXHAUST
    return QuotaForecast(
        reading=last,
        outlook=outlook,
        burn_ppm_per_hour=round(burn * _HOUR_MS),
        burn_low_ppm_per_hour=round(low * _HOUR_MS),
        burn_high_ppm_per_hour=round(high * _HOUR_MS),
        exhausted_at_ms=expected,
        earliest_ms=earliest,
        latest_ms=latest,
        is_measured=_measured(readings) is not None,
        is_stale=now_ms - last.at_ms > _STALE_MS,
    )


def shortfall_ppm(reading: QuotaReading, now_ms: int) -> int:
    """For which part of the window's remaining time nothing will be left, at the average pace so far: what a
    request now takes from requests later. 0: it lasts, or is too young to tell."""
    elapsed, remaining = now_ms - reading.starts_at_ms, reading.resets_at_ms - now_ms
    if remaining <= 0 or reading.length_ms < LONG_MS:
        return 0
    if reading.is_exhausted:
        return FULL_PPM
    if elapsed < LEAST_SPAN_MS or reading.used_ppm < TELLING_PPM:
        return 0
    lasts_ms = (FULL_PPM - reading.used_ppm) * elapsed // reading.used_ppm
    return max(0, remaining - lasts_ms) * FULL_PPM // remaining


def safe_to_start(forecasts: Sequence[QuotaForecast], *, job_ms: int, now_ms: int) -> Safety:
    """Whether all windows last as long as the job, even at the fastest pace that the readings allow. A window
    that resets during the job counts until then."""
    if not forecasts:
        return Safety(answer=Answer.UNKNOWN, reason="the provider has not reported any open window")
    for seen in forecasts:
        if seen.outlook is Outlook.EXHAUSTED:
            return Safety(answer=Answer.NO, reason=f"the {_name(seen)} window is used up")
    for seen in forecasts:
        if seen.earliest_ms is not None and seen.earliest_ms < now_ms + job_ms:
            return Safety(answer=Answer.NO, reason=f"the {_name(seen)} window may be used up before the end")
    for seen in forecasts:
        if seen.is_stale:
            return Safety(answer=Answer.UNKNOWN, reason=f"what is known of the {_name(seen)} window is old")
    return Safety(answer=Answer.YES, reason="every window lasts longer, even at the fastest likely pace")


def _name(seen: QuotaForecast) -> str:
    reading = seen.reading
    return f"{reading.window} ({reading.model})" if reading.model else reading.window


def _exhaustion(last: QuotaReading, left_ppm: int, rate: float) -> int | None:
    if rate <= 0:
        return None
    at_ms = last.at_ms + round(left_ppm / rate)
    return at_ms if at_ms < last.resets_at_ms else None


def _burn(readings: Sequence[QuotaReading]) -> tuple[float, float, float]:
    """Slowest, likely and fastest pace in ppm per millisecond: of late, where there are readings enough; else
    the window's average so far, which may be twice as fast, or over."""
    last, recent = readings[-1], _measured(readings)
    if recent is None:
        average = last.used_ppm / max(last.at_ms - last.starts_at_ms, LEAST_SPAN_MS)
        return 0.0, average, 2 * average
    span_ms = last.at_ms - recent[0].at_ms
    rates = _binned(recent, span_ms)
    mean = sum(rates) / len(rates)
    deviation = sqrt(sum((rate - mean) ** 2 for rate in rates) / (len(rates) - 1))
    margin = _SPREAD * deviation / sqrt(len(rates)) + _STEP_PPM / span_ms
    return max(0.0, mean - margin), mean, mean + margin


def _measured(readings: Sequence[QuotaReading]) -> Sequence[QuotaReading] | None:
    """Those of late; None: too few, or over too short a time, to tell a pace."""
    last = readings[-1]
    horizon_ms = max(last.length_ms // 8, 3 * LEAST_SPAN_MS)
    recent = [reading for reading in readings if reading.at_ms >= last.at_ms - horizon_ms]
    is_enough = last.at_ms - recent[0].at_ms >= LEAST_SPAN_MS and len(recent) >= 3
    return recent if is_enough else None


def _binned(recent: Sequence[QuotaReading], span_ms: int) -> list[float]:
    """The pace in equal slices of time; what was used between two readings is spread over the time between
    them. Usage that a provider takes back counts as none."""
    first, width = recent[0].at_ms, span_ms / _BINS
    used = [0.0] * _BINS
    for before, after in pairwise(recent):
        gained = max(0, after.used_ppm - before.used_ppm)
        begins, ends = before.at_ms - first, after.at_ms - first
        for index in range(_BINS):
            overlap = min(ends, (index + 1) * width) - max(begins, index * width)
            if overlap > 0:
                used[index] += gained * overlap / (ends - begins)
    return [amount / width for amount in used]
