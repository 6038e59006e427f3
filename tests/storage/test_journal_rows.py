from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.limits.windows import HOUR_MS, window_start
from headgate.errors import StartupError
from headgate.storage.journal_rows import DayStart, text


def _ms(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]


def test_a_day_begins_at_midnight_utc() -> None:
    start = DayStart("UTC")
    assert start.of(_ms(2025, 6, 15, 23, 59, 59)) == _ms(2025, 6, 15)
    assert start.of(_ms(2025, 6, 16)) == _ms(2025, 6, 16)
    assert start.of(_ms(2025, 6, 15, 12)) == _ms(2025, 6, 15)


@pytest.mark.parametrize(
    ("moment", "begin"),
    [
        ((2025, 6, 15, 21, 59), (2025, 6, 14, 22)),
        ((2025, 6, 15, 22, 0), (2025, 6, 15, 22)),
        ((2025, 3, 30, 21, 59), (2025, 3, 29, 23)),  # the day that has 23 hours
        ((2025, 10, 26, 21, 59), (2025, 10, 25, 22)),  # the day that has 25
        ((2025, 10, 26, 22, 0), (2025, 10, 26, 22)),  # whose last hour is a day of its own
        ((2025, 10, 26, 23, 0), (2025, 10, 26, 23)),
    ],
)
def test_a_day_begins_at_midnight_of_the_operator(moment: tuple[int, ...], begin: tuple[int, ...]) -> None:
    assert DayStart("Europe/Berlin").of(_ms(*moment)) == _ms(*begin)


def test_where_midnight_comes_twice_the_day_begins_with_the_first() -> None:
    start = DayStart("America/Havana")
    for moment in ((2025, 11, 2, 5, 30), (2025, 11, 2, 4, 30), (2025, 11, 2, 12)):
        assert start.of(_ms(*moment)) == _ms(2025, 11, 2, 4)
        assert DayStart("America/Havana").of(_ms(*moment)) == _ms(2025, 11, 2, 4)


@given(
    moments=st.lists(st.integers(_ms(2025, 1, 1), _ms(2026, 1, 1)), min_size=1, max_size=5),
    zone=st.sampled_from(["Europe/Berlin", "America/Havana", "Africa/Cairo", "Australia/Lord_Howe"]),
)
def test_a_day_holds_the_moment_whatever_was_asked_before(moments: list[int], zone: str) -> None:
    start = DayStart(zone)
    for moment in moments:
        assert start.of(moment) == DayStart(zone).of(moment) == window_start("1d", moment, ZoneInfo(zone))
        assert start.of(moment) <= moment < start.of(moment) + 24 * HOUR_MS


def test_an_unknown_time_zone_stops_the_start_with_its_name() -> None:
    with pytest.raises(StartupError, match="Middle/Earth"):
        DayStart("Middle/Earth")


def test_ordinary_text_is_kept_as_it_is() -> None:
    given = "claude-cli/1.0 (extérieur, cli)"
    assert text(given, 512) is given


def test_text_is_cut_and_freed_from_what_cannot_be_stored() -> None:
    assert text("a\0b\ud800c" + "x" * 10, 6) == "a\ufffdb\ufffdcx"
