"""Pacing by priority class: what can wait uses no window faster than it lasts."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.limits.quota_pacing import fastest_of, held_back, safe_for_background, worst_of
from headgate.core.limits.quota_windows import Answer, QuotaReading, forecast

HOUR = 3_600_000
START = 1_800_000_000_000
RESET = START + 5 * HOUR
TENTH = 100_000


def at(minutes: float, percent: float, *, length_ms: int = 5 * HOUR, window: str = "5h") -> QuotaReading:
    return QuotaReading(
        window=window, at_ms=START + round(minutes * 60_000), used_ppm=round(percent * 10_000),
        resets_at_ms=START + length_ms, length_ms=length_ms,
    )  # fmt: skip


def test_use_above_the_line_waits_until_the_line_has_caught_up() -> None:
    reading = at(60, 36)  # a fifth of the time: 18 % are allowed beside the reserve
    held = held_back(reading, reading.at_ms, reserve_ppm=TENTH)
    assert held is not None
    assert held.until_ms == START + 2 * HOUR
    assert held_back(reading, held.until_ms - 1, reserve_ppm=TENTH) is not None
    assert held_back(reading, held.until_ms, reserve_ppm=TENTH) is None
    assert held_back(at(60, 18), START + HOUR, reserve_ppm=TENTH) is None


def test_without_a_reserve_the_line_is_what_lasts_until_the_reset() -> None:
    assert held_back(at(150, 50), START + 150 * 60_000, reserve_ppm=0) is None
    assert held_back(at(150, 51), START + 150 * 60_000, reserve_ppm=0) is not None


def test_the_last_tenth_is_never_for_background_work() -> None:
    held = held_back(at(290, 91), START + 290 * 60_000, reserve_ppm=TENTH)
    assert held is not None
    assert held.until_ms == RESET


def test_windows_that_are_young_short_or_over_hold_nobody_back() -> None:
    assert held_back(at(4, 50), START + 4 * 60_000, reserve_ppm=TENTH) is None
    assert held_back(at(60, 9), START + HOUR, reserve_ppm=TENTH) is None
    assert held_back(at(0.5, 99, length_ms=60_000), START + 30_000, reserve_ppm=TENTH) is None
    assert held_back(at(60, 90), RESET, reserve_ppm=TENTH) is None
    assert held_back(at(60, 90), START - 1, reserve_ppm=TENTH) is None, "the clock was set back"


def test_of_several_windows_the_longest_wait_counts() -> None:
    week = at(60, 40, length_ms=7 * 24 * HOUR, window="7d")
    held = worst_of([(at(60, 36), 0), (week, 0)], START + HOUR, reserve_ppm=TENTH)
    assert held is not None
    assert held.window == "7d"


def test_a_long_background_job_is_not_safe_where_its_class_is_held_back() -> None:
    readings = [at(minute, minute / 4) for minute in range(0, 121, 4)]  # 15 % an hour
    now = readings[-1].at_ms
    seen = [forecast(readings, now)]
    told = safe_for_background(seen, job_ms=HOUR // 2, now_ms=now, reserve_ppm=300_000)
    assert (told.answer, "background work waits another" in told.reason) == (Answer.NO, True)
    free = safe_for_background(seen, job_ms=HOUR // 2, now_ms=now, reserve_ppm=TENTH)
    assert free.answer is Answer.YES


def burst(per_minute: float) -> list[QuotaReading]:
    """Nothing for an hour, then a steady pace for half an hour."""
    return [at(60, 1), *(at(60 + minute, 1 + minute * per_minute) for minute in range(1, 31))]


def test_a_pace_of_late_that_the_window_would_not_survive_holds_back_below_the_line() -> None:
    readings = burst(0.6)  # 19 % after 90 minutes, where 27 % are allowed; but 36 % an hour of late
    last, now = readings[-1], readings[-1].at_ms
    assert held_back(last, now, reserve_ppm=TENTH) is None, "by the average alone"
    seen = forecast(readings, now)
    fastest = fastest_of(seen)
    assert fastest == seen.burn_high_ppm_per_hour > seen.burn_ppm_per_hour > 300_000
    held = held_back(last, now, reserve_ppm=TENTH, fastest_ppm_per_hour=fastest)
    assert held is not None
    assert held_back(last, held.until_ms, reserve_ppm=TENTH, fastest_ppm_per_hour=fastest) is None
    told = safe_for_background([seen], job_ms=60_000, now_ms=now, reserve_ppm=TENTH)
    assert told.answer is Answer.NO


def test_a_pace_that_the_window_survives_at_its_upper_bound_holds_nobody_back() -> None:
    readings = burst(0.35)  # 11.5 % after 90 minutes, 21 % an hour of late: 78.5 % last for 3.7 hours
    seen = forecast(readings, readings[-1].at_ms)
    fast = fastest_of(seen)
    assert held_back(seen.reading, seen.reading.at_ms, reserve_ppm=0, fastest_ppm_per_hour=fast) is None


def test_a_pace_that_no_reading_confirms_is_over_and_few_readings_tell_none() -> None:
    last = burst(0.6)[-1]
    held = held_back(last, last.at_ms, reserve_ppm=TENTH, fastest_ppm_per_hour=900_000)
    assert held is not None
    assert held.until_ms == last.at_ms + 10 * 60_000
    assert fastest_of(forecast([at(60, 1), last], last.at_ms)) == 0


@given(
    minutes=st.floats(0, 400), percent=st.floats(0, 150), later=st.integers(-HOUR, 6 * HOUR),
    reserve=st.integers(0, 1_000_000),
    fast=st.integers(0, 3_000_000),
)  # fmt: skip
def test_who_is_held_back_is_told_an_instant_until_the_reset_and_then_is_free(
    minutes: float, percent: float, later: int, reserve: int, fast: int
) -> None:
    reading = at(minutes, percent)
    now = reading.at_ms + later
    held = held_back(reading, now, reserve_ppm=reserve, fastest_ppm_per_hour=fast)
    if held is not None:
        assert now < held.until_ms <= RESET
        after = held_back(reading, held.until_ms, reserve_ppm=reserve, fastest_ppm_per_hour=fast)
        assert after is None
