"""Every vendor's notation of "come back then"."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.dialects.reset_times import (
    FURTHEST_MS,
    duration_ms,
    future,
    instant_ms,
    next_pacific_midnight_ms,
    number,
    reset_ms,
    retry_after,
    retry_after_s,
    unusable_resets,
)

NOW = 1_750_000_000_000
LOS_ANGELES = ZoneInfo("America/Los_Angeles")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("1750000060", NOW + 60_000),
        ("1750000060000", NOW + 60_000),
        ("1750000060.5", NOW + 60_500),
        ("2025-06-15T15:07:40Z", NOW + 60_000),
        ("2025-06-15T17:07:40+02:00", NOW + 60_000),
        ("2025-06-15T15:07:40", NOW + 60_000),
        ("soon", None),
        ("2025-13-45T00:00:00Z", None),
        ("-5", None),
        ("1" * 40, None),
    ],
)
def test_instants(value: str | None, expected: int | None) -> None:
    assert instant_ms(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("6m0s", 360_000),
        ("1.5s", 1500),
        ("20ms", 20),
        ("1h2m3s", 3_723_000),
        ("1d", 86_400_000),
        ("34.074824224s", 34_074),
        ("5", None),
        ("", None),
        ("1s bad", None),
    ],
)
def test_durations(value: str | None, expected: int | None) -> None:
    assert duration_ms(value) == expected


def test_retry_after_in_all_forms() -> None:
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}, NOW) == (NOW + 1500, "retry-after-ms")
    assert retry_after({"retry-after": "9"}, NOW) == (NOW + 9000, "retry-after")
    assert retry_after({"retry-after": "Sun, 15 Jun 2025 15:07:40 GMT"}, NOW) == (NOW + 60_000, "retry-after")
    assert retry_after({"retry-after": "later"}, NOW) is None
    assert retry_after({}, NOW) is None


def test_retry_after_seconds_are_rounded_up() -> None:
    assert retry_after_s({"retry-after": "1.2"}) == 2
    assert retry_after_s({"retry-after": "Sun, 15 Jun 2025 15:07:40 GMT"}) is None


def test_past_and_absurd_instants_are_no_instants() -> None:
    assert future(None, NOW) is None
    assert future(NOW, NOW) is None
    assert future(NOW + FURTHEST_MS + 1, NOW) is None
    assert future(NOW + 1, NOW) == NOW + 1


@given(st.text(max_size=30))
def test_no_text_raises(value: str) -> None:
    number(value)
    instant_ms(value)
    duration_ms(value)
    retry_after({"retry-after": value}, NOW)


@given(st.integers(1_262_304_000, 2_840_140_800))
def test_pacific_midnight_agrees_with_the_time_zone_database(second: int) -> None:
    check_midnight(datetime.fromtimestamp(second, UTC))


def check_midnight(utc: datetime) -> None:
    day = utc.astimezone(LOS_ANGELES).date() + timedelta(days=1)
    expected = datetime(day.year, day.month, day.day, tzinfo=LOS_ANGELES)
    assert next_pacific_midnight_ms(int(utc.timestamp() * 1000)) == int(expected.timestamp() * 1000)


@pytest.mark.parametrize(
    "moment",
    [
        "2026-03-08T09:59:59",
        "2026-03-08T10:00:00",
        "2026-11-01T06:59:59",
        "2026-11-01T08:59:59",
        "2026-11-01T09:00:00",
        "2026-11-02T08:00:00",
    ],
)
def test_pacific_midnight_around_the_change_of_the_clocks(moment: str) -> None:
    check_midnight(datetime.fromisoformat(moment + "Z"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("6m0s", NOW + 360_000),
        ("20ms", NOW + 20),
        ("60", NOW + 60_000),
        ("1750000060", NOW + 60_000),
        ("1750000060000", NOW + 60_000),
        ("2025-06-15T15:07:40Z", NOW + 60_000),
        ("soon", None),
        ("-5", None),
        (None, None),
    ],
)
def test_a_reset_is_read_in_whatever_unit_it_comes(value: str | None, expected: int | None) -> None:
    assert reset_ms(value, NOW) == expected


def test_headers_that_say_nothing_usable_are_named() -> None:
    headers = {
        "retry-after": "soon",
        "retry-after-ms": "1500",
        "anthropic-ratelimit-unified-5h-reset": str(NOW // 1000 - 1),
        "anthropic-ratelimit-unified-7d-reset": "99999999999999",
        "x-ratelimit-reset-tokens": "",
        "x-ratelimit-reset-requests": "1s",
        "x-codex-primary-reset-after-seconds": "NaN",
        "anthropic-ratelimit-tokens-remaining": "no reset at all",
    }
    assert unusable_resets(headers, NOW) == (
        "retry-after",
        "anthropic-ratelimit-unified-7d-reset",
        "x-ratelimit-reset-tokens",
        "x-codex-primary-reset-after-seconds",
    )


@given(st.text(max_size=40))
def test_no_text_in_a_reset_header_hurts(text: str) -> None:
    reset_ms(text, NOW)
    unusable_resets({"retry-after": text, "x-ratelimit-reset-tokens": text}, NOW)
