"""Key windows start, end and count as spec 4.5 and 4.6 say."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.limits.windows import HOUR_MS, WINDOW_LENGTHS_MS, WindowUsage, add_usage, window_start

NOW = int(datetime(2026, 3, 10, 17, 45, tzinfo=UTC).timestamp() * 1000)
MIDNIGHT = int(datetime(2026, 3, 10, tzinfo=UTC).timestamp() * 1000)


def test_a_five_hour_window_starts_with_the_request() -> None:
    assert window_start("5h", NOW) == NOW


@pytest.mark.parametrize("name", ["1d", "7d"])
def test_longer_windows_start_with_the_day(name: str) -> None:
    assert window_start(name, NOW) == MIDNIGHT


def test_the_day_is_that_of_the_operators_time_zone() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert window_start("1d", NOW, tokyo) == int(datetime(2026, 3, 11, tzinfo=tokyo).timestamp() * 1000)


def test_a_running_window_counts_and_says_when_it_ends() -> None:
    window = WindowUsage(length_ms=5 * HOUR_MS, started_at_ms=NOW - HOUR_MS, used_nano=7)
    assert window.effective_nano(NOW) == 7
    assert window.resets_at_ms(NOW) == NOW + 4 * HOUR_MS


@pytest.mark.parametrize("started", [None, NOW - 5 * HOUR_MS, NOW - 99 * HOUR_MS])
def test_an_ended_or_unopened_window_counts_nothing(started: int | None) -> None:
    window = WindowUsage(length_ms=5 * HOUR_MS, started_at_ms=started, used_nano=7)
    assert window.effective_nano(NOW) == 0
    assert window.resets_at_ms(NOW) is None


def test_a_charge_adds_to_the_running_window() -> None:
    window = WindowUsage(length_ms=5 * HOUR_MS, started_at_ms=NOW - 1, used_nano=7)
    assert add_usage("5h", window, 3, NOW) == WindowUsage(
        length_ms=5 * HOUR_MS, started_at_ms=NOW - 1, used_nano=10
    )


def test_a_charge_after_the_end_opens_a_new_window() -> None:
    window = WindowUsage(length_ms=24 * HOUR_MS, started_at_ms=MIDNIGHT - 24 * HOUR_MS, used_nano=7)
    assert add_usage("1d", window, 3, NOW) == WindowUsage(
        length_ms=24 * HOUR_MS, started_at_ms=MIDNIGHT, used_nano=3
    )


@given(name=st.sampled_from(sorted(WINDOW_LENGTHS_MS)), now=st.integers(NOW, NOW + 10**10))
def test_a_window_just_opened_is_running(name: str, now: int) -> None:
    fresh = WindowUsage(length_ms=WINDOW_LENGTHS_MS[name], started_at_ms=None)
    opened = add_usage(name, fresh, 5, now)
    assert opened.effective_nano(now) == 5
