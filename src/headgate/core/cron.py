"""Cron expressions of five fields: when is the next time? (spec 1.21: minute, hour, day, month, weekday)

Knows: `*`, lists, ranges, steps, names of months and weekdays, 7 for Sunday; a day matches either of two
restricted day fields, as cron has it. Refuses to know: clocks. Invariants: nothing but `CronInvalid` is
raised; an hour that a zone skips does not happen, one that it repeats happens once.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

MAX_CHARS = 100
_HORIZON_DAYS = 8 * 366
"""The 29th of February comes at least every eight years."""
_MONTHS = {
    name: str(n) for n, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_WEEKDAYS = {name: str(n) for n, name in enumerate("sun mon tue wed thu fri sat".split())}
_PART = re.compile(r"(\*|[0-9]{1,2}(?:-[0-9]{1,2})?)(?:/([0-9]{1,3}))?")
_FIELDS: tuple[tuple[str, int, int, dict[str, str]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _WEEKDAYS),
)


class CronInvalid(ValueError):
    """The message says which field, and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 = Sunday ... 6."""
    is_either_day: bool
    """Both day fields are restricted: one of them suffices."""

    def next_after(self, moment: datetime, zone: tzinfo) -> datetime:
        """The first time after an aware instant, in UTC."""
        day = moment.astimezone(zone).date()
        for _ in range(_HORIZON_DAYS):
            if self._has_day(day.day, day.month, (day.weekday() + 1) % 7):
                for hour in self.hours:
                    for minute in self.minutes:
                        local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                        found = local.astimezone(UTC)
                        happens = found.astimezone(zone).hour == hour
                        if happens and found > moment:
                            return found
            day += timedelta(days=1)
        raise CronInvalid("the expression names a day that never comes")

    def _has_day(self, day: int, month: int, weekday: int) -> bool:
        if month not in self.months:
            return False
        by_day, by_weekday = day in self.days, weekday in self.weekdays
        return by_day or by_weekday if self.is_either_day else by_day and by_weekday


def parse_cron(text: str) -> Cron:
    """Raises `CronInvalid`."""
    if len(text) > MAX_CHARS:
        raise CronInvalid(f"the expression is longer than {MAX_CHARS} characters")
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise CronInvalid("the expression needs five fields: minute hour day month weekday")
    values = [_values(field, *known) for field, known in zip(fields, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = values
    cron = Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(value % 7 for value in weekdays),
        is_either_day=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )
    cron.next_after(datetime(2000, 1, 1, tzinfo=UTC), UTC)  # there is such a day at all
    return cron


def _values(text: str, name: str, lowest: int, highest: int, words: dict[str, str]) -> set[int]:
    found: set[int] = set()
    for given in text.lower().split(","):
        part = re.sub(r"[a-z]{3}", lambda match: words.get(match[0], match[0]), given)
        match = _PART.fullmatch(part)
        if match is None:
            raise CronInvalid(f"{name}: {given[:20]!r} is no `*`, number, range or step")
        first, last = _range(match[1], lowest, highest)
        step = int(match[2] or 1)
        if match[2] and "-" not in match[1] and match[1] != "*":
            last = highest
        if not (lowest <= first <= last <= highest and step > 0):
            raise CronInvalid(f"{name}: {given[:20]!r} is not within {lowest} to {highest}")
        found.update(range(first, last + 1, step))
    return found


def _range(text: str, lowest: int, highest: int) -> tuple[int, int]:
    if text == "*":
        return lowest, highest
    first, _, last = text.partition("-")
    return int(first), int(last or first)
