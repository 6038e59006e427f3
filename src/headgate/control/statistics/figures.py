"""Sums of usage and how they fall into hours and days. Pure.

Invariant: a figure is a sum of records, never an estimate; amounts are nano-USD, durations milliseconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from headgate.control.usage.period import Span
from headgate.errors import BadRequest

Granularity = Literal["day", "hour"]
SLICE_MS = 900_000
"""A quarter of an hour: every time zone of the world begins its days and hours on one."""
MAX_POINTS = 24 * 93


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Over some records."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    list_cost: int = 0
    charge: int = 0
    account_cost: int = 0
    duration_ms: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens + self.cache_write_tokens + self.cache_read_tokens

    @property
    def cache_hit_rate(self) -> float:
        """Of what was read, how much came from a cache: 0 to 1; 0 of nothing (spec 8.1)."""
        read = self.input_tokens + self.cache_read_tokens
        return self.cache_read_tokens / read if read else 0.0

    @property
    def mean_duration_ms(self) -> float:
        return self.duration_ms / self.requests if self.requests else 0.0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in NAMES})


NAMES: tuple[str, ...] = tuple(field.name for field in fields(Figures))
NONE = Figures()


class CacheFigures(NamedTuple):
    """What caches did for some records; amounts are nano-USD at list prices."""

    name: Any
    """What the records have in common: an account's or group's id, a model, a cause."""
    requests: int
    moved: int
    """Answered by another account than the conversation's own."""
    input_tokens: int
    read_tokens: int
    written_tokens: int
    saved: int
    lost: int

    @property
    def hit_rate(self) -> float:
        """Of the prompts' tokens, how many came from a cache: 0 to 1; 0 of nothing."""
        prompts = self.input_tokens + self.read_tokens + self.written_tokens
        return self.read_tokens / prompts if prompts else 0.0


def label(at_ms: int, granularity: Granularity, where: ZoneInfo) -> str:
    """How a point of a chart is called: `2026-03-01`, or `2026-03-01 14:00`."""
    at = datetime.fromtimestamp(at_ms / 1000, tz=where)
    return at.strftime("%Y-%m-%d" if granularity == "day" else "%Y-%m-%d %H:00")


def labels(span: Span, granularity: Granularity, where: ZoneInfo, *, now_ms: int) -> list[str]:
    """All points from the span's start to its end, or to now: a chart has no holes. Raises INVALID_INPUT for
    more points than anybody can draw."""
    start = span.from_ms or 0
    end = min(now_ms + 1, span.until_ms if span.until_ms is not None else now_ms + 1)
    step_ms = SLICE_MS if granularity == "hour" else 4 * SLICE_MS
    if (end - start) // (3_600_000 if granularity == "hour" else 86_400_000) > MAX_POINTS:
        raise BadRequest(f"a trend has at most {MAX_POINTS} points; narrow the dates or take days")
    return list(dict.fromkeys(label(at, granularity, where) for at in range(start, end, step_ms)))


def folded(
    slices: Mapping[int, Figures], granularity: Granularity, where: ZoneInfo, points: Iterable[str]
) -> dict[str, Figures]:
    """Quarter-hours (by their number since 1970) added up to the points of a chart."""
    sums = dict.fromkeys(points, NONE)
    for number, figures in slices.items():
        name = label(number * SLICE_MS, granularity, where)
        sums[name] = sums.get(name, NONE) + figures
    return sums


def last_days(days: int, where: ZoneInfo, *, now_ms: int) -> Span:
    """Today and the days before it, from a midnight on."""
    first = datetime.fromtimestamp(now_ms / 1000, tz=where).date() - timedelta(days=days - 1)
    midnight = datetime(first.year, first.month, first.day, tzinfo=where)
    return Span(round(midnight.astimezone(UTC).timestamp() * 1000), None)


def dates_of(span: Span, where: ZoneInfo, *, now_ms: int) -> tuple[str, str]:
    """First and last day of a span, as the answer repeats them."""
    end = span.until_ms if span.until_ms is not None else now_ms + 1
    return label(span.from_ms or 0, "day", where), label(max(0, end - 1), "day", where)
