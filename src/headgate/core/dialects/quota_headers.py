"""What an answer's headers say about the quota windows of its account.

Knows: Anthropic's unified windows (utilization as a fraction, resets as instants), the ChatGPT windows of
Codex (percent, minutes, seconds or instants). Refuses to know: what follows. Gemini has no such headers; its
429 names a window that is used up (`refused_reading`). Invariants: nothing raises; a number that cannot be
meant is no reading, and its header is named; the common answer without such headers costs one look-up.

Sources: Anthropic's and OpenAI's own clients show these headers; `shared/clients`, spec 3.10 and 3.11.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from headgate.core.dialects.contract import CooldownHint
from headgate.core.dialects.reset_times import FURTHEST_MS, future, number, reset_ms
from headgate.core.limits.quota_windows import FULL_PPM, QuotaReading
from headgate.core.world import Provider

_HOUR_MS = 3_600_000
_FIVE_HOURS_MS, _WEEK_MS = 5 * _HOUR_MS, 7 * 24 * _HOUR_MS
_ANTHROPIC = {
    "5h": _FIVE_HOURS_MS,
    "7d": _WEEK_MS,
    "7d_sonnet": _WEEK_MS,
    "7d_opus": _WEEK_MS,
}
_CODEX = {"primary": _FIVE_HOURS_MS, "secondary": _WEEK_MS}
_MOST_FRACTION = 10.0
"""Ten times a window: no provider sells so far beyond it; a larger number is in another unit."""
_SLACK_MS = _HOUR_MS
"""Clocks differ; a reset that lies further ahead than its window is long is no instant."""
_SIGNS = {
    Provider.ANTHROPIC: (
        "anthropic-ratelimit-unified-5h-utilization",
        "anthropic-ratelimit-unified-7d-utilization",
    ),
    Provider.OPENAI: ("x-codex-primary-used-percent", "x-codex-secondary-used-percent"),
}
_GEMINI_DAY = re.compile("PerDay", re.IGNORECASE)


class Told(NamedTuple):
    """What the headers said."""

    readings: tuple[QuotaReading, ...]
    unusable: tuple[str, ...]
    """Names of headers that say nothing usable."""


NOTHING_TOLD = Told((), ())


def sign_of(provider: Provider, headers: Mapping[str, str]) -> tuple[str | None, ...] | None:
    """What must have changed for the rest to be worth reading; None: no window is reported."""
    names = _SIGNS.get(provider)
    if names is None:
        return None
    sign = tuple([headers.get(name) for name in names])
    return None if sign == (None, None) else sign


def says_open(headers: Mapping[str, str]) -> bool:
    """Anthropic let the request in, and says of every window that it is open (spec 3.10)."""
    statuses = [
        headers.get(f"anthropic-ratelimit-unified-{window}status", "").strip().lower()
        for window in ("5h-", "7d-", "")
    ]
    return statuses[0].startswith("allowed") and "rejected" not in statuses


def read_windows(provider: Provider, headers: Mapping[str, str], now_ms: int) -> Told:
    match provider:
        case Provider.ANTHROPIC:
            return _read_anthropic(headers, now_ms)
        case Provider.OPENAI:
            return _read_codex(headers, now_ms)
        case Provider.GEMINI:
            return NOTHING_TOLD


def refused_reading(hint: CooldownHint, body: bytes, *, model: str, now_ms: int) -> QuotaReading:
    """Gemini's refusal: one of the model's windows is used up until then."""
    is_day = _GEMINI_DAY.search(body[:65536].decode("utf-8", "replace")) is not None
    is_day = is_day or hint.until_ms - now_ms > _HOUR_MS
    return QuotaReading(
        window="day" if is_day else "minute",
        model=model,
        at_ms=now_ms,
        used_ppm=FULL_PPM,
        resets_at_ms=hint.until_ms,
        length_ms=24 * _HOUR_MS if is_day else 60_000,
        is_rejected=True,
    )


def _read_anthropic(headers: Mapping[str, str], now_ms: int) -> Told:
    readings, unusable = [], []
    for window, length_ms in _ANTHROPIC.items():
        prefix = f"anthropic-ratelimit-unified-{window}"
        used = headers.get(f"{prefix}-utilization")
        status = headers.get(f"{prefix}-status", "").strip().lower()
        if used is None and not status:
            continue
        share = number(used) if used is not None else None
        if used is not None and (share is None or share > _MOST_FRACTION):
            unusable.append(f"{prefix}-utilization")
            share = None
        until = _reset(headers.get(f"{prefix}-reset"), length_ms, now_ms)
        if until is None:
            unusable.append(f"{prefix}-reset")
        if until is None or (share is None and status != "rejected"):
            continue
        readings.append(
            QuotaReading(
                window=window,
                at_ms=now_ms,
                used_ppm=FULL_PPM if share is None else round(share * FULL_PPM),
                resets_at_ms=until,
                length_ms=length_ms,
                is_rejected=status == "rejected",
            )
        )
    return Told(tuple(readings), tuple(unusable))


def _read_codex(headers: Mapping[str, str], now_ms: int) -> Told:
    readings: dict[str, QuotaReading] = {}
    unusable = []
    for name, usual_ms in _CODEX.items():
        prefix = f"x-codex-{name}"
        used = headers.get(f"{prefix}-used-percent")
        if used is None:
            continue
        percent = number(used)
        if percent is None or percent > _MOST_FRACTION * 100:
            unusable.append(f"{prefix}-used-percent")
            continue
        length_ms = _length(headers.get(f"{prefix}-window-minutes"), usual_ms)
        after, at = f"{prefix}-reset-after-seconds", f"{prefix}-reset-at"
        until = _reset(headers.get(after), length_ms, now_ms) or _reset(headers.get(at), length_ms, now_ms)
        if until is None:
            unusable.append(after if after in headers else at)
            continue
        reading = QuotaReading(
            window="5h" if length_ms <= 12 * _HOUR_MS else "7d",
            at_ms=now_ms,
            used_ppm=round(percent * FULL_PPM / 100),
            resets_at_ms=until,
            length_ms=length_ms,
        )
        before = readings.get(reading.window)
        if before is None or before.used_ppm < reading.used_ppm:
            readings[reading.window] = reading
    return Told(tuple(readings.values()), tuple(unusable))


def _length(minutes: str | None, usual_ms: int) -> int:
    said = number(minutes)
    length_ms = 0 if said is None else int(said * 60_000)
    return length_ms if 0 < length_ms <= FURTHEST_MS else usual_ms


def _reset(value: str | None, length_ms: int, now_ms: int) -> int | None:
    until = future(reset_ms(value, now_ms), now_ms)
    return until if until is not None and until <= now_ms + length_ms + _SLACK_MS else None
