"""Figures fall into the hours and days of a time zone."""

from zoneinfo import ZoneInfo

import pytest

from headgate.control.statistics.figures import SLICE_MS, Figures, folded, labels
from headgate.control.usage.period import Span
from headgate.errors import BadRequest

NEW_YEAR_MS = 1_767_225_600_000  # 2026-01-01T00:00Z


@pytest.mark.parametrize(
    ("zone", "day"),
    [("UTC", "2026-01-01"), ("Asia/Kathmandu", "2026-01-01"), ("America/New_York", "2025-12-31")],
)
def test_a_day_begins_at_midnight_of_its_zone(zone, day):
    assert list(folded({NEW_YEAR_MS // SLICE_MS: Figures(requests=1)}, "day", ZoneInfo(zone), ())) == [day]


def test_a_quarter_to_midnight_in_kathmandu_is_still_the_day_before():
    quarter = NEW_YEAR_MS // SLICE_MS - 24  # 18:00Z = 23:45
    assert list(folded({quarter: Figures()}, "hour", ZoneInfo("Asia/Kathmandu"), ())) == ["2025-12-31 23:00"]


def test_a_chart_has_no_holes_and_an_end():
    span = Span(NEW_YEAR_MS, NEW_YEAR_MS + 3 * 86_400_000)
    assert labels(span, "day", ZoneInfo("UTC"), now_ms=NEW_YEAR_MS * 2) == [
        "2026-01-01", "2026-01-02", "2026-01-03",
    ]  # fmt: skip
    with pytest.raises(BadRequest):
        labels(Span(0, NEW_YEAR_MS), "hour", ZoneInfo("UTC"), now_ms=NEW_YEAR_MS)


def test_the_hit_rate_of_nothing_is_zero():
    assert Figures().cache_hit_rate == 0
    assert Figures(input_tokens=1, cache_read_tokens=3).cache_hit_rate == 0.75
