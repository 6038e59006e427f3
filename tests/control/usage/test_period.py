"""Days and periods in time zones."""

from zoneinfo import ZoneInfo

import pytest

from headgate.control.usage.period import Span, span_of_dates, span_of_period
from headgate.errors import BadRequest

BERLIN, UTC = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
HOUR_MS = 3_600_000
NOW_MS = 1_750_000_000_000  # Sunday, 2025-06-15T15:06:40Z


def test_a_day_of_a_clock_change_has_its_own_length():
    spring = span_of_dates("2025-03-30", "2025-03-30", BERLIN)
    autumn = span_of_dates("2025-10-26", "2025-10-26", BERLIN)
    for span, hours in ((spring, 23), (autumn, 25)):
        assert span.from_ms is not None
        assert span.until_ms == span.from_ms + hours * HOUR_MS


@pytest.mark.parametrize(("period", "days_ago"), [("today", 0), ("", 0), ("week", 6), ("month", 14)])
def test_periods_begin_at_midnight(period, days_ago):
    midnight = NOW_MS - NOW_MS % (24 * HOUR_MS)
    assert span_of_period(period, UTC, now_ms=NOW_MS) == Span(midnight - days_ago * 24 * HOUR_MS, None)


def test_an_open_span_is_closed_to_the_limit_and_a_long_one_refused():
    assert Span().within(31, now_ms=NOW_MS).from_ms == NOW_MS + 1 - 31 * 24 * HOUR_MS
    with pytest.raises(BadRequest):
        Span(0, None).within(31, now_ms=NOW_MS)
