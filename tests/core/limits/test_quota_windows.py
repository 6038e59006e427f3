"""Forecasts of provider quota windows: never more certain than the readings."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.limits.quota_windows import (
    FULL_PPM,
    Answer,
    Outlook,
    QuotaReading,
    current,
    forecast,
    is_news,
    safe_to_start,
    shortfall_ppm,
)

HOUR = 3_600_000
START = 1_800_000_000_000
RESET = START + 5 * HOUR


def at(minutes: float, percent: float, *, resets_at_ms: int = RESET, **more: object) -> QuotaReading:
    reading = {
        "window": "5h",
        "at_ms": START + round(minutes * 60_000),
        "used_ppm": round(percent * 10_000),
        "resets_at_ms": resets_at_ms,
        "length_ms": 5 * HOUR,
    }
    return QuotaReading(**(reading | more))  # type: ignore[arg-type]


def steady(percent_per_hour: float, minutes: int) -> list[QuotaReading]:
    """One reading a minute, in whole hundredths as providers report them."""
    return [at(minute, int(minute * percent_per_hour / 60)) for minute in range(minutes + 1)]


def test_a_steady_pace_that_does_not_last_is_foretold_with_its_interval() -> None:
    readings = steady(40, 60)
    seen = forecast(readings, readings[-1].at_ms)
    assert seen.outlook is Outlook.WILL_EXHAUST
    assert 360_000 < seen.burn_ppm_per_hour < 440_000
    truth = START + 2.5 * HOUR
    assert seen.earliest_ms is not None
    assert seen.exhausted_at_ms is not None
    assert seen.latest_ms is not None
    assert seen.earliest_ms < truth < seen.latest_ms < RESET
    assert abs(seen.exhausted_at_ms - truth) < 0.2 * HOUR


def test_a_steady_pace_that_lasts_is_safe_for_a_long_job() -> None:
    readings = steady(10, 120)
    seen = forecast(readings, readings[-1].at_ms)
    assert (seen.outlook, seen.exhausted_at_ms, seen.earliest_ms) == (Outlook.LASTS, None, None)
    told = safe_to_start([seen], job_ms=4 * HOUR, now_ms=readings[-1].at_ms)
    assert told.answer is Answer.YES


def test_one_reading_allows_for_twice_the_average_pace() -> None:
    seen = forecast([at(60, 30)], START + HOUR)
    assert (seen.outlook, seen.latest_ms) == (Outlook.MAY_EXHAUST, None)
    assert seen.burn_low_ppm_per_hour == 0
    assert seen.burn_high_ppm_per_hour == 2 * seen.burn_ppm_per_hour == 600_000
    assert safe_to_start([seen], job_ms=2 * HOUR, now_ms=START + HOUR).answer is Answer.NO
    assert safe_to_start([seen], job_ms=HOUR // 2, now_ms=START + HOUR).answer is Answer.YES


def test_a_burst_widens_the_interval() -> None:
    calm, burst = steady(12, 60), [at(m, 0 if m < 50 else (m - 50) * 1.2) for m in range(61)]
    quiet, wild = forecast(calm, START + HOUR), forecast(burst, START + HOUR)
    assert quiet.burn_ppm_per_hour < quiet.burn_high_ppm_per_hour < wild.burn_high_ppm_per_hour
    assert wild.burn_low_ppm_per_hour == 0


def test_a_used_up_window_is_no_and_an_old_reading_is_unknown() -> None:
    full = forecast([at(60, 100)], START + HOUR)
    assert full.outlook is Outlook.EXHAUSTED
    assert safe_to_start([full], job_ms=60_000, now_ms=START + HOUR).answer is Answer.NO
    old = forecast([at(60, 1)], START + 2 * HOUR)
    assert old.is_stale
    assert safe_to_start([old], job_ms=60_000, now_ms=START + 2 * HOUR).answer is Answer.UNKNOWN
    assert safe_to_start([], job_ms=60_000, now_ms=START).answer is Answer.UNKNOWN


def test_windows_that_are_over_and_their_earlier_rounds_are_left_out() -> None:
    before = at(0, 90, resets_at_ms=START + HOUR)
    now = at(90, 5, resets_at_ms=START + 6 * HOUR)
    week = at(10, 50, window="7d", resets_at_ms=START + 100 * HOUR)
    over = at(10, 50, window="7d_opus", resets_at_ms=START + 10)
    found = current([week, before, now, over], START + 2 * HOUR)
    assert found == {("5h", ""): [now], ("7d", ""): [week]}


def test_only_what_moved_is_news() -> None:
    assert is_news(None, at(0, 1))
    assert not is_news(at(0, 1), at(1, 1))
    assert not is_news(at(0, 1), at(1, 1, resets_at_ms=RESET + 900))
    assert is_news(at(0, 1), at(1, 2))
    assert is_news(at(0, 1), at(1, 1, is_rejected=True))
    assert is_news(at(0, 1), at(1, 1, resets_at_ms=RESET + HOUR))
    assert is_news(at(0, 1), at(11, 1))


@given(st.lists(st.tuples(st.integers(0, 299), st.integers(0, 200)), min_size=1, max_size=40))
def test_intervals_are_ordered_whatever_the_provider_says(points: list[tuple[int, int]]) -> None:
    readings = [at(minute, percent) for minute, percent in sorted(points)]
    seen = forecast(readings, readings[-1].at_ms)
    assert 0 <= seen.burn_low_ppm_per_hour <= seen.burn_ppm_per_hour <= seen.burn_high_ppm_per_hour
    ends = [end for end in (seen.earliest_ms, seen.exhausted_at_ms, seen.latest_ms) if end is not None]
    assert ends == sorted(ends)
    assert all(readings[-1].at_ms <= end < RESET for end in ends)
    assert (seen.outlook is Outlook.EXHAUSTED) == (readings[-1].used_ppm >= FULL_PPM)


def test_a_shortfall_is_the_part_of_the_remaining_time_for_which_nothing_is_left() -> None:
    two_hours = START + 2 * HOUR
    assert shortfall_ppm(at(120, 80), two_hours) == 5 * FULL_PPM // 6  # lasts half of the last three hours
    assert shortfall_ppm(at(120, 40), two_hours) == 0
    assert shortfall_ppm(at(120, 100), two_hours) == FULL_PPM
    assert shortfall_ppm(at(120, 100), RESET) == 0
    assert shortfall_ppm(at(1, 9), START + 60_000) == 0, "too young to tell"
    assert shortfall_ppm(at(0.5, 99, length_ms=60_000, resets_at_ms=START + 60_000), START + 30_000) == 0


@given(percent=st.integers(0, 130), minutes=st.integers(0, 299), rejected=st.booleans())
def test_a_shortfall_is_a_share(percent: int, minutes: int, *, rejected: bool) -> None:
    reading = at(minutes, percent, is_rejected=rejected)
    assert 0 <= shortfall_ppm(reading, reading.at_ms) <= FULL_PPM


def test_a_window_counts_the_models_of_its_family() -> None:
    sonnet = at(1, 1, window="7d_sonnet")
    assert sonnet.counts("claude-sonnet-4-5")
    assert not sonnet.counts("claude-opus-4-5")
    assert at(1, 1).counts("anything")
    assert not at(1, 1, model="m").counts("anything")
