"""Key windows start, end and count as spec 4.5 and 4.6 say."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.limits.windows import (
    HOUR_MS,
    account_windows,
    is_over,
    window_start,
)
from headgate.core.world import AccountQuota

NOW = int(datetime(2026, 3, 10, 17, 45, tzinfo=UTC).timestamp() * 1000)
ZONES = ["Europe/Berlin", "America/Havana", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Shanghai"]
MIDNIGHT = int(datetime(2026, 3, 10, tzinfo=UTC).timestamp() * 1000)


def test_a_five_hour_window_starts_with_the_request() -> None:
    assert window_start("5h", NOW) == NOW


@pytest.mark.parametrize("name", ["1d", "7d"])
def test_longer_windows_start_with_the_day(name: str) -> None:
    assert window_start(name, NOW) == MIDNIGHT


def test_the_day_is_that_of_the_operators_time_zone() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert window_start("1d", NOW, tokyo) == int(datetime(2026, 3, 11, tzinfo=tokyo).timestamp() * 1000)


@given(now=st.integers(1_735_689_600_000, 1_767_225_600_000), zone=st.sampled_from(ZONES))
def test_a_day_that_begins_is_running_whatever_clocks_do(now: int, zone: str) -> None:
    start = window_start("1d", now, ZoneInfo(zone))
    assert start <= now < start + 24 * HOUR_MS


@pytest.mark.parametrize(
    ("begun", "over"),
    [(0, False), (-5 * HOUR_MS + 1, False), (-5 * HOUR_MS, True), (HOUR_MS, False), (6 * HOUR_MS, True)],
)
def test_a_window_is_over_after_its_length_or_when_a_clock_ran_far_ahead(begun: int, over: bool) -> None:
    assert is_over(NOW + begun, 5 * HOUR_MS, NOW) is over


def _utc(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]


def _daily(hour: int, zone: str, now_ms: int) -> tuple[int, int]:
    quota = AccountQuota(daily_is_fixed=True, daily_hour=hour, timezone=zone)
    return account_windows(quota, now_ms)[:2]


def _weekly(day: int, hour: int, zone: str, now_ms: int) -> tuple[int, int]:
    quota = AccountQuota(weekly_is_fixed=True, weekly_day=day, weekly_hour=hour, timezone=zone)
    return account_windows(quota, now_ms)[2:]


def test_rolling_account_windows_last_a_day_and_a_week_from_now() -> None:
    assert account_windows(AccountQuota(), NOW) == (NOW, NOW + 24 * HOUR_MS, NOW, NOW + 168 * HOUR_MS)


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ((2026, 3, 10, 7, 59, 59), (2026, 3, 9, 8), (2026, 3, 10, 8)),
        ((2026, 3, 10, 8), (2026, 3, 10, 8), (2026, 3, 11, 8)),  # at the very moment the next one begins
        ((2026, 3, 28, 9), (2026, 3, 28, 8), (2026, 3, 29, 7)),  # 23 hours: the clocks are put on at night
        ((2026, 10, 24, 9), (2026, 10, 24, 7), (2026, 10, 25, 8)),  # 25 hours
    ],
)
def test_a_fixed_day_resets_at_its_hour_on_the_wall(
    now: tuple[int, ...], start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    assert _daily(9, "Europe/Berlin", _utc(*now)) == (_utc(*start), _utc(*end))


def test_an_hour_that_the_clocks_skip_happens_when_they_are_put_on() -> None:
    # 2026-03-29 in Berlin has no 02:00: from 01:59:59 CET it goes to 03:00 CEST, at 01:00 UTC.
    assert _daily(2, "Europe/Berlin", _utc(2026, 3, 29, 0, 30)) == (
        _utc(2026, 3, 28, 1),
        _utc(2026, 3, 29, 1),
    )
    assert _daily(2, "Europe/Berlin", _utc(2026, 3, 29, 1)) == (_utc(2026, 3, 29, 1), _utc(2026, 3, 30, 0))


def test_an_hour_that_comes_twice_happens_the_first_time() -> None:
    # 2026-10-25 in Berlin has 02:00 at 00:00 UTC and again at 01:00 UTC.
    for now in ((2026, 10, 25, 0), (2026, 10, 25, 0, 59), (2026, 10, 25, 1, 30)):
        assert _daily(2, "Europe/Berlin", _utc(*now)) == (_utc(2026, 10, 25, 0), _utc(2026, 10, 26, 1))


@pytest.mark.parametrize(
    ("day", "now", "start", "end"),
    [
        (1, (2026, 3, 10, 12), (2026, 3, 9, 4), (2026, 3, 16, 4)),  # Monday; the 10th is a Tuesday
        (0, (2026, 3, 10, 12), (2026, 3, 8, 5), (2026, 3, 15, 4)),  # Sunday, when the clocks were put on
        (
            2,
            (2026, 3, 10, 3),
            (2026, 3, 3, 5),
            (2026, 3, 10, 4),
        ),  # today, later
        (6, (2026, 3, 7, 12), (2026, 3, 7, 5), (2026, 3, 14, 4)),  # Saturday, across the change
    ],
)
def test_a_fixed_week_resets_on_its_weekday(
    day: int, now: tuple[int, ...], start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    assert _weekly(day, 0, "America/New_York", _utc(*now)) == (_utc(*start), _utc(*end))


@pytest.mark.parametrize("zone", ["Middle/Earth", "", "../../etc/passwd", "UTC\0"])
def test_an_unknown_time_zone_is_utc(zone: str) -> None:
    assert _daily(9, zone, _utc(2026, 3, 10, 12)) == (_utc(2026, 3, 10, 9), _utc(2026, 3, 11, 9))


@given(
    now=st.integers(_utc(2020, 1, 1), _utc(2040, 1, 1)),
    zone=st.sampled_from(
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
    ),
    hour=st.integers(0, 23),
    day=st.integers(0, 6),
)
def test_fixed_windows_always_hold_now_and_have_the_right_length(
    now: int, zone: str, hour: int, day: int
) -> None:
    for (start, end), hours in ((_daily(hour, zone, now), 24), (_weekly(day, hour, zone, now), 168)):
        assert start <= now < end
        assert abs(end - start - hours * HOUR_MS) <= HOUR_MS
