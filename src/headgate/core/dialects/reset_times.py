"""When a provider says "come back then": the notations of all vendors, as milliseconds since 1970.

Knows: notations. Refuses to know: which header or field holds one (each dialect). Invariants: nothing raises;
an instant in the past, or further away than any provider's window, is no instant.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

FURTHEST_MS = 32 * 24 * 3600 * 1000
_MS_FROM = 100_000_000_000
"""Unix seconds reach this in the year 5138; smaller numbers are seconds, larger ones milliseconds."""
_NUMBER = re.compile(r"\d{1,16}(\.\d{1,9})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]")
_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|d|h|m|s))+")
_DURATION_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|d|h|m|s)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def future(instant_ms: int | None, now_ms: int) -> int | None:
    """The instant if it lies ahead and is plausible."""
    return instant_ms if instant_ms is not None and now_ms < instant_ms <= now_ms + FURTHEST_MS else None


def number(value: str | None) -> float | None:
    """A plain non-negative decimal number."""
    text = value.strip() if value is not None else ""
    return float(text) if _NUMBER.fullmatch(text) else None


def instant_ms(value: str | None) -> int | None:
    """Unix seconds, unix milliseconds, or RFC 3339."""
    if value is None:
        return None
    if (stamp := number(value)) is not None:
        return int(stamp if stamp >= _MS_FROM else stamp * 1000)
    if not _DATE.match(value.strip()):
        return None
    try:
        parsed = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return _to_ms(parsed)


def reset_ms(value: str | None, now_ms: int) -> int | None:
    """The instant of a reset header, whatever its unit: an instant (see `instant_ms`), a duration in Go's
    notation, or a small number, which can only be seconds from now."""
    if (delay := duration_ms(value)) is not None:
        return now_ms + delay
    seconds = number(value)
    if seconds is not None and seconds * 1000 <= FURTHEST_MS:
        return now_ms + int(seconds * 1000)
    return instant_ms(value)


_RESET_NAME = re.compile(r"retry-after(?:-ms)?|(?:anthropic-|x-)ratelimit-.*reset.*|x-codex-.*reset.*")
_RESET_MEMBER = re.compile(
    rb'"(resets_at|resets_in_seconds|retryDelay|quotaResetDelay)"\s*:\s*"?([^",}\s]{1,40})'
)
_READ_BYTES = 64 * 1024
_NOTED_RESETS = 8


def unusable_resets(headers: Mapping[str, str], now_ms: int) -> tuple[str, ...]:
    """Names of reset headers that say nothing usable: no notation we know, or further away than any window.
    One whose instant has just passed is in order."""
    found = []
    for name, value in headers.items():
        if _RESET_NAME.fullmatch(name) is None:
            continue
        if name.startswith("retry-after"):
            known = retry_after({name: value}, now_ms)
            instant = None if known is None else known[0]
        else:
            instant = reset_ms(value, now_ms)
        if instant is None or instant > now_ms + FURTHEST_MS:
            found.append(name)
    return tuple(found[:_NOTED_RESETS])


def unusable_body_resets(body: bytes, now_ms: int) -> tuple[str, ...]:
    """The same for the members of an error body, whatever the vendor."""
    found = []
    for name, value in _RESET_MEMBER.findall(body[:_READ_BYTES]):
        instant = reset_ms(value.decode("ascii", "replace"), now_ms)
        if instant is None or instant > now_ms + FURTHEST_MS:
            found.append(f"body.{name.decode()}")
    return tuple(found[:_NOTED_RESETS])


def duration_ms(value: str | None) -> int | None:
    """`6m0s`, `1.5s`, `20ms`, `1h2m3s` (Go notation, used by OpenAI and Google)."""
    if value is None or not _DURATION.fullmatch(value.strip()):
        return None
    return int(sum(float(amount) * _UNIT_MS[unit] for amount, unit in _DURATION_PART.findall(value)))


def retry_after_s(headers: Mapping[str, str]) -> int | None:
    """The delay of `retry-after` in whole seconds (rounded up), where it is a number that can be meant: one
    beyond any provider's window is none, neither for the account nor for the client."""
    seconds = number(headers.get("retry-after"))
    return None if seconds is None or seconds * 1000 > FURTHEST_MS else int(-(-seconds // 1))


def retry_after(headers: Mapping[str, str], now_ms: int) -> tuple[int, str] | None:
    """The instant of `retry-after-ms` or `retry-after` (seconds, or an HTTP date: RFC 9110, 10.2.3), and
    which it was."""
    if (delay := number(headers.get("retry-after-ms"))) is not None:
        return now_ms + int(delay), "retry-after-ms"
    value = headers.get("retry-after")
    if value is None:
        return None
    if (seconds := number(value)) is not None:
        return now_ms + int(seconds * 1000), "retry-after"
    try:
        return _to_ms(parsedate_to_datetime(value)), "retry-after"
    except ValueError:
        return None


def next_pacific_midnight_ms(now_ms: int) -> int:
    """When Google's daily quotas start anew: the next midnight in Los Angeles.

    Daylight saving by the rule in force since 2007 (second Sunday of March to first Sunday of November): a
    rule needs no time zone database, which slim machines lack. Midnight is never inside the changed hour."""
    utc = datetime.fromtimestamp(now_ms / 1000, UTC).replace(tzinfo=None)
    day = utc - timedelta(hours=7 if _is_pacific_summer(utc) else 8)
    midnight = (day + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    offset = timedelta(hours=7 if _is_pacific_summer(midnight + timedelta(hours=8)) else 8)
    return _to_ms((midnight + offset).replace(tzinfo=UTC))


def _is_pacific_summer(utc: datetime) -> bool:
    begins = _sunday(utc.year, 3, 2) + timedelta(hours=10)  # 2 a.m. standard time
    ends = _sunday(utc.year, 11, 1) + timedelta(hours=9)  # 2 a.m. daylight time
    return begins <= utc < ends


def _sunday(year: int, month: int, nth: int) -> datetime:
    first = datetime(year, month, 1)  # noqa: DTZ001 - calendar arithmetic in UTC throughout
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (nth - 1))


def _to_ms(moment: datetime) -> int:
    """Without a zone: UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)
