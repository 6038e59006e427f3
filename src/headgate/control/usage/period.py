"""Which span of time a usage query means (spec 7.12, 8.7): dates are inclusive days of a time zone."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headgate.errors import BadRequest

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open, Unix milliseconds; None is open-ended."""

    from_ms: int | None = None
    until_ms: int | None = None

    def within(self, days: int, *, now_ms: int) -> "Span":
        """The same span, with a start at most `days` before its end. Raises INVALID_INPUT when it was asked
        longer."""
        end = self.until_ms if self.until_ms is not None else now_ms + 1
        if self.from_ms is None:
            return Span(end - days * _DAY_MS, self.until_ms)
        if end - self.from_ms > (days + 1) * _DAY_MS:  # a day of grace for changes of the clock
            raise BadRequest(
                f"the time range is longer than {days} days; narrow it or filter by user, key or account"
            )
        return self


def zone(name: str, default: str) -> ZoneInfo:
    """Raises INVALID_INPUT on a name that is no IANA time zone."""
    try:
        return ZoneInfo(name or default)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRequest("timezone must be an IANA name such as Europe/Berlin") from None


def span_of_dates(start: str, end: str, where: ZoneInfo) -> Span:
    """Whole days from `start` to `end`, both included; empty means open. Raises INVALID_INPUT."""
    from_ms = _midnight_ms(_day(start, "start_date"), where) if start else None
    until_ms = _midnight_ms(_day(end, "end_date") + timedelta(days=1), where) if end else None
    if from_ms is not None and until_ms is not None and until_ms <= from_ms:
        raise BadRequest("end_date is before start_date")
    return Span(from_ms, until_ms)


def span_of_period(period: str, where: ZoneInfo, *, now_ms: int) -> Span:
    """today, week (since Monday) or month (since the first), up to now. Raises INVALID_INPUT."""
    today = datetime.fromtimestamp(now_ms / 1000, tz=where).date()
    match period:
        case "today" | "":
            first = today
        case "week":
            first = today - timedelta(days=today.weekday())
        case "month":
            first = today.replace(day=1)
        case _:
            raise BadRequest("period must be today, week or month")
    return Span(_midnight_ms(first, where), None)


def _day(text: str, name: str) -> date:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a calendar day, no instant yet
    except ValueError:
        raise BadRequest(f"{name} must be YYYY-MM-DD") from None
    if not 2000 <= day.year <= 2100:
        raise BadRequest(f"{name} must lie between 2000 and 2100")
    return day


def _midnight_ms(day: date, where: ZoneInfo) -> int:
    return round(datetime.combine(day, time(), tzinfo=where).timestamp() * 1000)
